// Whether a watchdog fires in time: before anybody else may claim, and yet not while everything is well.
import type {Timing} from '../protocol/timing.ts';

/**
 * The guardian feeds it only while now + W + d/2 <= t0 + T, so that it has fired before another node may claim; what is left of T for
 * renewals that are late is to be as long as without it.
 * @returns why W + d + 3 h <= T does not hold; undefined if it does.
 */
export function watchdogTimingFault(timing: Timing, watchdogTimeoutMs: number): string | undefined {
  const {leaseTimeoutMs, safetyMarginMs, heartbeatIntervalMs} = timing;
  const neededMs = watchdogTimeoutMs + safetyMarginMs + 3 * heartbeatIntervalMs;
  if (neededMs <= leaseTimeoutMs) return undefined;
  return (
    `the watchdog's timeout ${watchdogTimeoutMs} ms + safetyMargin ${safetyMarginMs} ms + 3 * heartbeatInterval ${heartbeatIntervalMs} ms` +
    ` = ${neededMs} ms is more than leaseTimeout ${leaseTimeoutMs} ms: it could fire after another node has taken over`
  );
}

export const WATCHDOG_TIMING_REMEDY =
  'set a shorter timeout when its driver is loaded (softdog: soft_margin=15, iTCO_wdt: heartbeat=15), or raise leaseTimeout';

// The timings that the product has when nothing is said: what the page about the share promises of them is tried with exactly these.
import {DEFAULT_TIMING, rideOutMs} from '../../../lib/protocol/timing.ts';
import type {Timings} from '../../e2e/support/cluster.ts';

export const DEFAULTS: Timings = {
  leaseTimeout: `${DEFAULT_TIMING.leaseTimeoutMs}ms`,
  stopTimeout: `${DEFAULT_TIMING.stopTimeoutMs}ms`,
  safetyMargin: `${DEFAULT_TIMING.safetyMarginMs}ms`,
  heartbeatInterval: `${DEFAULT_TIMING.heartbeatIntervalMs}ms`,
  pollInterval: `${DEFAULT_TIMING.pollIntervalMs}ms`,
};

/** T - S - d */
export const RIDES_OUT_MS = rideOutMs(DEFAULT_TIMING);
/** T - d: so long after its last renewal a service has ended at the latest. */
export const ENDS_MS = DEFAULT_TIMING.leaseTimeoutMs - DEFAULT_TIMING.safetyMarginMs;

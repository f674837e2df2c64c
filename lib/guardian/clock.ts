// The suspend-aware clock of this host: agent and guardian compare the instants it gives.
import {uptime} from 'node:os';
import {monoMs, type MonoMs} from '../protocol/words.ts';

/** Largest (boot clock - steady clock) seen so far, ms: it is exact up to the 10 ms steps of the boot clock and grows in a suspend. */
let offsetMs = -Infinity;

/**
 * Now, in ms since this host booted, suspends counted; fractions are meaningful. Never goes back. Two processes of one host
 * agree within 10 ms: each knows the boot clock only in truncated steps of 10 ms.
 */
export function bootNow(): MonoMs {
  // The order matters: a pause between the two calls may only make the offset too small, and a later look repairs that.
  const bootMs = uptime() * 1_000;
  const steadyMs = Number(process.hrtime.bigint()) / 1e6;
  offsetMs = Math.max(offsetMs, bootMs - steadyMs);
  return monoMs(steadyMs + offsetMs);
}

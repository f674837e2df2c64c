// The suspend-aware clock of this host: agent and guardian compare the instants it gives.
import {openSync, readSync} from 'node:fs';
import {uptime} from 'node:os';
import {monoMs, type MonoMs} from '../protocol/words.ts';

const DOT = 46;
const ZERO = 48;
const NINE = 57;
const DECIMALS = 2;

/** Kept open, and read digit by digit: agent and guardian look at the clock many times a second, and that is most of what looking costs. */
const uptimeFile = openIfThere('/proc/uptime');
const text = new Uint8Array(32);

/** Largest (boot clock - steady clock) seen so far, ms: it is exact up to the 10 ms steps of the boot clock and grows in a suspend. */
let offsetMs = -Infinity;

/**
 * Now, in ms since this host booted, suspends counted; fractions are meaningful. Never goes back. Two processes of one host
 * agree within 10 ms: each knows the boot clock only in truncated steps of 10 ms; where /proc is not mounted, of a second.
 */
export function bootNow(): MonoMs {
  // The order matters: a pause between the two calls may only make the offset too small, and a later look repairs that.
  const bootMs = uptimeMs() ?? uptime() * 1_000;
  const [seconds, nanoseconds] = process.hrtime();
  const steadyMs = seconds * 1_000 + nanoseconds / 1e6;
  offsetMs = Math.max(offsetMs, bootMs - steadyMs);
  return monoMs(steadyMs + offsetMs);
}

/** The first number of /proc/uptime, which are seconds with two decimals, in ms; undefined if it cannot be had. */
function uptimeMs(): number | undefined {
  if (uptimeFile === undefined) return undefined;
  let length: number;
  try {
    length = readSync(uptimeFile, text, 0, text.length, 0);
  } catch {
    return undefined;
  }
  let hundredths = 0;
  let decimals = -1;
  for (let i = 0; i < length && decimals < DECIMALS; i++) {
    const byte = text[i] ?? 0;
    if (decimals >= 0) decimals++;
    if (byte === DOT) decimals = 0;
    else if (byte < ZERO || byte > NINE) return undefined;
    else hundredths = 10 * hundredths + byte - ZERO;
  }
  return decimals === DECIMALS ? hundredths * 10 : undefined;
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch {
    return undefined;
  }
}

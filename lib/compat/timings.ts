// A timeout of HAL or PROM may be shorter than our stop time and margin allow: then these are scaled down, with the sum in a sentence.

/** By the names of the options; ms. */
export interface Timings {
  readonly leaseTimeout: number;
  readonly stopTimeout: number;
  readonly safetyMargin: number;
  readonly heartbeatInterval: number;
  readonly pollInterval: number;
}

export interface Fitted {
  readonly timings: Timings;
  /** Undefined if nothing had to be changed. */
  readonly warning: string | undefined;
}

/** How often each stands in stopTimeout + safetyMargin + 3 * heartbeatInterval <= leaseTimeout. */
const WEIGHTS = {stopTimeout: 1, safetyMargin: 1, heartbeatInterval: 3} as const;
type Term = keyof typeof WEIGHTS;
const TERMS: readonly Term[] = ['stopTimeout', 'safetyMargin', 'heartbeatInterval'];

/** @param isGiven whether somebody has chosen this value: that one stays, and where it leaves no room nothing is scaled. */
export function fitTimings(timings: Timings, isGiven: (key: keyof Timings) => boolean): Fitted {
  const {leaseTimeout} = timings;
  if (sumOf(timings) <= leaseTimeout) return {timings, warning: undefined};
  const free = TERMS.filter((term) => !isGiven(term));
  const freeMs = free.reduce((total, term) => total + WEIGHTS[term] * timings[term], 0);
  const part = (leaseTimeout - (sumOf(timings) - freeMs)) / freeMs;
  const scaled = Object.fromEntries(free.map((term) => [term, Math.floor(timings[term] * part)]));
  if (!(part > 0) || Object.values(scaled).some((ms) => ms < 1)) return {timings, warning: undefined};
  const fitted = {...timings, ...scaled};
  // A standby that looks less often than the master renews would learn of a change late.
  const pollInterval = isGiven('pollInterval') ? timings.pollInterval : Math.min(timings.pollInterval, fitted.heartbeatInterval);
  const warning =
    `a timeout of ${leaseTimeout} ms is shorter than ${describeSum(timings)}: scaled down to ${describeSum(fitted)}; ` +
    `so the service has ${fitted.stopTimeout} ms to stop, and rides out ${leaseTimeout - fitted.stopTimeout - fitted.safetyMargin} ms without the store`;
  return {timings: {...fitted, pollInterval}, warning};
}

const sumOf = (timings: Timings): number => TERMS.reduce((total, term) => total + WEIGHTS[term] * timings[term], 0);

const describeSum = (timings: Timings): string =>
  `stopTimeout ${timings.stopTimeout} + safetyMargin ${timings.safetyMargin} + 3 * heartbeatInterval ${timings.heartbeatInterval} = ${sumOf(timings)} ms`;

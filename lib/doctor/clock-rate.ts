// How fast another clock runs compared with this host's, from two readings whose place in time is known only within bounds.

/** The other clock showed `theirMs` at some moment between `fromMs` and `toMs` of this host's suspend-aware clock. */
export interface Sighting {
  readonly theirMs: number;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface ClockRate {
  /** How much more the other clock advances per unit of this one; 0 for equal rates. */
  readonly deviation: number;
  /** The true deviation differs by at most this. */
  readonly uncertainty: number;
  readonly overMs: number;
}

/** @returns undefined where the readings lie too close together to say anything. */
export function rateBetween(first: Sighting, last: Sighting): ClockRate | undefined {
  const middle = (sighting: Sighting): number => (sighting.fromMs + sighting.toMs) / 2;
  const overMs = middle(last) - middle(first);
  const fuzzMs = (first.toMs - first.fromMs + last.toMs - last.fromMs) / 2;
  if (overMs <= fuzzMs) return undefined;
  return {deviation: (last.theirMs - first.theirMs) / overMs - 1, uncertainty: fuzzMs / overMs, overMs};
}

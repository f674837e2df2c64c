// Durations of one kind of call, boiled down to what an operator compares.

/** Milliseconds. */
export interface Samples {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** @param durationsMs at least one. */
export function summarize(durationsMs: readonly number[]): Samples {
  const sorted = [...durationsMs].sort((a, b) => a - b);
  const at = (part: number): number => round(sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? 0);
  return {count: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1)};
}

/** To hundredths: more digits than that would claim too much. */
const round = (ms: number): number => Math.round(ms * 100) / 100;

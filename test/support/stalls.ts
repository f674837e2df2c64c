// Whether this machine stood still, for tests of an order that only a machine that goes on can keep.

/** A timer that comes so much later, ms, means that others came late too. */
const TICK_MS = 50;

/** @returns what `work` gives, and the longest time, ms, for which this process did not get to run meanwhile. */
export async function watchingStalls<T>(work: () => Promise<T>): Promise<{readonly value: T; readonly stalledMs: number}> {
  let last = performance.now();
  let stalledMs = 0;
  const look = (): void => {
    const now = performance.now();
    stalledMs = Math.max(stalledMs, now - last - TICK_MS);
    last = now;
  };
  const timer = setInterval(look, TICK_MS);
  try {
    const value = await work();
    look();
    return {value, stalledMs};
  } finally {
    clearInterval(timer);
  }
}

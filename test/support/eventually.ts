// Waiting for a condition instead of for a time.
import {setTimeout as sleep} from 'node:timers/promises';

const POLL_MS = 15;
/** A machine that starts a process in three seconds, and stands still for as long now and then, is no failure. */
const LIMIT_MS = 30_000;

/**
 * Polls until `condition` gives something that is neither false nor undefined nor null, and returns that.
 * @param timeoutMs after this long the last error, or `what`, is thrown.
 */
export async function eventually<T>(
  condition: () => T | Promise<T>,
  timeoutMs = LIMIT_MS,
  what = 'the condition did not come true',
): Promise<Exclude<T, false | undefined | null>> {
  const end = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value !== false && value !== undefined && value !== null) return value as Exclude<T, false | undefined | null>;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() >= end)
      throw new Error(`${what} within ${timeoutMs} ms${last instanceof Error ? `: ${last.message}` : ''}`, {cause: last});
    await sleep(POLL_MS);
  }
}

// A decision says why once, when that changes, not at every turn of the loop.
import type {Fields, Log} from './log.ts';

/** @returns a function that logs `because` only if it differs from the one before of the same `topic`. */
export function whenChanged(
  log: Log,
): (topic: string, because: string, fields?: Fields, level?: 'debug' | 'info' | 'warn' | 'error') => void {
  const last = new Map<string, string>();
  return (topic, because, fields = {}, level = 'info') => {
    if (last.get(topic) === because) return;
    last.set(topic, because);
    log[level](because, {topic, ...fields});
  };
}

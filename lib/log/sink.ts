// Where lines of the log go. Writing never waits and never throws; a reader that stops reading costs lines, not memory.
import type {Writable} from 'node:stream';

export interface Sink {
  /** One line with its newline. */
  write(line: string): void;
  /** Resolves when everything written so far has left the process, or could not, or after `timeoutMs`. */
  flush(timeoutMs: number): Promise<void>;
}

/** More than this is not kept for a destination that does not take it, bytes or characters. */
export const QUEUE_MAX = 4 * 1_024 ** 2;

/** A stream such as standard error, whose reader may be slow, stopped or gone. */
export function boundedStream(target: Writable): Sink {
  let lost = 0;
  // A closed pipe is no reason to end: without a listener EPIPE would.
  target.on('error', () => undefined);
  return {
    write: (line) => {
      if (target.destroyed || target.writableLength + line.length > QUEUE_MAX) {
        lost += 1;
        return;
      }
      if (lost > 0) target.write(lostLine(lost));
      lost = 0;
      target.write(line);
    },
    flush: (timeoutMs) =>
      within(timeoutMs, new Promise((resolve) => (target.destroyed ? resolve() : target.write('', () => resolve())))),
  };
}

export const lostLine = (lost: number): string => `(${lost} entries of the log were lost here)\n`;

/** Resolves with `work`, or after `timeoutMs`, whichever comes first. */
export async function within(timeoutMs: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs);
  });
  await Promise.race([work, timeout]);
  clearTimeout(timer);
}

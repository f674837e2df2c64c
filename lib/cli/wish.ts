// A wish is followed to its end by whoever placed it, and taken back if it does not come true: later it would come as a surprise.
import {HaError, reasonOf} from '../errors.ts';
import type {Epoch, NodeId} from '../protocol/words.ts';
import {withdrawWishes} from '../store/admin.ts';
import type {StorePaths} from '../store/paths.ts';

/**
 * Places a wish and follows it; after any failure, SIGINT and SIGTERM among them, it is withdrawn. A second signal ends the process at once.
 * @param follow rejects soon after its signal has fired.
 */
export async function carryOut<T>(
  paths: StorePaths,
  wish: {readonly epoch: Epoch; readonly to: NodeId | undefined},
  place: () => Promise<void>,
  follow: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const interrupted = new AbortController();
  const interrupt = (name: NodeJS.Signals): void => interrupted.abort(name);
  for (const name of SIGNALS) process.once(name, interrupt);
  try {
    await place();
    return await follow(interrupted.signal);
  } catch (error) {
    await withdrawWishes(paths, wish.epoch, wish.to).catch((failure: unknown) => {
      if (!(failure instanceof HaError)) throw failure;
      process.stderr.write(`ha-agent: the wish could not be withdrawn: ${reasonOf(failure)}\n`);
    });
    throw error;
  } finally {
    for (const name of SIGNALS) process.off(name, interrupt);
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

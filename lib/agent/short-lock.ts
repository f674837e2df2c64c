// A lock for the milliseconds in which this host's agents look at a local file and then write it.
import {setTimeout as sleep} from 'node:timers/promises';
import {systemCode} from '../errors.ts';
import {bootNow} from '../guardian/clock.ts';

/** Nobody holds the lock longer; whoever finds it older takes it over, ms. */
const STALE_MS = 4_000;
/** Waiting longer than STALE_MS outlives a lock that a killed process left behind, ms. */
const WAIT_MS = 7_000;
const POLL_MS = 25;

/** The lock is held by somebody else who keeps it fresh, or its time stamp lies in the future. */
export class LockBusy extends Error {
  override readonly name = 'LockBusy';
}

/** A writer calls it right before what must not happen without the lock. @throws LockBusy if the lock may be somebody else's by now. */
export type StillMine = () => void;

/**
 * Runs `work` while holding a directory of this name, which is gone afterwards.
 * @param lockPath a path on a local file system, whose directory exists.
 * @throws LockBusy, or the error of the file system or of `work`.
 */
export async function withShortLock<T>(lockPath: string, work: (stillMine: StillMine) => Promise<T>): Promise<T> {
  // Its import hooks into the signals of the process, so only who needs it gets it.
  const {default: lockfile} = await import('proper-lockfile');
  let lost = false;
  const acquire = (): Promise<() => Promise<void>> =>
    lockfile.lock(lockPath, {
      lockfilePath: lockPath,
      realpath: false,
      stale: STALE_MS,
      // The default throws where nobody can catch it.
      onCompromised: () => {
        lost = true;
      },
    });
  const release = await insist(acquire, lockPath);
  const heldSince = bootNow();
  try {
    return await work(() => {
      // After a long stop another process may have taken the lock over, and the timer that notices has not run yet.
      if (lost || bootNow() - heldSince > STALE_MS / 2) throw new LockBusy(`this process was stopped while it held ${lockPath}`);
    });
  } finally {
    await release().catch(ignoreLost);
  }
}

/** The retries of proper-lockfile grow; waiting evenly is enough here. */
async function insist(acquire: () => Promise<() => Promise<void>>, lockPath: string): Promise<() => Promise<void>> {
  const end = bootNow() + WAIT_MS;
  for (;;) {
    try {
      return await acquire();
    } catch (error) {
      if (systemCode(error) !== 'ELOCKED') throw error;
      if (bootNow() >= end)
        throw new LockBusy(`${lockPath} is held by another process; if there is none, remove it`, {cause: error});
    }
    await sleep(POLL_MS);
  }
}

/** Released by taking over, or removed by hand: then it is nobody's business any more. */
function ignoreLost(error: unknown): void {
  if (!['ERELEASED', 'ENOTACQUIRED', 'ENOENT'].includes(systemCode(error) ?? '')) throw error;
}

// A short-lived process: `node guardian/release.js LOCK_DIRECTORY ATTEMPT INSTANCE[,INSTANCE…] EPOCH` releases whatever name of these dead
// instances the lock directory shows under that epoch or a later one, until it shows none. Touches nothing else. Any call may hang for ever, so nobody waits for this process.
import {randomBytes} from 'node:crypto';
import {mkdir, readdir, rename, rmdir, utimes} from 'node:fs/promises';
import {join} from 'node:path';
import {formatLockName, parseLockName, type HeldName} from '../protocol/lock-name.ts';
import {EPOCH_MAX, epoch, instanceId, type InstanceId} from '../protocol/words.ts';

/** After this the helper ends itself whatever hangs: the silence of the lease does the rest, ms. */
const LIMIT_MS = 50_000;
const PAUSE_MS = 100;
/** The agent may have tried attempts that it did not tell of; no target name may be tried twice. */
const ATTEMPT_GAP = 1_000_000;

const [directory = '', told = '0', instanceList = '', firstEpoch = '0'] = process.argv.slice(2);
const instances = instanceList.split(',').map(instanceId);
setTimeout(() => finish({released: undefined, because: `gave up after ${LIMIT_MS} ms`}), LIMIT_MS);
finish(await releaseAll(instances, Number(told)));

interface Outcome {
  /** The last name that was made. */
  readonly released: string | undefined;
  readonly because: string;
}

async function releaseAll(dead: readonly InstanceId[], toldAttempt: number): Promise<Outcome> {
  let attempt = toldAttempt + ATTEMPT_GAP;
  let released: string | undefined;
  // The first look may come from a cache: it can only show an old name, and then the rename fails.
  for (let refresh = false; ; refresh = true) {
    const held = await heldBy(dead, refresh);
    if (held === 'unknown') {
      await pause();
      continue;
    }
    if (held === undefined) {
      if (refresh) return {released, because: 'no name of these instances is left'};
      continue;
    }
    attempt = Math.max(attempt, held.attempt) + 1;
    released = (await giveFree(held, attempt)) ?? released;
  }
}

/** @returns undefined if a listing that shows names shows none of theirs. */
async function heldBy(dead: readonly InstanceId[], refresh: boolean): Promise<HeldName | undefined | 'unknown'> {
  try {
    if (refresh) await forceRefresh();
    const names = (await readdir(directory)).map(parseLockName).filter((name) => name !== undefined);
    if (names.length === 0) return 'unknown';
    const isTheirs = (name: HeldName): boolean => name.writer !== undefined && dead.includes(name.writer.instanceId);
    // An earlier epoch was over before they died: the store has been set back, and its owner may be another one by now.
    return names.find((name): name is HeldName => name.kind === 'held' && name.epoch >= Number(firstEpoch) && isTheirs(name));
  } catch (error) {
    complain(error);
    return 'unknown';
  }
}

/** A change of the directory makes the client of a network file system ask the server again. */
async function forceRefresh(): Promise<void> {
  const now = new Date();
  try {
    await utimes(directory, now, now);
  } catch (error) {
    complain(error);
    const own = join(directory, `.refresh.${randomBytes(4).toString('hex')}`);
    await mkdir(own, {mode: 0o700});
    await rmdir(own);
  }
}

/** @returns the new name if the rename succeeded; otherwise it may still have happened, and the next listing tells. */
async function giveFree(held: HeldName, attempt: number): Promise<string | undefined> {
  const next = formatLockName({kind: 'free', epoch: epoch(Math.min(held.epoch + 1, EPOCH_MAX)), writer: held.writer, attempt});
  try {
    await rename(join(directory, formatLockName(held)), join(directory, next));
    return next;
  } catch (error) {
    complain(error);
    await pause();
    return undefined;
  }
}

/** Every error of the store is met by looking again; one that is none of the system's is a fault of this program. */
function complain(error: unknown): void {
  if (!(error instanceof Error && 'errno' in error)) throw error;
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, PAUSE_MS));

/** exit() would wait for a call that hangs; a signal to oneself does not. */
function finish(outcome: Outcome): void {
  process.stdout.write(`${JSON.stringify(outcome)}\n`, () => process.kill(process.pid, 'SIGKILL'));
}

// Which store this node works with: the one it knows, or the first one that it meets. It waits for a store, and says what for.
import {HaError, isHaError, reasonOf} from '../errors.ts';
import {createStoreForMaster} from '../store/birth.ts';
import type {Store} from '../store/contract.ts';
import {openStore} from '../store/directory-store.ts';
import {readIdentity} from '../store/identity.ts';
import {optionsFor, storePaths, type StorePaths} from '../store/paths.ts';
import type {NodeId} from '../protocol/words.ts';
import type {Reporter} from './ports.ts';

export interface StoreWish {
  readonly persistenceDir: string;
  readonly app: string;
  readonly nodeId: NodeId;
  /** What this node remembers; undefined: it has never known a store. */
  readonly knownStoreId: string | undefined;
  /** Mode `master` creates the store where there is none; T stands in its first lock name. */
  readonly create: {readonly leaseTimeoutMs: number; readonly group: () => Promise<number | undefined>} | undefined;
  /** Named where an operator is told to make the store. */
  readonly storeGroup?: string | undefined;
  readonly pollIntervalMs: number;
  readonly log: Reporter;
  /** Told why it waits, whenever the reason changes. */
  readonly waiting: (because: string) => void;
}

/**
 * @returns undefined if `signal` fired first.
 * @throws HaError store.notOurs if another store is there than the one this node knew; store.exists, store.newer.
 */
export async function openOurStore(wish: StoreWish, signal: AbortSignal): Promise<Store | undefined> {
  const paths = storePaths(wish.persistenceDir, wish.app);
  let said = '';
  while (!signal.aborted) {
    // A mount that hangs must not keep the node from ending.
    const because = await unlessAborted(tryStore(wish, paths), signal);
    if (typeof because !== 'string') return because;
    if (because !== said) {
      wish.waiting(because);
      wish.log.warn(because);
    }
    said = because;
    await sleep(wish.pollIntervalMs, signal);
  }
  return undefined;
}

/** @returns the store, or why it has to be waited for. */
async function tryStore(wish: StoreWish, paths: StorePaths): Promise<Store | string> {
  const identity = await readIdentity(paths);
  switch (identity.kind) {
    case 'failed':
    case 'unreadable':
      return `the store cannot be read: ${identity.reason}`;
    case 'missing':
      return whereThereIsNone(wish, paths);
    case 'store':
      refuseForeign(wish, paths, identity.storeId, identity.supersedes);
      break;
    default:
      return identity satisfies never;
  }
  try {
    const {persistenceDir, app, nodeId, log} = wish;
    return await openStore({persistenceDir, app, nodeId, report: (sentence) => log.warn(sentence)});
  } catch (error) {
    if (isHaError(error, 'store.missing') || isHaError(error, 'store.unreachable') || isHaError(error, 'store.corrupt'))
      return error.message;
    throw error;
  }
}

/** Nobody gives birth by accident: an unmounted share must not become a second cluster. */
async function whereThereIsNone(wish: StoreWish, paths: StorePaths): Promise<string> {
  if (wish.knownStoreId !== undefined) {
    return `the store ${wish.knownStoreId} is not at ${paths.root}: is the share mounted? if it is gone for good, decide with "ha-agent accept"`;
  }
  if (!wish.create) {
    const group = wish.storeGroup === undefined ? '' : ` --storeGroup ${wish.storeGroup}`;
    return `no store at ${wish.persistenceDir} yet: is the share mounted? create it once with "ha-agent init ${optionsFor(wish)}${group}"`;
  }
  try {
    const birth = await createStoreForMaster(paths, wish.create.leaseTimeoutMs, await wish.create.group());
    if (birth.born)
      wish.log.warn(
        `created the store ${birth.storeId} at ${paths.root}: everybody waits one lease timeout before the first claim`,
      );
    return 'opening the store';
  } catch (error) {
    if (isHaError(error, 'store.unreachable')) return `the store cannot be created: ${reasonOf(error)}`;
    throw error;
  }
}

function refuseForeign(wish: StoreWish, paths: StorePaths, found: string, supersedes: readonly string[]): void {
  const known = wish.knownStoreId;
  if (known === undefined || known === found) return;
  if (supersedes.includes(known)) {
    wish.log.warn(`the operator has accepted the store ${found} in place of ${known}`);
    return;
  }
  throw new HaError(
    'store.notOurs',
    {dir: paths.root, known, found},
    {
      message: `${paths.root} is the store ${found}, but this node has known ${known}`,
      hint: 'mount the right share, or decide with "ha-agent accept"; a node that is to join another cluster needs another --stateDir',
    },
  );
}

/** A node may wait for days: whatever listens to the signal is taken off it again. @returns undefined if the signal fires first. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const stop = (): void => resolve(undefined);
    signal.addEventListener('abort', stop, {once: true});
    void work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, {once: true});
  });
}

// How a store comes into being: prepared aside, on disk before it is seen, and put in its place by one rename that fails where anything is.
import {randomBytes} from 'node:crypto';
import {readdir, rename, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {HaError} from '../errors.ts';
import {formatLockName, type LockName} from '../protocol/lock-name.ts';
import {epoch} from '../protocol/words.ts';
import {errnoOf, ioReason} from './errno.ts';
import {readIdentity, unreachable} from './identity.ts';
import {makeDirFor, makeDirIn} from './modes.ts';
import {lockDirOf, type StorePaths} from './paths.ts';
import {formatStoreRecord, type StoreRecord} from './records.ts';
import {createFile, random8, syncDir} from './small-file.ts';

/** How many of a full directory's entries an operator is shown. */
const SHOWN_MAX = 5;

export const newStoreId = (): string => randomBytes(8).toString('hex');

/**
 * The operator's word that nothing of this cluster runs: the first claim need not wait.
 * @param group whose members may work with the store too, by its number.
 * @returns the storeId.
 * @throws HaError store.exists where anything is already, store.unreachable.
 */
export async function initStore(paths: StorePaths, group?: number): Promise<string> {
  const first: LockName = {kind: 'free', epoch: epoch(0), writer: undefined, attempt: 0};
  const birth = await giveBirth(paths, {supersedes: [], first, group});
  if (!birth.born) throw exists(paths, `the store ${birth.storeId}`);
  return birth.storeId;
}

/**
 * Creates the store for a node that insists on being master, unless one is there. Its first lock is held by nobody for T: a
 * master may still run whose store was removed.
 * @param leaseTimeoutMs T, 1 s to 24 h.
 * @param group as for `initStore`.
 * @returns `born` false and the storeId of the other if a store was there, or a rival was quicker.
 * @throws HaError store.exists where something else than a store is, store.unreachable.
 */
export async function createStoreForMaster(paths: StorePaths, leaseTimeoutMs: number, group?: number): Promise<Birth> {
  return giveBirth(paths, {supersedes: [], first: heldByNobody(0, leaseTimeoutMs), group});
}

export interface Birth {
  readonly born: boolean;
  readonly storeId: string;
}

/** The name that makes everybody wait T: `<epoch>.held.-.-.T.0`. */
export const heldByNobody = (at: number, leaseTimeoutMs: number): LockName => ({
  kind: 'held',
  epoch: epoch(at),
  writer: undefined,
  leaseTimeoutMs,
  attempt: 0,
});

export interface NewStore {
  readonly supersedes: readonly string[];
  readonly first: LockName;
  readonly group: number | undefined;
}

/** @throws HaError store.exists, store.unreachable. */
export async function giveBirth(paths: StorePaths, {supersedes, first, group}: NewStore): Promise<Birth> {
  const storeId = newStoreId();
  const aside = join(paths.persistenceDir, `.${paths.app}.${random8()}`);
  const present = await whatIsThere(paths);
  if (present) return present;
  try {
    await makeMissing(paths.persistenceDir, group);
    await makeDirFor(group, aside);
    await prepare(aside, {storeId, supersedes}, first);
    await rename(aside, paths.root);
    await syncDir(paths.persistenceDir);
    return {born: true, storeId};
  } catch (error) {
    const reason = ioReason('create the store', paths.root, error);
    await discard(aside);
    // A rename that was answered by an error may have happened: store.json tells whose the store is.
    const after = await whatIsThere(paths);
    if (after) return {born: after.storeId === storeId, storeId: after.storeId};
    throw unreachable(paths.root, reason, error);
  }
}

/** The lock directory of a new store, on disk. @throws the system's error. */
export async function makeLockDir(root: string, storeId: string, first: LockName): Promise<void> {
  const dir = lockDirOf(root, storeId);
  await makeDirIn(dir);
  await createFile(join(dir, formatLockName(first)), '');
  await syncDir(dir);
}

/** One that is there stays as it is. @throws the system's error, but for EEXIST. */
async function makeMissing(path: string, group: number | undefined): Promise<void> {
  try {
    await makeDirFor(group, path);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}

/** @returns the store in this place, or undefined if it is absent or empty. @throws HaError store.exists, store.unreachable. */
async function whatIsThere(paths: StorePaths): Promise<Birth | undefined> {
  let names: string[];
  try {
    names = await readdir(paths.root);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT') return undefined;
    if (errno === 'ENOTDIR') throw exists(paths, 'something that is not a directory');
    throw unreachable(paths.root, ioReason('list', paths.root, error), error);
  }
  if (names.length === 0) return undefined;
  const identity = await readIdentity(paths);
  if (identity.kind === 'store') return {born: false, storeId: identity.storeId};
  const shown = names
    .sort()
    .slice(0, SHOWN_MAX)
    .map((name) => JSON.stringify(name));
  const more = names.length > SHOWN_MAX ? ` and ${names.length - SHOWN_MAX} more` : '';
  throw exists(paths, `${shown.join(', ')}${more}, but no usable store.json (${identity.reason})`);
}

async function prepare(aside: string, record: StoreRecord, first: LockName): Promise<void> {
  for (const dir of ['nodes', 'history', 'control']) await makeDirIn(join(aside, dir));
  await makeLockDir(aside, record.storeId, first);
  await createFile(join(aside, 'store.json'), formatStoreRecord(record));
  await syncDir(aside);
}

/** Takes the private directory out of the reach of a rename that may still be executed, then removes it. */
async function discard(aside: string): Promise<void> {
  const dead = `${aside}.dead`;
  try {
    await rename(aside, dead);
    await rm(dead, {recursive: true});
  } catch (error) {
    // ENOENT: it was never made, or it is the store now. Otherwise a private directory stays behind, which nobody ever reads.
    errnoOf(error);
  }
}

const exists = (paths: StorePaths, found: string): HaError<'store.exists'> =>
  new HaError(
    'store.exists',
    {dir: paths.root, found},
    {
      message: `cannot create a store at ${paths.root}: it holds ${found}`,
      hint: 'use the store that is there, or choose an empty place with --persistenceDir or --app',
    },
  );

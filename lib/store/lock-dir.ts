// The lock directory: READDIR and nothing else, so that nobody's open file or cached handle can ever delay it.
import {mkdir, rmdir, utimes} from 'node:fs/promises';
import type {Listing} from '../protocol/agent-state.ts';
import {readdir} from './calls.ts';
import {errnoOf, ioReason} from './errno.ts';
import {readIdentity} from './identity.ts';
import {isRefreshDir, lockDirOf, refreshDir, type StorePaths} from './paths.ts';
import {random8} from './small-file.ts';

/** What an answer means that the directory is not (or no longer) where we look: store.json tells more. */
const NOT_THERE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ESTALE']);

/**
 * One READDIR of the store's lock directory; more only where that fails.
 * @param refresh force the client's cache to ask the server, at the price of a change of the directory.
 */
export async function listLockDir(paths: StorePaths, storeId: string, refresh: boolean): Promise<Listing> {
  const dir = lockDirOf(paths.root, storeId);
  let doing = 'list';
  try {
    if (refresh) {
      doing = 'refresh what this host knows of';
      await forceRefresh(dir);
      doing = 'list';
    }
    const names = await readdir(dir);
    return {kind: 'names', names: names.filter((name) => !isRefreshDir(name))};
  } catch (error) {
    const failed = {errno: errnoOf(error), reason: ioReason(doing, dir, error)};
    return NOT_THERE.has(failed.errno) ? whatElse(paths, storeId, failed) : {kind: 'error', reason: failed.reason};
  }
}

/** Setting its times makes the client drop what it knows of a directory; so does making an entry, where only the owner may set times. */
async function forceRefresh(dir: string): Promise<void> {
  const now = new Date();
  try {
    await utimes(dir, now, now);
    return;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno !== 'EPERM' && errno !== 'EACCES') throw error;
  }
  const own = refreshDir(dir, random8());
  await mkdir(own, 0o700);
  try {
    await rmdir(own);
  } catch (error) {
    // The resend of a call whose reply was lost: it is gone.
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

/** The lock directory of the store we know is not there. */
async function whatElse(
  paths: StorePaths,
  storeId: string,
  failed: {readonly errno: string; readonly reason: string},
): Promise<Listing> {
  const identity = await readIdentity(paths);
  switch (identity.kind) {
    case 'missing':
    case 'unreadable':
      return {kind: 'notOurStore', reason: identity.reason};
    case 'failed':
      return {kind: 'error', reason: identity.reason};
    case 'store':
      break;
    default:
      return identity satisfies never;
  }
  if (identity.storeId === storeId) {
    // A stale handle may be the client's cache alone; the next listing looks the path up again.
    if (failed.errno === 'ESTALE') return {kind: 'error', reason: failed.reason};
    return {kind: 'notOurStore', reason: `store.json is there, but its lock directory is missing: ${failed.reason}`};
  }
  const supersedes = identity.supersedes.includes(storeId) ? `, which an operator's "accept" put in the place of ${storeId}` : '';
  return {
    kind: 'notOurStore',
    reason: `${paths.storeFile} says this is store ${identity.storeId}${supersedes}, and not ${storeId}`,
  };
}

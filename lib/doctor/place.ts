// What lies at the persistence directory, seen without changing anything.
import {lstat, readdir, realpath, statfs} from 'node:fs/promises';
import {readIdentity} from '../store/identity.ts';
import {storePaths} from '../store/paths.ts';
import type {Calls, Place} from './calls.ts';

/** @throws the system's error: ENOENT, ENOTDIR, EACCES… */
export async function lookAtPlace({persistenceDir, app}: Calls['look']['args']): Promise<Place> {
  const realPath = await realpath(persistenceDir);
  if (!(await lstat(realPath)).isDirectory()) {
    throw Object.assign(new Error(`ENOTDIR: not a directory, '${persistenceDir}'`), {code: 'ENOTDIR', errno: -20});
  }
  await readdir(realPath);
  const {bavail, bsize, blocks, ffree, files} = await statfs(realPath);
  const identity = await readIdentity(storePaths(persistenceDir, app));
  return {
    realPath,
    freeBytes: bavail * bsize,
    totalBytes: blocks * bsize,
    freeFiles: ffree,
    totalFiles: files,
    store: {kind: identity.kind, says: identity.kind === 'store' ? identity.storeId : identity.reason},
  };
}

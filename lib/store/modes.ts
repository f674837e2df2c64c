// Who may open what is in a store: its owner alone, or the group that "init" was told of as well. The store's own directory says which.
import {chmod, lstat, mkdir} from 'node:fs/promises';
import {dirname} from 'node:path';
import {errnoOf} from './errno.ts';

/** What is made in a directory gets its group from it (set-group-ID). */
export const SHARED_DIR = 0o2770;
const SHARED_FILE = 0o660;
const WRITABLE_BY_GROUP = 0o020;

/** Gives a file that was just made the mode of its place, whatever the umask says. @throws the system's error. */
export async function openToGroup(path: string, file: {chmod(mode: number): Promise<void>}): Promise<void> {
  if (!(await isShared(dirname(path)))) return;
  try {
    await file.chmod(SHARED_FILE);
  } catch (error) {
    // Another user's, who let us open it all the same.
    if (errnoOf(error) !== 'EPERM') throw error;
  }
}

/** Makes a directory that is open to whom the one around it is. @throws the system's error. */
export async function makeDirIn(path: string): Promise<void> {
  await mkdir(path, 0o700);
  if (await isShared(dirname(path))) await chmod(path, SHARED_DIR);
}

const isShared = async (dir: string): Promise<boolean> => ((await lstat(dir)).mode & WRITABLE_BY_GROUP) !== 0;

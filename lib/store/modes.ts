// Who may open what is in a store: its owner alone, or the group that "init" was told of as well. The store's own directory says which.
import {constants} from 'node:fs';
import {lstat, mkdir, open} from 'node:fs/promises';
import {dirname} from 'node:path';
import {errnoOf} from './errno.ts';

/** What is made in a directory gets its group from it (set-group-ID). */
const SHARED_DIR = 0o2770;
const SHARED_FILE = 0o660;
const WRITABLE_BY_GROUP = 0o020;
/** chown(2) leaves it alone. */
const SAME_OWNER = -1;

/** Gives a file that was just made the mode of its place, whatever the umask says. @throws the system's error. */
export async function openToGroup(path: string, file: {chmod(mode: number): Promise<void>}): Promise<void> {
  if ((await groupOfShared(dirname(path))) === undefined) return;
  try {
    await file.chmod(SHARED_FILE);
  } catch (error) {
    // Another user's, who let us open it all the same.
    if (errnoOf(error) !== 'EPERM') throw error;
  }
}

/** Makes a directory that is open to whom the one around it is. @throws the system's error. */
export async function makeDirIn(path: string): Promise<void> {
  await makeDirFor(undefined, path, (await groupOfShared(dirname(path))) !== undefined);
}

/** Makes a directory for its owner alone, or for a group too, by its number. @throws the system's error. */
export async function makeDirFor(group: number | undefined, path: string, isShared = group !== undefined): Promise<void> {
  await mkdir(path, 0o700);
  // Some file systems give everything one mode, and allow no other.
  if (!isShared || (group === undefined && (await groupOfShared(path)) !== undefined)) return;
  // By its descriptor: whoever may write around it could put a link in its place.
  const dir = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    if ((await dir.stat()).uid !== process.geteuid?.())
      throw Object.assign(new Error('another user put it there'), {code: 'EPERM', errno: -1});
    if (group !== undefined) await dir.chown(SAME_OWNER, group);
    // Only now: a change of the group takes set-group-ID away.
    await dir.chmod(SHARED_DIR);
  } finally {
    await dir.close();
  }
}

/** The group that a store is open to, as far as its directory is there: an emptied one tells too. @throws the system's error. */
export async function groupOfStore(root: string): Promise<number | undefined> {
  try {
    return await groupOfShared(root);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    return undefined;
  }
}

/** The group that a directory is open to; undefined: it is for its owner alone. @throws the system's error. */
async function groupOfShared(dir: string): Promise<number | undefined> {
  const {mode, gid} = await lstat(dir);
  return (mode & WRITABLE_BY_GROUP) === 0 ? undefined : gid;
}

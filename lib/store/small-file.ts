// Small files that are read and written whole: what lies there may be anything, and is never followed, waited for or believed.
import {randomBytes} from 'node:crypto';
import {constants} from 'node:fs';
import {open, rename, unlink, type FileHandle} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {errnoOf, ioReason} from './errno.ts';
import {openToGroup} from './modes.ts';

/** Whatever is longer is no record of ours, bytes. */
export const RECORD_MAX_BYTES = 65_536;

export type FileText =
  | {readonly kind: 'text'; readonly text: string}
  | {readonly kind: 'absent'; readonly reason: string}
  /** Something is there that no record can be: not a regular file, or too long. */
  | {readonly kind: 'foreign'; readonly reason: string}
  /** The file system answered with an error. */
  | {readonly kind: 'failed'; readonly reason: string};

/** What a read answers where something else than a regular file lies. */
const NOT_REGULAR: ReadonlySet<string> = new Set(['ELOOP', 'EISDIR', 'ENXIO', 'ESPIPE', 'ENODEV']);
export const isNotRegular = (errno: string): boolean => NOT_REGULAR.has(errno);

export const random8 = (): string => randomBytes(4).toString('hex');

/** Opens neither through a link nor waits for the other end of a FIFO. */
export async function readSmallFile(path: string): Promise<FileText> {
  try {
    return await withFile(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK, async (file) => {
      if (!(await file.stat()).isFile()) return {kind: 'foreign', reason: `${path} is not a regular file`};
      const buffer = Buffer.alloc(RECORD_MAX_BYTES + 1);
      let length = 0;
      for (;;) {
        const {bytesRead} = await file.read(buffer, length, buffer.length - length, length);
        length += bytesRead;
        if (length > RECORD_MAX_BYTES) return {kind: 'foreign', reason: `${path} is longer than ${RECORD_MAX_BYTES} bytes`};
        if (bytesRead === 0) return {kind: 'text', text: buffer.toString('utf8', 0, length)};
      }
    });
  } catch (error) {
    const errno = errnoOf(error);
    const reason = ioReason('read', path, error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return {kind: 'absent', reason};
    return {kind: isNotRegular(errno) ? 'foreign' : 'failed', reason};
  }
}

/** Makes a file that was not there, of the mode of its place, and has it on disk before it returns. @throws the system's error, EEXIST among them. */
export async function createFile(path: string, text: string): Promise<void> {
  await withFile(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, async (file) => {
    await openToGroup(path, file);
    await file.writeFile(text);
    await file.sync();
  });
}

/**
 * Puts a whole file in the place of another: whoever reads sees the old one or the new one. Leaves nothing behind but after a crash.
 * @throws the system's error.
 */
export async function replaceFile(path: string, text: string): Promise<void> {
  const aside = join(dirname(path), `.${random8()}.tmp`);
  try {
    await createFile(aside, text);
    await rename(aside, path);
  } catch (error) {
    // Our own file with a random name; if it cannot go either, the first error is the one to tell.
    await unlink(aside).catch(errnoOf);
    throw error;
  }
  await syncDir(dirname(path));
}

/** Makes the entries of a directory durable, where its file system knows how to. @throws the system's error. */
export async function syncDir(path: string): Promise<void> {
  await withFile(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW, async (dir) => {
    try {
      await dir.sync();
    } catch (error) {
      const errno = errnoOf(error);
      if (errno !== 'EINVAL' && errno !== 'ENOTSUP' && errno !== 'EOPNOTSUPP') throw error;
    }
  });
}

async function withFile<T>(path: string, flags: number, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, flags, 0o600);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

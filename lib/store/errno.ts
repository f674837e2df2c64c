// Errors of the file system as names and sentences. What is not one of them is a bug and goes on upwards.
import {systemCode} from '../errors.ts';

/** What libuv does not know: the code that it gives is "Unknown system error -116". */
const UNKNOWN_TO_LIBUV: ReadonlyMap<number, string> = new Map([
  [-116, 'ESTALE'],
  [-512, 'ERESTARTSYS'],
]);

const MEANING: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EBUSY: 'in use',
  EDQUOT: 'the quota is used up',
  EEXIST: 'it exists already',
  EIO: 'the device or server failed',
  EISDIR: 'it is a directory',
  ELOOP: 'it is a symbolic link, and links are not followed',
  EMFILE: 'this process has too many files open',
  ENOENT: 'it does not exist',
  ENOSPC: 'no space is left',
  ENOTDIR: 'a part of this path is not a directory',
  ENOTEMPTY: 'it is not empty',
  ENXIO: 'it is not a regular file',
  EPERM: 'not permitted',
  ERESTARTSYS: 'the call was broken off: was the share unmounted by force?',
  EROFS: 'mounted read-only, or exported so',
  ESPIPE: 'it is not a regular file',
  ESTALE: 'the server no longer knows this file handle',
  ETIMEDOUT: 'the server did not answer',
};

/** @returns the errno's name, such as ENOENT. @throws the error itself if it does not come from a system call. */
export function errnoOf(error: unknown): string {
  if (!(error instanceof Error) || !('errno' in error) || typeof error.errno !== 'number') throw error;
  return UNKNOWN_TO_LIBUV.get(error.errno) ?? systemCode(error) ?? `errno ${error.errno}`;
}

/** @returns `cannot read /store/x: EACCES, permission denied`. @throws as `errnoOf`. */
export function ioReason(doing: string, path: string, error: unknown): string {
  const name = errnoOf(error);
  const meaning = MEANING[name];
  return `cannot ${doing} ${path}: ${name}${meaning === undefined ? '' : `, ${meaning}`}`;
}

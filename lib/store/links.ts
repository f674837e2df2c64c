// The directories of a store are no links: what is read or written below one would lie outside the store.
import {lstat} from 'node:fs/promises';
import {errnoOf} from './errno.ts';

/** @returns a sentence if a link stands in the place of the directory; what else is wrong with it, the next call to it tells. */
export async function linkFault(dir: string): Promise<string | undefined> {
  try {
    return (await lstat(dir)).isSymbolicLink() ? `${dir} is a symbolic link, and links are not followed` : undefined;
  } catch (error) {
    errnoOf(error);
    return undefined;
  }
}

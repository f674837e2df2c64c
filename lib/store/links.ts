// The directories of a store are no links: what is read or written below one would lie outside the store.
import {lstat} from './calls.ts';
import {errnoOf} from './errno.ts';

/** Looks under way, by directory: an owner writes its heartbeat and reads the others' in the same moment. */
const underWay = new Map<string, Promise<string | undefined>>();

/** @returns a sentence if a link stands in the place of the directory; what else is wrong with it, the next call to it tells. */
export function linkFault(dir: string): Promise<string | undefined> {
  const shared = underWay.get(dir);
  if (shared) return shared;
  const look = lookAt(dir).finally(() => underWay.delete(dir));
  underWay.set(dir, look);
  return look;
}

async function lookAt(dir: string): Promise<string | undefined> {
  try {
    return (await lstat(dir)).isSymbolicLink() ? `${dir} is a symbolic link, and links are not followed` : undefined;
  } catch (error) {
    errnoOf(error);
    return undefined;
  }
}

// A rename over a directory that is not empty has to fail: that is how one birth of a store succeeds, and no second one.
import {mkdir, readdir, rename, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import type {FullDirectory} from './calls.ts';
import {attempt, type Rename} from './rivals.ts';

/** @param directory exists and is empty. */
export async function tryFullDirectory(directory: string, move: Rename = rename): Promise<FullDirectory> {
  const [newer, older] = [join(directory, 'newer'), join(directory, 'older')];
  for (const each of [newer, older]) await mkdir(each, 0o700);
  await writeFile(join(older, 'entry'), '', {flag: 'wx', mode: 0o600});
  const errno = await attempt(move, newer, older);
  return {errno: errno === '' ? null : errno, entryIsLeft: (await readdir(older)).includes('entry')};
}

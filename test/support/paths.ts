// Where things are: tests find sources and fixtures from the root of the repository, never from where they were compiled to.
import fs from 'node:fs';
import path from 'node:path';

/** The directory of package.json. */
export const repoRoot = findUp(import.meta.dirname, 'package.json');

/** The root of the build that this very test belongs to: dist, or the output directory of somebody's own build. */
export const buildRoot = path.resolve(import.meta.dirname, '..', '..');

function findUp(from: string, name: string): string {
  for (let directory = from; ; directory = path.dirname(directory)) {
    if (fs.existsSync(path.join(directory, name))) return directory;
    if (directory === path.dirname(directory)) throw new Error(`no ${name} in ${from} or above it`);
  }
}

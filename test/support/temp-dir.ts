// A directory of its own for each test, removed afterwards whatever the test did to its permissions.
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

/** Gives every test of the suite an empty directory; call it in `describe`, and the result in a test. */
export function useTempDir(): () => string {
  let directory: string | undefined;
  beforeEach(async () => {
    directory = await makeTempDir();
  });
  afterEach(async () => {
    if (directory !== undefined) await removeTempDir(directory);
    directory = undefined;
  });
  return () => {
    if (directory === undefined) throw new Error('the temporary directory exists only while a test runs');
    return directory;
  };
}

/** @returns the real path of a new empty directory; whoever makes it removes it with `removeTempDir`. */
export async function makeTempDir(): Promise<string> {
  return await fs.realpath(await fs.mkdtemp(path.join(os.tmpdir(), 'ha-agent-test-')));
}

export async function removeTempDir(directory: string): Promise<void> {
  await makeRemovable(directory);
  await fs.rm(directory, {recursive: true, force: true, maxRetries: 5, retryDelay: 50});
}

/** Tests take permissions away, and an ordinary user cannot empty a directory that he may not read. */
async function makeRemovable(directory: string): Promise<void> {
  const stat = await fs.lstat(directory).catch(ignoreMissing);
  if (stat?.isDirectory() !== true) return;
  if ((stat.mode & 0o700) !== 0o700) await fs.chmod(directory, 0o700).catch(ignoreMissing);
  // What a process that is just ending removes itself need not be made removable.
  for (const entry of (await fs.readdir(directory, {withFileTypes: true}).catch(ignoreMissing)) ?? []) {
    if (entry.isDirectory()) await makeRemovable(path.join(directory, entry.name));
  }
}

function ignoreMissing(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
  throw error;
}

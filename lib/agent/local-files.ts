// Small JSON files of one local directory, each replaced as a whole: a reader sees the old one or the new one, also after a power cut.
import {randomBytes} from 'node:crypto';
import {chmod, lstat, mkdir, open, readdir, readFile, rename, rm} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {HaError, reasonOf, systemCode} from '../errors.ts';

const MAX_BYTES = 1_024 ** 2;
/** `.node.json.1234.0a1b2c3d.new` */
const LEFTOVER = /^\.[a-z]+\.json\.\d+\.[0-9a-f]{8}\.new$/;

/** Makes the directory (0700) and what is missing above it. @throws HaError 'state.unusable' */
export async function openPrivateDirectory(dir: string): Promise<void> {
  try {
    await makeDirectory(dir);
    if (!(await lstat(`${dir}/`)).isDirectory())
      throw new HaError('state.unusable', {path: dir, reason: 'it is no directory'}, unusableText(dir, 'it is no directory'));
    await chmod(dir, 0o700);
  } catch (error) {
    throw asUnusable(dir, error);
  }
}

/** Removes what a crash left half written; only for whoever alone writes here. @throws HaError 'state.unusable' */
export async function removeLeftovers(dir: string): Promise<void> {
  try {
    for (const name of await readdir(dir)) if (LEFTOVER.test(name)) await rm(join(dir, name), {force: true});
  } catch (error) {
    throw asUnusable(dir, error);
  }
}

/** Replaces the file (0600); durable when it resolves. @throws HaError 'state.unusable' */
export async function writeJson(file: string, value: unknown): Promise<void> {
  const name = `.${file.slice(dirname(file).length + 1)}.${process.pid}.${randomBytes(4).toString('hex')}.new`;
  const temporary = join(dirname(file), name);
  try {
    await writeDurably(temporary, `${JSON.stringify(value)}\n`);
    await rename(temporary, file);
    await syncDirectory(dirname(file));
  } catch (error) {
    await rm(temporary, {force: true}).catch(ignoreSystemError);
    throw asUnusable(file, error);
  }
}

/** @returns the parsed content, undefined if there is no file. @throws HaError 'state.corrupt', 'state.unusable' */
export async function readJson(file: string): Promise<unknown> {
  let text: string;
  try {
    const stats = await lstat(file);
    if (!stats.isFile()) throw corrupt(file, 'it is not a regular file');
    if (stats.size > MAX_BYTES) throw corrupt(file, 'it is larger than 1 MiB');
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw asUnusable(file, error);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw corrupt(file, text === '' ? 'it is empty' : 'it is no JSON', error);
  }
}

export async function removeFile(file: string): Promise<void> {
  try {
    await rm(file, {force: true});
    await syncDirectory(dirname(file));
  } catch (error) {
    throw asUnusable(file, error);
  }
}

export function corrupt(file: string, reason: string, cause?: unknown): HaError<'state.corrupt'> {
  const message = `the state file ${file} is damaged: ${reason}`;
  const hint = `with this node's agent, guardian and service stopped, remove that file, or choose another --stateDir`;
  return new HaError('state.corrupt', {file, reason}, {message, hint, ...(cause !== undefined && {cause})});
}

async function writeDurably(file: string, text: string): Promise<void> {
  const handle = await open(file, 'wx', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A rename is durable once its directory is. */
async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Node's own recursive mkdir spins for ever where a parent exists and still nothing can be made in it (/proc). */
async function makeDirectory(dir: string, mode = 0o700): Promise<void> {
  try {
    await mkdir(dir, {mode});
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return;
    if (systemCode(error) !== 'ENOENT' || dirname(dir) === dir) throw error;
    await makeDirectory(dirname(dir), 0o755);
    await mkdir(dir, {mode}).catch(ignoreExisting);
  }
}

function asUnusable(path: string, error: unknown): Error {
  if (error instanceof HaError) return error;
  if (systemCode(error) === undefined) return error instanceof Error ? error : new Error(String(error));
  return new HaError('state.unusable', {path, reason: reasonOf(error)}, {...unusableText(path, reasonOf(error)), cause: error});
}

const unusableText = (path: string, reason: string): {message: string; hint: string} => ({
  message: `the state directory cannot be used: ${path}: ${reason}`,
  hint: 'make it a local directory that this user owns and that has space, or choose another one with --stateDir',
});

function ignoreExisting(error: unknown): void {
  if (systemCode(error) !== 'EEXIST') throw error;
}

function ignoreSystemError(error: unknown): void {
  if (systemCode(error) === undefined) throw error;
}

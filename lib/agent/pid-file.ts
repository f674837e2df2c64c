// pid.txt: the agent's process id in digits and a newline. One agent at a time has it; a stale one is replaced, a live one refused.
import {randomBytes} from 'node:crypto';
import {link, lstat, open, readFile, rename, rm} from 'node:fs/promises';
import {basename, dirname, join} from 'node:path';
import {HaError, isHaError, reasonOf, systemCode} from '../errors.ts';
import {bootId, isAlive, lookAt, pidNamespace} from '../guardian/proc.ts';
import type {AgentRecord} from './local-state.ts';
import {commandLineOf, isAgentCommand} from './process-look.ts';
import {LockBusy, withShortLock} from './short-lock.ts';

export interface PidFile {
  readonly path: string;
  /** Removes the file if it is still ours: on a clean end. Problems are told to `log`. */
  release(): Promise<void>;
}

export interface PidFilePorts {
  /** Who the last agent of this node was, from the state directory; undefined if nothing is known. */
  readonly lastAgent: () => Promise<AgentRecord | undefined>;
  readonly log: (sentence: string, fields: Readonly<Record<string, unknown>>) => void;
  /** Whether a command line is that of an agent; for a pid that the state directory knows nothing of. */
  readonly isAgent?: (words: readonly string[]) => boolean;
}

const MAX_BYTES = 64;

/**
 * Writes the file for this process.
 * @param path absolute, on a local file system.
 * @throws HaError 'pidFile.live' if the agent it names lives, 'pidFile.unusable' if it is something else or cannot be written.
 */
export async function claimPidFile(path: string, ports: PidFilePorts): Promise<PidFile> {
  let inode: string;
  try {
    inode = await withShortLock(`${path}.lock`, async (stillMine) => {
      const found = await readPidFile(path);
      if (found !== undefined) {
        const because = await reasonToReplace(path, found, ports);
        stillMine();
        await setAside(path, found);
        ports.log('replaced a stale pid file', {pidFile: path, pid: found, because});
      }
      stillMine();
      return await create(path);
    });
  } catch (error) {
    throw explain(path, error);
  }
  return {path, release: () => release(path, inode, ports.log)};
}

/** @returns the pid in it; undefined if there is no file. */
async function readPidFile(path: string): Promise<number | undefined> {
  const stats = await lstat(path).catch(missing);
  if (stats === undefined) return undefined;
  if (stats.isDirectory()) throw unusable(path, 'it is a directory');
  if (stats.isSymbolicLink()) throw unusable(path, 'it is a symbolic link');
  if (!stats.isFile()) throw unusable(path, 'it is not a regular file');
  const text = stats.size > MAX_BYTES ? undefined : await readFile(path, 'utf8');
  const pid = text !== undefined && /^\d{1,10}\s*$/.test(text) ? Number(text) : 0;
  if (pid < 1 || pid > 2 ** 22) throw unusable(path, 'it holds something else than a process id');
  return pid;
}

/** @returns why the file is stale. @throws HaError 'pidFile.live' */
async function reasonToReplace(path: string, pid: number, ports: PidFilePorts): Promise<string> {
  // In a container the first process has the same number after each start.
  if (pid === process.pid) return 'it names the number that this process has now';
  const look = lookAt(pid);
  if (look === undefined || look.dead) return 'its process is gone';
  const last = await lastAgent(ports);
  if (last?.pid === pid && last.bootId === bootId() && last.pidNamespace === pidNamespace()) {
    if (isAlive(last)) throw live(path, pid);
    return 'another process has its number now';
  }
  if (last?.pid === pid && last.bootId !== bootId()) return 'this host was started again since';
  const words = await commandLineOf(pid);
  if (words !== undefined && (ports.isAgent ?? isAgentCommand)(words)) throw live(path, pid);
  return 'the process with its number is no agent';
}

/** A damaged state directory is reported by who needs it; the pid file can do without. */
async function lastAgent(ports: PidFilePorts): Promise<AgentRecord | undefined> {
  try {
    return await ports.lastAgent();
  } catch (error) {
    if (isHaError(error)) return undefined;
    throw error;
  }
}

/** Moves the stale file away; if that turns out to be another one, puts it back. */
async function setAside(path: string, pid: number): Promise<void> {
  const aside = privateName(path);
  await rename(path, aside);
  const moved = (await readFile(aside, 'utf8')).trim();
  if (moved !== String(pid)) await link(aside, path);
  await rm(aside, {force: true});
  if (moved !== String(pid)) throw live(path, Number(moved));
}

/** Appears with its content or not at all, and never in another one's place. @returns which file it is. */
async function create(path: string): Promise<string> {
  const temporary = privateName(path);
  try {
    const handle = await open(temporary, 'wx', 0o644);
    try {
      await handle.writeFile(`${process.pid}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(temporary, path).catch((error: unknown) => renameWhereNoLinks(error, temporary, path));
    return inodeOf(await lstat(path));
  } finally {
    await rm(temporary, {force: true}).catch(ignoreSystemError);
  }
}

/** Some file systems have no hard links; there the lock alone keeps others out. */
async function renameWhereNoLinks(error: unknown, temporary: string, path: string): Promise<void> {
  if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(systemCode(error) ?? '')) throw error;
  await rename(temporary, path);
}

async function release(path: string, inode: string, log: PidFilePorts['log']): Promise<void> {
  try {
    await withShortLock(`${path}.lock`, async () => {
      const stats = await lstat(path).catch(missing);
      if (stats === undefined || inodeOf(stats) !== inode) return;
      if ((await readFile(path, 'utf8')) === `${process.pid}\n`) await rm(path, {force: true});
    });
  } catch (error) {
    if (systemCode(error) === undefined && !(error instanceof LockBusy)) throw error;
    if (systemCode(error) !== 'ENOENT') log('the pid file could not be removed', {pidFile: path, reason: reasonOf(error)});
  }
}

const privateName = (path: string): string =>
  join(dirname(path), `.${basename(path)}.${process.pid}.${randomBytes(4).toString('hex')}`);

const inodeOf = (stats: {readonly dev: number; readonly ino: number}): string => `${stats.dev}:${stats.ino}`;

function explain(path: string, error: unknown): unknown {
  if (error instanceof LockBusy) return unusable(path, error.message, error);
  if (error instanceof HaError || systemCode(error) === undefined) return error;
  return unusable(path, systemCode(error) === 'EEXIST' ? 'somebody else has just made it' : reasonOf(error), error);
}

function live(path: string, pid: number): HaError<'pidFile.live'> {
  const message = `an agent that uses the pid file ${path} lives: process ${pid}`;
  return new HaError(
    'pidFile.live',
    {pidFile: path, pid},
    {message, hint: 'stop that agent first, or give this one another --pidFile'},
  );
}

function unusable(path: string, reason: string, cause?: unknown): HaError<'pidFile.unusable'> {
  const message = `the pid file ${path} cannot be used: ${reason}`;
  const hint = 'remove what is there if nobody needs it, or choose another --pidFile in a directory that this user may write';
  return new HaError('pidFile.unusable', {pidFile: path, reason}, {message, hint, ...(cause !== undefined && {cause})});
}

function missing(error: unknown): undefined {
  if (systemCode(error) !== 'ENOENT') throw error;
  return undefined;
}

function ignoreSystemError(error: unknown): void {
  if (systemCode(error) === undefined) throw error;
}

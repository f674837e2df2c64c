// The life of a lab as a whole: its directory, the processes around its keeper, and that neither is left behind.
import {spawn, type ChildProcess} from 'node:child_process';
import {access, mkdir, open, readdir, readFile, rm, rmdir, stat, writeFile, type FileHandle} from 'node:fs/promises';
import path from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {hasCode, identityOf, isAlive, type ProcessIdentity} from '../../lib/guardian/proc.ts';
import {ask, isKept} from './control.ts';
import {BUILD_ROOT, directoryOf, LabError, labsDirectory, placesOf, type LabPlan} from './plan.ts';

const START_MS = 30_000;
const END_MS = 30_000;
const POLL_MS = 20;
/** A directory without a keeper may be one that somebody is just making. */
const YOUNG_MS = 30_000;
const CLAIMS_MAX = 20;
/** How long after its time a keeper that does not end by itself is ended. */
const TTL_EXTRA_S = 30;

/**
 * Whatever ends the keeper, the shell then removes the directory; `timeout` ends a keeper that hangs. The mount namespace hides from the
 * host what the keeper mounts, and with the first process of the pid namespace everything in it ends.
 */
const AROUND_KEEPER = `trap '' HUP INT TERM
timeout --foreground --signal=KILL "$1" unshare --net --mount --pid --fork --kill-child=KILL --mount-proc -- "$2" "$3" "$4"
rm -rf "$4"
rmdir "$(dirname "$4")" 2>/dev/null`;

/** Starts the keeper of a new lab; its machines are still off then. @throws LabError if there is such a lab already */
export async function startKeeper(plan: LabPlan): Promise<void> {
  await claimDirectory(plan);
  const places = placesOf(plan.directory);
  await writeFile(places.plan, JSON.stringify(plan, undefined, 2));
  const log = await open(places.keeperLog, 'a+');
  try {
    const keeper = path.join(BUILD_ROOT, 'scripts', 'nfs-lab', 'keeper.js');
    const words = ['sh', String(plan.ttlS + TTL_EXTRA_S), process.execPath, keeper, plan.directory];
    const child = spawn('sh', ['-c', AROUND_KEEPER, ...words], {detached: true, stdio: ['ignore', log.fd, log.fd], cwd: '/'});
    const owner = child.pid === undefined ? undefined : identityOf(child.pid);
    if (!owner) throw new LabError('sh could not be started');
    child.unref();
    await writeFile(places.owner, JSON.stringify(owner));
    await untilKept(plan.directory, child, log);
  } finally {
    await log.close();
  }
}

/** Ends a lab and waits until nothing of it is left. @throws LabError if something is */
export async function endLab(directory: string): Promise<void> {
  const owner = await ownerOf(directory);
  const asked = await ask(directory, {does: 'end'}).then(
    () => true,
    () => false,
  );
  // A keeper that does not listen is ended with the shell around it, whose process group it is in.
  if (!asked && owner && isAlive(owner)) process.kill(-owner.pid, 'SIGKILL');
  for (const end = performance.now() + END_MS; ; await sleep(POLL_MS)) {
    const alive = owner !== undefined && isAlive(owner);
    if (!alive) await removeDirectory(directory);
    if (!alive && !(await exists(directory))) return;
    if (performance.now() > end)
      throw new LabError(`the lab in ${directory} does not end: process ${owner?.pid ?? 'unknown'} is alive`);
  }
}

/** The ids of the labs of this host that are up. */
export async function runningLabs(): Promise<string[]> {
  const ids = await readdir(labsDirectory()).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  });
  const kept = await Promise.all(ids.map((id) => isKept(directoryOf(id))));
  return ids.filter((_, index) => kept[index] === true);
}

/** @throws LabError if no lab with this id is up */
export async function findPlan(id: string): Promise<LabPlan> {
  const directory = directoryOf(id);
  if (!(await isKept(directory))) {
    const others = await runningLabs();
    const which = others.length === 0 ? 'none is' : `these are: ${others.join(', ')}`;
    throw new LabError(`no lab with the id ${id} is up (${which}); start one with "npm run lab:nfs -- up --id ${id}"`);
  }
  return JSON.parse(await readFile(placesOf(directory).plan, 'utf8')) as LabPlan;
}

/** Of several that want one id only one can make the directory; what a killed lab has left is cleared away. */
async function claimDirectory({id, directory}: LabPlan): Promise<void> {
  for (let claim = 0; claim < CLAIMS_MAX; claim += 1) {
    try {
      await mkdir(labsDirectory(), {recursive: true, mode: 0o755});
      await mkdir(directory);
      return;
    } catch (error) {
      // The last lab to end removes the directory of all labs, perhaps just now.
      if (hasCode(error, 'ENOENT')) continue;
      if (!hasCode(error, 'EEXIST')) throw error;
      if (!(await isStale(directory)))
        throw new LabError(`the lab ${id} is up already, in ${directory}: "down" ends it`, {cause: error});
      await removeDirectory(directory);
    }
  }
  throw new LabError(`${directory} could not be made: others are making and removing it all the time`);
}

async function isStale(directory: string): Promise<boolean> {
  if (await isKept(directory)) return false;
  const owner = await ownerOf(directory);
  if (owner) return !isAlive(owner);
  return stat(directory).then(
    ({mtimeMs}) => Date.now() - mtimeMs > YOUNG_MS,
    () => true,
  );
}

async function untilKept(directory: string, child: ChildProcess, log: FileHandle): Promise<void> {
  for (const end = performance.now() + START_MS; !(await isKept(directory)); await sleep(POLL_MS)) {
    const ended = child.exitCode !== null || child.signalCode !== null;
    if (!ended && performance.now() < end) continue;
    // Its directory is gone by now, and with it the name of the log.
    const {buffer, bytesRead} = await log.read({buffer: Buffer.alloc(4096), position: 0});
    const said = buffer.toString('utf8', 0, bytesRead).trim();
    if (!ended) await endLab(directory);
    throw new LabError(
      `the keeper of the lab ${ended ? 'ended at once' : `is not ready after ${START_MS} ms`}: ${said || 'it said nothing'}`,
    );
  }
}

async function ownerOf(directory: string): Promise<ProcessIdentity | undefined> {
  const text = await readFile(placesOf(directory).owner, 'utf8').catch(() => '');
  // Empty or torn: its writer was killed.
  return text.endsWith('}') ? (JSON.parse(text) as ProcessIdentity) : undefined;
}

async function removeDirectory(directory: string): Promise<void> {
  await rm(directory, {recursive: true, force: true, maxRetries: 5, retryDelay: 50});
  await rmdir(labsDirectory()).catch((error: unknown) => {
    if (!hasCode(error, 'ENOTEMPTY', 'EEXIST', 'ENOENT')) throw error;
  });
}

const exists = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

// The operator's decision that what is there now is the store from here on, whatever the nodes knew before: new id, higher epoch.
import {readdir, rename} from 'node:fs/promises';
import {join} from 'node:path';
import {HaError} from '../errors.ts';
import {parseLockName} from '../protocol/lock-name.ts';
import {EPOCH_MAX} from '../protocol/words.ts';
import {giveBirth, heldByNobody, makeLockDir, newStoreId} from './birth.ts';
import type {BlockIo} from './direct-io.ts';
import {errnoOf, ioReason} from './errno.ts';
import {heartbeatIo, readNodes} from './heartbeats.ts';
import {readIdentity, requireIdentity, unreachable} from './identity.ts';
import {groupOfStore, makeDirIn} from './modes.ts';
import {isStoreId, parseHistoryFile, parseLockDir, retiredDirOf, type StorePaths} from './paths.ts';
import {formatStoreRecord} from './records.ts';
import {random8, replaceFile, syncDir} from './small-file.ts';
import {changesDuring, longestLease, longestOwned, nodeSigns, outlasting, slowestBeat, type Watch} from './watch.ts';

export interface AcceptOptions {
  /** T of the first lock name, ms, unless an earlier name had a larger one: everybody waits that long before the first claim. 1 s to 24 h. */
  readonly leaseTimeoutMs: number;
  /** What the caller's local state remembers: the largest epoch, and the stores it knew. */
  readonly known: {readonly epoch: number; readonly storeIds: readonly string[]};
  /** How long to look for nodes that are still alive. */
  readonly watch: Watch;
  /** Whose members may work with a store that is made where nothing is left of the old one. */
  readonly group?: number | undefined;
}

export interface Accepted {
  readonly storeId: string;
  readonly supersedes: readonly string[];
  /** The epoch of the first lock name: above every known one. */
  readonly epoch: number;
}

/** What the directory tells of its past. */
interface Past {
  readonly epoch: number;
  readonly storeIds: ReadonlySet<string>;
}

const PARTS: ReadonlySet<string> = new Set(['store.json', 'nodes', 'history', 'control']);

/**
 * Gives the directory a new identity. Works with store.json, lock directory or everything missing, and again after a crash of itself.
 * @throws HaError cluster.refused if anything in the store still changes, or somebody else accepts at the same time; store.exists
 * if the directory holds things but none of a store; store.newer; store.corrupt; store.unreachable.
 */
export async function acceptStore(paths: StorePaths, options: AcceptOptions): Promise<Accepted> {
  const io = heartbeatIo(() => undefined);
  if ((await entries(paths.root)).length === 0) return acceptNothing(paths, options);
  await requireParts(paths);
  const leaseTimeoutMs = Math.max(options.leaseTimeoutMs, await longestEver(paths));
  await requireSilence(paths, io, options.watch);
  try {
    await retireLockDirs(paths);
    const past = await readPast(paths, io, options.known);
    const storeId = newStoreId();
    const epoch = nextEpoch(paths, past.epoch);
    const supersedes = [...past.storeIds].sort();
    for (const dir of [paths.nodesDir, paths.historyDir, paths.controlDir]) await makeMissing(dir);
    await makeLockDir(paths.root, storeId, heldByNobody(epoch, leaseTimeoutMs));
    await syncDir(paths.root);
    await replaceFile(paths.storeFile, formatStoreRecord({storeId, supersedes}));
    await requireOurs(paths, storeId);
    return {storeId, supersedes, epoch};
  } catch (error) {
    if (error instanceof HaError) throw error;
    throw unreachable(paths.root, ioReason('accept', paths.root, error), error);
  }
}

async function makeMissing(dir: string): Promise<void> {
  try {
    await makeDirIn(dir);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}

async function acceptNothing(paths: StorePaths, options: AcceptOptions): Promise<Accepted> {
  const supersedes = [...new Set(options.known.storeIds)].filter(isStoreId).sort();
  const epoch = nextEpoch(paths, options.known.epoch);
  const birth = await giveBirth(paths, {
    supersedes,
    first: heldByNobody(epoch, options.leaseTimeoutMs),
    group: options.group ?? (await groupOfStore(paths.root)),
  });
  if (!birth.born) throw refused(`somebody else has just created the store ${birth.storeId} at ${paths.root}`);
  return {storeId: birth.storeId, supersedes, epoch};
}

/** A directory of something else is not turned into a store; nor is one of a newer version taken back. */
async function requireParts(paths: StorePaths): Promise<void> {
  const names = await entries(paths.root);
  if (!names.some((name) => PARTS.has(name) || parseLockDir(name))) {
    const found = names
      .sort()
      .slice(0, 5)
      .map((name) => JSON.stringify(name))
      .join(', ');
    throw new HaError(
      'store.exists',
      {dir: paths.root, found},
      {
        message: `${paths.root} holds nothing of a store, but ${found}`,
        hint: 'choose the right directory with --persistenceDir and --app',
      },
    );
  }
  const identity = await readIdentity(paths);
  if (identity.kind === 'failed' || (identity.kind === 'unreadable' && identity.format !== undefined))
    await requireIdentity(paths);
}

/** The largest T of present and retired lock names: who held one of them may run that long. */
async function longestEver(paths: StorePaths): Promise<number> {
  const names: string[] = [];
  for (const name of await entries(paths.root)) if (parseLockDir(name)) names.push(...(await entries(join(paths.root, name))));
  return longestLease(names);
}

/** Every node is stopped: no heartbeat and no lock name changes. */
async function requireSilence(paths: StorePaths, io: BlockIo, watch: Watch): Promise<void> {
  const look = async (): Promise<Map<string, string>> => {
    const names = await entries(paths.root);
    const signs = new Map<string, string>(names.includes('nodes') ? await nodeSigns(io, paths) : []);
    for (const name of names.filter(parseLockDir)) signs.set(name, (await entries(join(paths.root, name))).sort().join('/'));
    return signs;
  };
  const lockNames = [...(await look()).values()].flatMap((sign) => sign.split('/'));
  const changed = await changesDuring(look, outlasting(watch, longestOwned(lockNames), await slowestBeat(io, paths)));
  if (changed.size > 0) throw refused(`not every node is stopped: there are changes by ${[...changed].sort().join(', ')}`);
}

/** From here on every rename of a node that knew one of them fails. */
async function retireLockDirs(paths: StorePaths): Promise<void> {
  for (const name of await entries(paths.root)) {
    const lock = parseLockDir(name);
    if (!lock || lock.retired) continue;
    try {
      await rename(join(paths.root, name), retiredDirOf(paths.root, lock.storeId, random8()));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') throw refused(`somebody else moved ${join(paths.root, name)} away at the same moment`);
      throw error;
    }
  }
  await syncDir(paths.root);
}

/** Read after the lock directories have been moved, so that nothing larger can come later. @throws HaError store.unreachable. */
async function readPast(paths: StorePaths, io: BlockIo, known: AcceptOptions['known']): Promise<Past> {
  const epochs = [known.epoch];
  const storeIds = new Set(known.storeIds);
  for (const name of await entries(paths.root)) {
    const lock = parseLockDir(name);
    if (!lock) continue;
    storeIds.add(lock.storeId);
    for (const lockName of await entries(join(paths.root, name))) epochs.push(parseLockName(lockName)?.epoch ?? 0);
  }
  for (const name of await entries(paths.historyDir)) epochs.push(parseHistoryFile(name) ?? 0);
  const nodes = await readNodes(io, paths);
  for (const found of nodes.found) {
    if (found.kind === 'failed') throw unreachable(paths.nodesDir, found.reason);
    if (found.kind !== 'record') continue;
    storeIds.add(found.storeId);
    epochs.push(found.heartbeat.epoch);
  }
  const identity = await readIdentity(paths);
  if (identity.kind === 'store') for (const id of [identity.storeId, ...identity.supersedes]) storeIds.add(id);
  return {epoch: epochs.reduce((a, b) => Math.max(a, b), 0), storeIds: new Set([...storeIds].filter(isStoreId))};
}

function nextEpoch(paths: StorePaths, largest: number): number {
  if (largest < EPOCH_MAX) return largest + 1;
  const reason = `an epoch of ${largest} is known, and ${EPOCH_MAX} is the last one there can be`;
  const hint = `remove what claims that epoch from ${paths.root}: a file in history/, or in a directory named retired.*`;
  throw new HaError('store.corrupt', {path: paths.root, reason}, {message: reason, hint});
}

/** Two operators may have decided at once; then one of them has to decide again. */
async function requireOurs(paths: StorePaths, storeId: string): Promise<void> {
  const identity = await requireIdentity(paths);
  const lockDirs = (await entries(paths.root)).flatMap((name) => parseLockDir(name) ?? []).filter((lock) => !lock.retired);
  if (identity.storeId !== storeId || lockDirs.length !== 1 || lockDirs[0]?.storeId !== storeId) {
    throw refused(`somebody else changed ${paths.root} at the same moment`);
  }
}

/** The names in a directory; none if it is not there. @throws HaError store.unreachable. */
async function entries(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw unreachable(dir, ioReason('list', dir, error), error);
  }
}

const refused = (reason: string): HaError<'cluster.refused'> =>
  new HaError(
    'cluster.refused',
    {what: 'accept', reason},
    {message: `the store was not accepted: ${reason}`, hint: 'stop every node ("ha-agent stop" on each), then accept it again'},
  );

// Whether anybody is still there: only change says so, and only on this process's own clock.
import {setTimeout as sleep} from 'node:timers/promises';
import {HaError} from '../errors.ts';
import {parseLockName, type HeldName} from '../protocol/lock-name.ts';
import type {NodeId} from '../protocol/words.ts';
import type {BlockIo} from './direct-io.ts';
import {readNodes} from './heartbeats.ts';
import {unreachable} from './identity.ts';
import {listLockDir} from './lock-dir.ts';
import type {StorePaths} from './paths.ts';

/** How long to look for signs of life: `times` looks after the first, `intervalMs` apart. Longer than five heartbeat intervals in all. */
export interface Watch {
  readonly intervalMs: number;
  readonly times: number;
}

/** One look: a value per thing that a living node changes. */
export type Look = () => Promise<ReadonlyMap<string, string>>;

/**
 * @param enough whether one change says it all: then nothing more is waited for.
 * @returns the things whose value changed, came or went at least once.
 * @throws what `look` throws.
 */
export async function changesDuring(look: Look, watch: Watch, enough = false): Promise<ReadonlySet<string>> {
  const changed = new Set<string>();
  let before = await look();
  for (let looks = 0; looks < watch.times && !(enough && changed.size > 0); looks++) {
    await sleep(watch.intervalMs);
    const now = await look();
    for (const key of new Set([...before.keys(), ...now.keys()])) if (before.get(key) !== now.get(key)) changed.add(key);
    before = now;
  }
  return changed;
}

/**
 * A watch that no living owner can sleep through: it renews at least three times in the T of its lock name.
 * @param leaseTimeoutMs the largest T found, ms; 0 where none is.
 */
export function outlasting(watch: Watch, leaseTimeoutMs: number, heartbeatIntervalMs = 0): Watch {
  const neededMs = Math.max(leaseTimeoutMs / 3, BEATS * heartbeatIntervalMs);
  return {intervalMs: watch.intervalMs, times: Math.max(watch.times, Math.ceil(neededMs / watch.intervalMs) + 1)};
}

/** Heartbeats within which a living node writes for certain. */
const BEATS = 2.5;

/** @returns the largest T in these names of a lock directory, ms; 0 if none holds one. */
export const longestLease = (names: readonly string[]): number => longest(names, () => true);

/** The same of the names that have an owner, who could be renewing them. */
export const longestOwned = (names: readonly string[]): number => longest(names, (name) => name.writer !== undefined);

const longest = (names: readonly string[], counts: (name: HeldName) => boolean): number =>
  names.reduce((ms, text) => {
    const name = parseLockName(text);
    return name?.kind === 'held' && counts(name) ? Math.max(ms, name.leaseTimeoutMs) : ms;
  }, 0);

/** @returns the largest heartbeat interval that the records tell, ms; 0 if none does. */
export async function slowestBeat(io: BlockIo, paths: StorePaths): Promise<number> {
  const {found} = await readNodes(io, paths);
  return found.reduce((ms, each) => Math.max(ms, each.kind === 'record' ? (each.heartbeat.heartbeatIntervalMs ?? 0) : 0), 0);
}

/** The signs of life of every node, by node id. @throws HaError store.unreachable: what cannot be read may be alive. */
export async function nodeSigns(io: BlockIo, paths: StorePaths): Promise<Map<NodeId, string>> {
  const nodes = await readNodes(io, paths);
  if (nodes.failed !== undefined) throw unreachable(paths.nodesDir, nodes.failed);
  const signs = new Map<NodeId, string>();
  for (const found of nodes.found) {
    if (found.kind === 'failed') throw unreachable(paths.nodesDir, found.reason);
    if (found.kind !== 'absent') signs.set(found.nodeId, found.sign);
  }
  return signs;
}

/** The names in the lock directory of a store, as text that changes with every renewal. @throws HaError store.unreachable, store.notOurs. */
export async function lockNames(paths: StorePaths, storeId: string): Promise<readonly string[]> {
  const listing = await listLockDir(paths, storeId, true);
  switch (listing.kind) {
    case 'names':
      return [...listing.names].sort();
    case 'notOurStore':
      throw new HaError(
        'store.notOurs',
        {dir: paths.root, known: storeId, found: listing.reason},
        {message: listing.reason, hint: 'bring the right store back, or decide with "ha-agent accept"'},
      );
    case 'error':
      throw unreachable(paths.root, listing.reason);
    default:
      return listing satisfies never;
  }
}

// What an operator does to a store from outside an agent: wishes, and the records of nodes that are gone.
import {unlink} from 'node:fs/promises';
import {HaError, isHaError} from '../errors.ts';
import {parseLockName} from '../protocol/lock-name.ts';
import type {Epoch, NodeId} from '../protocol/words.ts';
import {errnoOf, ioReason} from './errno.ts';
import {heartbeatIo} from './heartbeats.ts';
import {requireIdentity, unreachable} from './identity.ts';
import {linkFault} from './links.ts';
import {heartbeatFile, type StorePaths} from './paths.ts';
import {changesDuring, lockNames, nodeSigns, outlasting, slowestBeat, type Watch} from './watch.ts';
import {placeWish, removeWishes, type Wish} from './wishes.ts';

/** @param by who wishes it. @returns false if it was paused already. @throws HaError store.unreachable. */
export const pause = (paths: StorePaths, by: string): Promise<boolean> => place(paths, {kind: 'paused'}, by);

/** @returns false if it was not paused. @throws HaError store.unreachable. */
export const resume = async (paths: StorePaths): Promise<boolean> =>
  inControl(paths, async () => (await removeWishes(paths, (wish) => wish.kind === 'paused')) > 0);

/**
 * Asks the owner of `epoch` to give the lease to `to`, or to whoever is next. An earlier wish for that epoch is replaced.
 * @throws HaError store.unreachable.
 */
export async function requestSwitchover(
  paths: StorePaths,
  wish: {readonly epoch: Epoch; readonly to: NodeId | undefined},
  by: string,
): Promise<void> {
  await inControl(paths, () =>
    removeWishes(paths, (each) => each.kind === 'switchover' && each.epoch === wish.epoch && each.to !== wish.to),
  );
  await place(paths, {kind: 'switchover', ...wish}, by);
}

/** Takes back what was asked for and has not come true: later it would come as a surprise. @throws HaError store.unreachable. */
export async function withdrawWishes(paths: StorePaths, at: Epoch, to: NodeId | undefined): Promise<void> {
  await inControl(paths, () =>
    removeWishes(paths, (each) => each.kind !== 'paused' && each.epoch === at && (each.kind === 'statement' || each.to === to)),
  );
}

/**
 * States that the owner of an epoch is dead, for whoever has made sure of its silence.
 * `successor` is who is to follow: everybody knows that before the statement opens the way.
 * @throws HaError store.unreachable: then nothing is left of it.
 */
export async function placeStatement(
  paths: StorePaths,
  {epoch: at, owner, successor}: {readonly epoch: Epoch; readonly owner: NodeId; readonly successor: NodeId | undefined},
  by: string,
): Promise<void> {
  try {
    if (successor !== undefined) await requestSwitchover(paths, {epoch: at, to: successor}, by);
    await place(paths, {kind: 'statement', epoch: at, owner}, by);
  } catch (error) {
    await withdrawWishes(paths, at, successor).catch(expectFailing);
    throw error;
  }
}

/**
 * Looks that the lock name of `owner` stands still.
 * @param watch made longer where the T of that name asks for it: a living owner renews three times within it.
 * @returns the present epoch.
 * @throws HaError cluster.noSuch if `owner` does not hold the lock; cluster.refused if the lock still changes; store.*.
 */
export async function requireSilentOwner(paths: StorePaths, owner: NodeId, watch: Watch): Promise<Epoch> {
  const {storeId} = await requireIdentity(paths);
  const names = await lockNames(paths, storeId);
  const parsed = names.flatMap((name) => parseLockName(name) ?? []);
  const [name] = parsed;
  if (parsed.length !== 1 || name?.kind !== 'held' || name.writer?.nodeId !== owner) {
    throw new HaError(
      'cluster.noSuch',
      {what: `owner ${owner}`},
      {
        message: `${owner} does not own the present epoch: the lock directory holds ${names.join(', ') || 'nothing'}`,
        hint: 'name the node that "ha-agent status" shows as the owner; a free lock needs no statement',
      },
    );
  }
  const look = async (): Promise<Map<string, string>> => new Map([['lock', (await lockNames(paths, storeId)).join('/')]]);
  if ((await changesDuring(look, outlasting(watch, name.leaseTimeoutMs), true)).size > 0) {
    const reason = `${owner} is alive: it renewed the lease, or somebody else took it, while we looked`;
    throw new HaError(
      'cluster.refused',
      {what: 'promote', reason},
      {message: `the statement was refused: ${reason}`, hint: `stop ${owner} first, or use "ha-agent switchover"`},
    );
  }
  return name.epoch;
}

/**
 * Drops the records of nodes whose heartbeats stand still; living ones are left alone.
 * @param whose one node, or all.
 * @throws HaError cluster.noSuch if the one node has no record; store.unreachable.
 */
export async function removeDead(
  paths: StorePaths,
  whose: NodeId | 'all',
  watch: Watch,
): Promise<{readonly removed: readonly string[]; readonly alive: readonly string[]}> {
  const io = heartbeatIo(() => undefined);
  const known = new Set<NodeId>();
  const look = async (): Promise<Map<NodeId, string>> => {
    const signs = await nodeSigns(io, paths);
    for (const nodeId of signs.keys()) known.add(nodeId);
    return signs;
  };
  const changed = await changesDuring(look, outlasting(watch, 0, await slowestBeat(io, paths)));
  const chosen = [...known].filter((nodeId) => whose === 'all' || nodeId === whose).sort();
  if (whose !== 'all' && chosen.length === 0) {
    throw new HaError(
      'cluster.noSuch',
      {what: `node ${whose}`},
      {
        message: `there is no record of node ${whose} in ${paths.nodesDir}`,
        hint: '"ha-agent status" shows the nodes that have one',
      },
    );
  }
  const removed = chosen.filter((nodeId) => !changed.has(nodeId));
  for (const nodeId of removed) await removeRecord(paths, nodeId);
  return {removed, alive: chosen.filter((nodeId) => changed.has(nodeId))};
}

/** Removes one node's heartbeat; a node that lives writes the next one. @throws HaError store.unreachable. */
export async function removeRecord(paths: StorePaths, nodeId: NodeId): Promise<void> {
  const path = heartbeatFile(paths, nodeId);
  const linked = await linkFault(paths.nodesDir);
  if (linked !== undefined) throw unreachable(paths.nodesDir, linked);
  try {
    await unlink(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw unreachable(path, ioReason('remove', path, error), error);
  }
}

/** The first failure is the one to tell. */
function expectFailing(error: unknown): void {
  if (!isHaError(error)) throw error;
}

const place = (paths: StorePaths, wish: Wish, by: string): Promise<boolean> => inControl(paths, () => placeWish(paths, wish, by));

async function inControl<T>(paths: StorePaths, act: () => Promise<T>): Promise<T> {
  const linked = await linkFault(paths.controlDir);
  if (linked !== undefined) throw unreachable(paths.controlDir, linked);
  try {
    return await act();
  } catch (error) {
    throw unreachable(paths.controlDir, ioReason('change the wishes in', paths.controlDir, error), error);
  }
}

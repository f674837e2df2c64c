// Everything a store says at one moment, for people: works with no agent running.
import type {Wishes} from '../protocol/agent-state.ts';
import type {Heartbeat} from '../protocol/heartbeat.ts';
import {formatLockName, parseLockName, type LockName} from '../protocol/lock-name.ts';
import {ioReason} from './errno.ts';
import {heartbeatIo, readNodes, strangePath, strangeReason} from './heartbeats.ts';
import type {Fault} from './history.ts';
import {requireIdentity} from './identity.ts';
import {listLockDir} from './lock-dir.ts';
import {heartbeatFile, lockDirOf, type StorePaths} from './paths.ts';
import {readWishes} from './wishes.ts';

export interface Snapshot {
  readonly storeId: string;
  readonly supersedes: readonly string[];
  /** One in a store that is in order; what is no lock name is among the faults. */
  readonly lockNames: readonly LockName[];
  /** Sorted by node id as text; alive is whoever's changes until the next snapshot. */
  readonly heartbeats: readonly Heartbeat[];
  readonly wishes: Wishes | undefined;
  /** What could not be read or does not belong there. */
  readonly faults: readonly Fault[];
}

/** @throws HaError store.missing, store.corrupt, store.newer, store.unreachable where there is no store to speak of. */
export async function readSnapshot(paths: StorePaths): Promise<Snapshot> {
  const {storeId, supersedes} = await requireIdentity(paths);
  const faults: Fault[] = [];
  const lockNames = await readLock(paths, storeId, faults);
  const heartbeats = await readHeartbeats(paths, storeId, faults);
  let wishes: Wishes | undefined;
  try {
    wishes = await readWishes(paths);
  } catch (error) {
    faults.push({path: paths.controlDir, reason: ioReason('list', paths.controlDir, error)});
  }
  return {storeId, supersedes, lockNames, heartbeats, wishes, faults};
}

async function readLock(paths: StorePaths, storeId: string, faults: Fault[]): Promise<LockName[]> {
  const dir = lockDirOf(paths.root, storeId);
  const listing = await listLockDir(paths, storeId, false);
  if (listing.kind !== 'names') {
    faults.push({path: dir, reason: listing.reason});
    return [];
  }
  const parsed: LockName[] = [];
  for (const name of [...listing.names].sort()) {
    const lockName = parseLockName(name);
    if (lockName) parsed.push(lockName);
    else faults.push({path: dir, reason: `${dir} holds ${JSON.stringify(name)}, which is no lock name`});
  }
  if (parsed.length !== 1) {
    const found = parsed.length === 0 ? 'no lock' : `${parsed.length} locks: ${parsed.map(formatLockName).join(', ')}`;
    faults.push({path: dir, reason: `${dir} holds ${found}, where there should be one`});
  }
  return parsed;
}

async function readHeartbeats(paths: StorePaths, storeId: string, faults: Fault[]): Promise<Heartbeat[]> {
  const nodes = await readNodes(
    heartbeatIo(() => undefined),
    paths,
  );
  if (nodes.failed !== undefined) faults.push({path: paths.nodesDir, reason: nodes.failed});
  for (const name of nodes.strange) faults.push({path: strangePath(paths, name), reason: strangeReason(paths.nodesDir, name)});
  const heartbeats: Heartbeat[] = [];
  for (const found of nodes.found) {
    const path = heartbeatFile(paths, found.nodeId);
    if (found.kind === 'failed' || found.kind === 'foreign') faults.push({path, reason: found.reason});
    else if (found.kind === 'record' && found.storeId !== storeId) {
      faults.push({path, reason: `${path} is a heartbeat in another store (${found.storeId})`});
    } else if (found.kind === 'record') heartbeats.push(found.heartbeat);
  }
  return heartbeats;
}

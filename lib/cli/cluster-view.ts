// The cluster as the store shows it to somebody who runs no agent: two looks tell who is alive.
import type {Heartbeat, NodeState} from '../protocol/heartbeat.ts';
import {formatLockName, type LockName} from '../protocol/lock-name.ts';
import {compareNatural} from '../protocol/election.ts';
import {readSnapshot, type Snapshot} from '../store/snapshot.ts';
import type {StorePaths} from '../store/paths.ts';

export interface ClusterView {
  readonly storeId: string;
  /** Undefined where the store shows none, or more than one. */
  readonly lock: LockName | undefined;
  readonly owner: string | undefined;
  readonly paused: boolean;
  readonly nodes: readonly NodeView[];
  readonly faults: readonly string[];
}

export interface NodeView {
  readonly nodeId: string;
  readonly state: NodeState;
  readonly alive: boolean;
  readonly epoch: number;
  readonly priority: number;
  readonly eligible: boolean;
  readonly uri: string | null;
  readonly serviceUri: string | null;
  /** Wall clock in its own heartbeat, ms since 1970. */
  readonly lastHeartbeatWallMs: number;
  readonly because: string;
}

/** @param before an earlier look, by which change is told; a record that did not change since is taken for dead. */
export function viewCluster(before: Snapshot, now: Snapshot): ClusterView {
  const lock = now.lockNames.length === 1 ? now.lockNames[0] : undefined;
  const owner = lock?.kind === 'held' ? lock.writer?.nodeId : undefined;
  const renews = renewing(before, lock);
  const nodes = now.heartbeats.map((heartbeat) => viewNode(heartbeat, before, owner, renews));
  return {
    storeId: now.storeId,
    lock,
    owner,
    paused: now.wishes?.paused ?? false,
    nodes: nodes.sort((a, b) => compareNatural(a.nodeId, b.nodeId)),
    faults: now.faults.map((fault) => fault.reason),
  };
}

/** @returns the instance that has renewed its lease since: it lives, also where its heartbeat is held up. */
function renewing(before: Snapshot, lock: LockName | undefined): string | undefined {
  const [earlier] = before.lockNames;
  const moved = lock?.kind === 'held' && earlier !== undefined && formatLockName(earlier) !== formatLockName(lock);
  return moved ? lock.writer?.instanceId : undefined;
}

function viewNode(heartbeat: Heartbeat, before: Snapshot, owner: string | undefined, renews: string | undefined): NodeView {
  const earlier = before.heartbeats.find((each) => each.nodeId === heartbeat.nodeId);
  const changed = !earlier || earlier.seq !== heartbeat.seq || earlier.instanceId !== heartbeat.instanceId;
  const alive = changed || heartbeat.instanceId === renews;
  const ended = heartbeat.state === 'TERMINATED';
  // Only the owner of the lease is ever shown as MASTER.
  const claimed = heartbeat.state === 'MASTER' && heartbeat.nodeId !== owner ? 'INITIALIZING' : heartbeat.state;
  return {
    nodeId: heartbeat.nodeId,
    state: alive || ended ? claimed : 'FAILED',
    alive: alive && !ended,
    epoch: heartbeat.epoch,
    priority: heartbeat.priority,
    eligible: heartbeat.eligible && alive && !ended,
    uri: heartbeat.uri ?? null,
    serviceUri: heartbeat.serviceUri ?? null,
    lastHeartbeatWallMs: heartbeat.wallMs,
    because: alive || ended ? heartbeat.because : 'its heartbeat does not change',
  };
}

/**
 * Looks until every node has changed, or as long as two heartbeats and a half may take.
 * @param fallbackMs the heartbeat interval of nodes whose records do not tell theirs, ms.
 */
export async function lookTwice(paths: StorePaths, fallbackMs: number): Promise<ClusterView> {
  const first = await readSnapshot(paths);
  const looks = 10;
  for (let look = 1; ; look++) {
    await sleep((2.5 * beatOf(first, fallbackMs)) / looks);
    const view = viewCluster(first, await readSnapshot(paths));
    if (look === looks || view.nodes.every((node) => node.alive || node.state === 'TERMINATED')) return view;
  }
}

/** The longest heartbeat interval of the nodes that may be alive, ms. */
export function beatOf({heartbeats}: Snapshot, fallbackMs: number): number {
  const running = heartbeats.filter((heartbeat) => heartbeat.state !== 'TERMINATED');
  return running.length === 0 ? fallbackMs : Math.max(...running.map((each) => each.heartbeatIntervalMs ?? fallbackMs));
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

// The other nodes of a store that lives, as their heartbeats and the lock show them: which clocks and timings they have.
import {setTimeout as sleep} from 'node:timers/promises';
import {bootNow} from '../guardian/clock.ts';
import type {Heartbeat} from '../protocol/heartbeat.ts';
import {readIdentity} from '../store/identity.ts';
import {readSnapshot, type Snapshot} from '../store/snapshot.ts';
import {storePaths} from '../store/paths.ts';
import type {Calls, PeerLook, Peers} from './calls.ts';
import type {Sighting} from './clock-rate.ts';

interface Track {
  heartbeat: Heartbeat;
  first?: Sighting;
  last?: Sighting;
}

/** @returns null where there is no store yet. */
export async function lookAtPeers({persistenceDir, app, watchMs, everyMs}: Calls['peers']['args']): Promise<Peers | null> {
  const paths = storePaths(persistenceDir, app);
  if ((await readIdentity(paths)).kind !== 'store') return null;
  const tracks = new Map<string, Track>();
  const limit = bootNow() + watchMs;
  let fromMs = bootNow();
  let before = fromMs;
  let held: Peers['held'] = null;
  for (;;) {
    const snapshot = await readSnapshot(paths);
    follow(tracks, snapshot, {fromMs, toMs: bootNow()});
    // A listing that meets a rename may show no lock, or two: the next one shows it.
    held = holderIn(snapshot) ?? held;
    if (bootNow() >= limit) return {storeId: snapshot.storeId, nodes: [...tracks.values()].map(peerOf), held};
    await sleep(everyMs);
    fromMs = before;
    before = bootNow();
  }
}

function holderIn({lockNames}: Snapshot): Peers['held'] {
  const [lock, another] = lockNames;
  if (lock?.kind !== 'held' || !lock.writer || another) return null;
  return {nodeId: lock.writer.nodeId, leaseTimeoutMs: lock.leaseTimeoutMs};
}

/** A change was written after the look before it had begun, and before this one had ended. */
function follow(tracks: Map<string, Track>, {heartbeats}: Snapshot, when: Omit<Sighting, 'theirMs'>): void {
  for (const heartbeat of heartbeats) {
    const track = tracks.get(heartbeat.nodeId);
    const same = track?.heartbeat.instanceId === heartbeat.instanceId;
    if (!track || !same) tracks.set(heartbeat.nodeId, {heartbeat});
    else if (track.heartbeat.seq !== heartbeat.seq) {
      const sighting = {...when, theirMs: heartbeat.wallMs};
      track.first ??= sighting;
      track.last = sighting;
      track.heartbeat = heartbeat;
    }
  }
}

function peerOf({heartbeat, first, last}: Track): PeerLook {
  return {
    nodeId: heartbeat.nodeId,
    alive: first !== undefined && heartbeat.state !== 'TERMINATED',
    heartbeatIntervalMs: heartbeat.heartbeatIntervalMs ?? null,
    seen: first && last && first !== last ? {first, last} : null,
  };
}

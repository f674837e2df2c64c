// The cluster as the store shows it to a proxy: a lease counts while its name changes, a node while its heartbeat does.
import {createHintChannel} from '../client/hint-channel.ts';
import {reasonOf} from '../errors.ts';
import {compareNatural} from '../protocol/election.ts';
import type {Heartbeat} from '../protocol/heartbeat.ts';
import {formatLockName, type LockName} from '../protocol/lock-name.ts';
import {ALIVE_HEARTBEATS} from '../protocol/timing.ts';
import type {StorePaths} from '../store/paths.ts';
import {readSnapshot, type Snapshot} from '../store/snapshot.ts';
import {createPacer} from './pacer.ts';
import type {SeenNode, Sighting} from './situation.ts';
import type {Source, SourceListener} from './source.ts';

export interface StoreSourceOptions extends SourceListener {
  readonly paths: StorePaths;
  readonly pollIntervalMs: number;
  /** For nodes whose records do not tell theirs, and for a lock that tells no T, ms. */
  readonly heartbeatIntervalMs: number;
  readonly leaseTimeoutMs: number;
  /** A clock that counts suspends, ms. */
  readonly now: () => number;
  readonly signal: AbortSignal;
}

/** One reading after the other: while one hangs there is no news, and that is for the listener to judge. */
export function followStore(options: StoreSourceOptions): Source {
  const {paths, pollIntervalMs, onSighting, onFault, signal} = options;
  const pacer = createPacer(pollIntervalMs, signal);
  const hints = createHintChannel({onHint: () => pacer.hurry(), signal});
  const eyes = createEyes(options);

  const follows = (): boolean => !signal.aborted;

  async function follow(): Promise<void> {
    while (follows()) {
      const snapshot = await read();
      if (snapshot && follows()) {
        onFault(undefined);
        onSighting(eyes(snapshot));
        hints.follow(ownerUri(snapshot));
      }
      await pacer.pause();
    }
  }

  async function read(): Promise<Snapshot | undefined> {
    try {
      return await readSnapshot(paths);
    } catch (error) {
      onFault(`the store cannot be read: ${reasonOf(error)}`);
      return undefined;
    }
  }

  void follow();
  return {hurry: () => pacer.hurry()};
}

/** Events of whoever owns the lease come before the next look. */
function ownerUri({lockNames: [lock], heartbeats}: Snapshot): string | undefined {
  const owner = lock?.kind === 'held' ? lock.writer?.nodeId : undefined;
  return heartbeats.find(({nodeId}) => nodeId === owner)?.uri;
}

interface Watched {
  readonly sign: string;
  readonly changedAt: number | undefined;
}

/** @returns what makes of each snapshot what it shows beside the ones before. */
export function createEyes(
  options: Pick<StoreSourceOptions, 'now' | 'heartbeatIntervalMs' | 'leaseTimeoutMs'>,
): (snapshot: Snapshot) => Sighting {
  const nodes = new Map<string, Watched>();
  let lock: Watched | undefined;

  /** What is there from the start may be a dead cluster's: it counts from its first change. */
  const look = (before: Watched | undefined, sign: string): Watched =>
    before?.sign === sign ? before : {sign, changedAt: before && options.now()};

  const isFresh = (watched: Watched | undefined, limitMs: number): boolean =>
    watched?.changedAt !== undefined && options.now() - watched.changedAt < limitMs;

  function nodeOf(heartbeat: Heartbeat): SeenNode {
    const {nodeId, state, instanceId, seq, eligible, uri, serviceUri} = heartbeat;
    const watched = look(nodes.get(nodeId), `${instanceId} ${seq}`);
    nodes.set(nodeId, watched);
    const limitMs = ALIVE_HEARTBEATS * (heartbeat.heartbeatIntervalMs ?? options.heartbeatIntervalMs);
    const alive = isFresh(watched, limitMs) && state !== 'TERMINATED';
    return {nodeId, state, alive, eligible: eligible && alive, uri, serviceUri};
  }

  return ({lockNames, heartbeats}) => {
    const [name] = lockNames.length === 1 ? lockNames : [];
    if (name) lock = look(lock, formatLockName(name));
    const leaseTimeoutMs = name?.kind === 'held' ? name.leaseTimeoutMs : options.leaseTimeoutMs;
    return {
      nodes: heartbeats.map(nodeOf).sort((a, b) => compareNatural(a.nodeId, b.nodeId)),
      masterId: name && isFresh(lock, leaseTimeoutMs) ? masterOf(name, heartbeats) : undefined,
      epoch: name?.epoch ?? 0,
      leaseTimeoutMs,
    };
  };
}

/** The owner of the lock that says under this very epoch that its service is ready. */
function masterOf(lock: LockName, heartbeats: readonly Heartbeat[]): string | undefined {
  const owner = lock.kind === 'held' ? lock.writer?.nodeId : undefined;
  const heartbeat = heartbeats.find(({nodeId}) => nodeId === owner);
  return heartbeat?.state === 'MASTER' && heartbeat.epoch === lock.epoch ? owner : undefined;
}

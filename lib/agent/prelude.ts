// What a node says of itself while it has no store: honest, and nothing more.
import type {Config} from '../config/config.ts';
import type {Mode, NodeState} from '../protocol/heartbeat.ts';
import type {Clock} from './ports.ts';
import type {Counters, NodeStatus, Status} from './status.ts';

/** What is known of this instance from its start. */
export interface Prelude {
  readonly version: string;
  readonly instanceId: string;
  readonly startedAtWallMs: number;
  uri: string | null;
}

export const NO_COUNTS: Counters = {
  renewals: 0,
  renewalFailures: 0,
  lastRenewalMs: null,
  claims: 0,
  promotions: 0,
  demotions: 0,
  serviceStarts: 0,
  serviceFailures: 0,
  storeErrors: 0,
};

export interface Own {
  readonly state: NodeState;
  readonly phase: string;
  readonly mode: Mode;
  readonly because: string;
  readonly counters: Counters;
  readonly shuttingDown: boolean;
}

/** The status of a node that waits for its store. */
export const ownReport = (config: Config, prelude: Prelude, because: string, clock: Clock): Status =>
  aloneReport(config, prelude, clock, {
    state: 'INITIALIZING',
    phase: 'waiting for the store',
    mode: config.highAvailability,
    because,
    counters: NO_COUNTS,
    shuttingDown: false,
  });

/** The status of a node that sees nobody but itself. */
export function aloneReport(config: Config, prelude: Prelude, clock: Clock, own: Own): Status {
  const wallMs = clock.wallMs();
  const master = own.state === 'MASTER';
  const node: NodeStatus = {
    nodeId: config.nodeId,
    instanceId: prelude.instanceId,
    uri: prelude.uri,
    serviceUri: config.serviceUri ?? null,
    state: own.state,
    mode: own.mode,
    priority: config.priority,
    epoch: 0,
    eligible: false,
    because: own.because,
    localTimestamp: wallMs,
    remoteTimestamp: wallMs,
    lastSeenMs: 0,
  };
  return {
    version: prelude.version,
    app: config.app,
    nodeId: config.nodeId,
    instanceId: prelude.instanceId,
    uri: prelude.uri,
    persistenceDir: config.persistenceDir ?? null,
    storeId: null,
    state: own.state,
    phase: own.phase,
    mode: own.mode,
    priority: config.priority,
    eligible: false,
    because: own.because,
    epoch: 0,
    masterId: master ? config.nodeId : null,
    masterUri: master ? prelude.uri : null,
    leaseLeftMs: null,
    leaseTimeoutMs: config.timing.leaseTimeoutMs,
    heartbeatIntervalMs: config.timing.heartbeatIntervalMs,
    pollIntervalMs: config.timing.pollIntervalMs,
    paused: false,
    healthy: true,
    up: master,
    shuttingDown: own.shuttingDown,
    startedAtWallMs: prelude.startedAtWallMs,
    nodes: [node],
    stateHistory: [{state: own.state, timestamp: prelude.startedAtWallMs}],
    counters: own.counters,
  };
}

// An agent of three nodes in memory: it does what is asked of it, so that tests see effects and not calls.
import {Refused, type AgentEvent, type AgentPort, type NodeStatus, type Status} from '../../lib/agent/status.ts';
import type {Mode, NodeState} from '../../lib/protocol/heartbeat.ts';

export interface FakeAgent extends AgentPort {
  /** Changes what the agent says of itself from now on. */
  set(change: Partial<Status>): void;
  emit(type: AgentEvent['type'], because: string): void;
  readonly listeners: () => number;
  readonly hints: () => number;
  readonly isShutDown: () => boolean;
}

const STARTED = 1_700_000_000_000;

export function node(nodeId: string, state: NodeState, more: Partial<NodeStatus> = {}): NodeStatus {
  return {
    nodeId,
    instanceId: '0a1b2c3d',
    uri: `http://${nodeId}.example:8081/`,
    state,
    mode: 'auto',
    priority: 0,
    epoch: 7,
    eligible: state !== 'FAILED',
    because: `${nodeId} is ${state}`,
    localTimestamp: STARTED + 5_000,
    remoteTimestamp: STARTED + 5_100,
    lastSeenMs: 400,
    serviceUri: null,
    ...more,
  };
}

/** n1 is the agent that is asked, n2 a live standby, n3 dead. */
export function fakeAgent(state: NodeState = 'MASTER'): FakeAgent {
  const listeners = new Set<(event: AgentEvent) => void>();
  let hints = 0;
  let eventId = 0;
  let status: Status = initial(state);

  function become(next: NodeState, because: string): void {
    status = changed(status, next, because);
    agent.emit('state', because);
  }

  const agent: FakeAgent = {
    status: () => status,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async setMode(mode) {
      const before = status.state;
      const next = stateIn(mode, before);
      status = {...status, mode};
      if (next !== before) become(next, `mode ${mode} was asked for`);
      return before;
    },
    async setPriority(priority) {
      const before = status.priority;
      status = {...status, priority};
      return before;
    },
    async clear(nodeId) {
      const gone = (one: NodeStatus): boolean => one.state === 'FAILED' && (nodeId ?? one.nodeId) === one.nodeId;
      status = {...status, nodes: status.nodes.filter((one) => !gone(one))};
    },
    async switchover(to) {
      const target = status.nodes.find((one) => one.nodeId === (to ?? 'n2') && one.state !== 'FAILED');
      if (!target) throw new Refused(`${to} is not a live node`);
      become(target.nodeId === 'n1' ? 'MASTER' : 'STANDBY', `switched over to ${target.nodeId}`);
    },
    async setPaused(paused) {
      status = {...status, paused};
      agent.emit('pause', paused ? 'paused' : 'resumed');
    },
    async shutdown() {
      status = {...status, shuttingDown: true};
    },
    hint: () => {
      hints += 1;
    },
    set: (change) => {
      status = {...status, ...change};
    },
    emit(type, because) {
      eventId += 1;
      for (const listener of listeners) listener({id: eventId, type, wallMs: STARTED + eventId, because});
    },
    listeners: () => listeners.size,
    hints: () => hints,
    isShutDown: () => status.shuttingDown,
  };
  return agent;
}

/** Mastership goes to n2 when n1 gives it up. */
function changed(status: Status, state: NodeState, because: string): Status {
  const own = status.nodes.map((one) => (one.nodeId === 'n1' ? {...one, state, because} : one));
  const masterId = state === 'MASTER' ? 'n1' : status.masterId === 'n1' ? 'n2' : status.masterId;
  return {
    ...status,
    state,
    because,
    masterId,
    masterUri: masterId === null ? null : `http://${masterId}.example:8081/`,
    leaseLeftMs: state === 'MASTER' ? 30_000 : null,
    nodes: own.map((one) => (one.nodeId === 'n2' ? {...one, state: masterId === 'n2' ? 'MASTER' : 'STANDBY'} : one)),
    stateHistory: [{state, timestamp: STARTED + 9_000}, ...status.stateHistory],
  };
}

function stateIn(mode: Mode, before: NodeState): NodeState {
  const states: Record<Mode, NodeState> = {
    auto: before,
    master: 'MASTER',
    standby: 'STANDBY',
    hot_standby: 'HOT_STANDBY',
    hot_backup: 'HOT_BACKUP',
    disabled: 'FAILED',
  };
  return states[mode];
}

function initial(state: NodeState): Status {
  const master = state === 'MASTER';
  const masterId = master ? 'n1' : 'n2';
  return {
    version: '9.8.7',
    app: 'shop',
    nodeId: 'n1',
    instanceId: '0a1b2c3d',
    uri: 'http://n1.example:8081/',
    persistenceDir: '/mnt/ha',
    storeId: '5t0re1d0',
    state,
    phase: master ? 'ready' : 'standby',
    mode: 'auto',
    priority: 3,
    eligible: true,
    because: `n1 is ${state}`,
    epoch: 7,
    masterId,
    masterUri: `http://${masterId}.example:8081/`,
    leaseLeftMs: master ? 28_500 : null,
    leaseTimeoutMs: 30_000,
    heartbeatIntervalMs: 1_000,
    pollIntervalMs: 1_000,
    paused: false,
    healthy: true,
    up: true,
    shuttingDown: false,
    startedAtWallMs: STARTED,
    nodes: [
      node('n1', state, {lastSeenMs: 0}),
      node('n2', master ? 'STANDBY' : 'MASTER'),
      node('n3', 'FAILED', {uri: null, instanceId: null, remoteTimestamp: null, lastSeenMs: null}),
    ],
    stateHistory: [
      {state, timestamp: STARTED + 3_000},
      {state: 'INITIALIZING', timestamp: STARTED},
    ],
    counters: {
      renewals: 11,
      renewalFailures: 2,
      lastRenewalMs: 4,
      claims: 1,
      promotions: 1,
      demotions: 0,
      serviceStarts: 1,
      serviceFailures: 0,
      storeErrors: 5,
    },
  };
}

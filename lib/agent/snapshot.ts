// The agent's state as users see it, computed at the moment of asking: an old snapshot never says MASTER.
import {isEligible, nodeStateOf, ownerOf, phaseOf} from '../protocol/agent-report.ts';
import type {AgentState, Peer} from '../protocol/agent-state.ts';
import type {NodeReport, NodeState} from '../protocol/heartbeat.ts';
import {leaseEnd} from '../protocol/lease.ts';
import {becauseNow} from '../protocol/obstacle.ts';
import {ALIVE_HEARTBEATS} from '../protocol/timing.ts';
import type {MonoMs} from '../protocol/words.ts';
import type {AgentFacts} from './ports.ts';
import type {Counters, NodeStatus, Status} from './status.ts';

/** What the loop remembers for displays beside the machine's own state. */
export interface Chronicle {
  readonly storeId: string;
  readonly startedAtWallMs: number;
  readonly stateHistory: readonly {readonly state: NodeState; readonly timestamp: number}[];
  readonly counters: Counters;
  /** When the loop last turned: one that stands still is not healthy. */
  readonly turnedAt: MonoMs;
}

/** A loop that has not turned for this long is broken, ms. */
const STUCK_MS = 10_000;

export function statusOf(s: AgentState, facts: AgentFacts, chronicle: Chronicle, now: MonoMs, wallMs: number): Status {
  const state = nodeStateOf(s, now);
  const masterId = s.trust.kind === 'wrong' ? undefined : ownerOf(s);
  const nodes = [
    ownStatus(s, facts, state, now, wallMs),
    ...Object.values(s.peers).map((peer) => peerStatus(s, peer, state, now, wallMs)),
  ];
  const healthy = now - chronicle.turnedAt < STUCK_MS;
  return {
    version: facts.version,
    app: facts.app,
    nodeId: s.self.nodeId,
    instanceId: s.self.instanceId,
    uri: s.uri ?? null,
    persistenceDir: facts.persistenceDir,
    storeId: chronicle.storeId,
    state,
    phase: phaseOf(s, now),
    mode: s.settings.mode,
    priority: s.settings.priority,
    eligible: isEligible(s, now),
    because: becauseNow(s),
    epoch: s.known.epoch,
    masterId: masterId ?? null,
    masterUri: nodes.find((node) => node.nodeId === masterId)?.uri ?? null,
    leaseLeftMs: s.lease.kind === 'owned' ? Math.max(0, leaseEnd(s.lease) - now) : null,
    leaseTimeoutMs: s.self.timing.leaseTimeoutMs,
    heartbeatIntervalMs: s.self.timing.heartbeatIntervalMs,
    pollIntervalMs: s.self.timing.pollIntervalMs,
    paused: s.wishes.paused,
    healthy,
    up: !s.ended,
    shuttingDown: s.ending !== undefined || s.ended,
    startedAtWallMs: chronicle.startedAtWallMs,
    nodes: nodes.sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1)),
    stateHistory: chronicle.stateHistory,
    counters: chronicle.counters,
  };
}

const ownStatus = (s: AgentState, facts: AgentFacts, state: NodeState, now: MonoMs, wallMs: number): NodeStatus => ({
  nodeId: s.self.nodeId,
  instanceId: s.self.instanceId,
  uri: s.uri ?? null,
  serviceUri: facts.serviceUri ?? null,
  state,
  mode: s.settings.mode,
  priority: s.settings.priority,
  epoch: s.known.epoch,
  eligible: isEligible(s, now),
  because: becauseNow(s),
  localTimestamp: wallMs,
  remoteTimestamp: wallMs,
  lastSeenMs: 0,
});

function peerStatus(s: AgentState, peer: Peer, own: NodeState, now: MonoMs, wallMs: number): NodeStatus {
  const {report, changedAt} = peer;
  const silentMs = now - (changedAt ?? s.startedAt);
  // A heartbeat may be held up where renewals are not (a reader that was cut off): what renews its lease lives.
  const signMs = isHolder(s, report) ? Math.min(silentMs, now - s.view.firstSeenAt) : silentMs;
  const state = shownState(s, peer, own, signMs);
  return {
    nodeId: report.nodeId,
    instanceId: report.instanceId,
    uri: report.uri ?? null,
    serviceUri: report.serviceUri ?? null,
    state,
    mode: report.mode,
    priority: report.priority,
    epoch: report.epoch,
    eligible: report.eligible && state !== 'FAILED' && state !== 'TERMINATED',
    because: shownBecause(report, state, shownState(s, peer, own, silentMs)),
    localTimestamp: report.wallMs,
    remoteTimestamp: changedAt === undefined ? null : Math.round(wallMs - silentMs),
    lastSeenMs: changedAt === undefined ? null : Math.round(silentMs),
  };
}

const isHolder = ({view: {name}}: AgentState, {instanceId}: NodeReport): boolean =>
  name?.kind === 'held' && name.writer?.instanceId === instanceId;

/** @param byHeartbeat the state that the heartbeat alone would show. */
function shownBecause(report: NodeReport, state: NodeState, byHeartbeat: NodeState): string {
  if (byHeartbeat !== 'FAILED' || report.state === 'FAILED') return report.because;
  return state === 'FAILED'
    ? 'its heartbeat has not changed for too long'
    : 'it renews its lease, but its heartbeat has not changed for too long';
}

/** A silent node is FAILED within the lease timeout; only the owner of the lease is shown as MASTER, and never beside this node. */
function shownState(s: AgentState, {report, changedAt}: Peer, own: NodeState, silentMs: number): NodeState {
  const {leaseTimeoutMs, pollIntervalMs, heartbeatIntervalMs} = s.self.timing;
  if (report.state === 'TERMINATED') return 'TERMINATED';
  const patienceMs = changedAt === undefined ? ALIVE_HEARTBEATS * heartbeatIntervalMs : leaseTimeoutMs - pollIntervalMs;
  if (silentMs >= patienceMs) return 'FAILED';
  if (report.state !== 'MASTER') return report.state;
  return own !== 'MASTER' && ownerOf(s) === report.nodeId ? 'MASTER' : 'INITIALIZING';
}

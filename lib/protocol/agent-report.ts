// What a node says of itself: derived from its state and the clock at the moment of asking, never remembered.
import type {AgentState, Peer} from './agent-state.ts';
import type {Heartbeat, NodeReport, NodeState} from './heartbeat.ts';
import {leaseEnd, nothingRuns} from './lease.ts';
import {becauseNow} from './obstacle.ts';
import {isAlive} from './peers.ts';
import {killAt, stopAt} from './timing.ts';
import type {MonoMs, NodeId} from './words.ts';

/** MASTER: lease held, by the clock at this moment, and service ready. */
export function nodeStateOf(s: AgentState, now: MonoMs): NodeState {
  if (s.ended) return 'TERMINATED';
  if (s.trust.kind === 'wrong' || s.settings.mode === 'disabled') return 'FAILED';
  if (isMaster(s, now)) return 'MASTER';
  if (s.lease.kind !== 'none' || s.ending || s.listenUntil === undefined) return 'INITIALIZING';
  if (s.settings.mode === 'hot_backup') return 'HOT_BACKUP';
  return s.settings.mode === 'hot_standby' ? 'HOT_STANDBY' : 'STANDBY';
}

function isMaster(s: AgentState, now: MonoMs): boolean {
  if (s.lease.kind !== 'owned') return false;
  const end = leaseEnd(s.lease);
  return s.self.hasService ? s.service.kind === 'ready' && now < stopAt(end, s.self.timing) : now < killAt(end, s.self.timing);
}

/** Finer than the state: one word for logs and displays. */
export function phaseOf(s: AgentState, now: MonoMs): string {
  if (s.ended) return 'ended';
  if (s.lease.kind === 'givingAway') return s.service.kind === 'down' ? 'releasing' : 'stopping';
  if (s.lease.kind === 'owned') return isMaster(s, now) ? 'ready' : s.service.kind === 'down' ? 'waiting' : s.service.kind;
  if (s.rename) return 'claiming';
  if (s.trust.kind !== 'fine' || !s.view.name) return 'waiting for the store';
  return s.listenUntil === undefined || now < s.listenUntil ? 'listening' : 'standby';
}

/** Whether this node could be elected, cool-down of its own apart. */
export const isEligible = (s: AgentState, now: MonoMs): boolean =>
  !s.ending &&
  !s.ended &&
  s.fit.ok &&
  now >= s.barredUntil &&
  s.trust.kind === 'fine' &&
  (s.lease.kind !== 'none' || (s.link.kind === 'connected' && nothingRuns(s))) &&
  !['hot_backup', 'disabled'].includes(s.settings.mode);

/** The owner of the lease, as the lock shows it. */
export const ownerOf = (s: AgentState): NodeId | undefined =>
  s.view.name?.kind === 'held' ? s.view.name.writer?.nodeId : undefined;

export function reportOf(s: AgentState, now: MonoMs): Omit<NodeReport, 'wallMs'> {
  return {
    nodeId: s.self.nodeId,
    instanceId: s.self.instanceId,
    seq: s.seq,
    state: nodeStateOf(s, now),
    epoch: s.known.epoch,
    mode: s.settings.mode,
    priority: s.settings.priority,
    eligible: isEligible(s, now),
    cooling: now < s.coolingUntil,
    heartbeatIntervalMs: s.self.timing.heartbeatIntervalMs,
    because: becauseNow(s),
    uri: s.uri,
  };
}

/**
 * The master publishes what it saw of the others, so that standbys need not read every record: first who lives, in case there is no
 * room for all, then everybody else whose record is there.
 */
export function heartbeatOf(s: AgentState, now: MonoMs): Omit<Heartbeat, 'wallMs'> {
  const peers = s.lease.kind === 'none' ? [] : Object.values(s.peers);
  const silent = (peer: Peer): number => Number(!isAlive(s, peer, now));
  const seen = peers.sort((a, b) => silent(a) - silent(b)).map(({report}) => report);
  return {...reportOf(s, now), seen};
}

// Lanes: one kind of call to the store each, at most one in flight; and k, which never names a target twice.
import type {AgentEffect, AgentState, ClaimBasis, LaneName, RenameOp} from './agent-state.ts';
import {formatLockName, type FreeName, type HeldName, type LockName} from './lock-name.ts';
import {OWNER_LOOK_POLLS} from './timing.ts';
import {after, epoch, type Epoch, type MonoMs} from './words.ts';

export const isDue = (state: AgentState, lane: LaneName, now: MonoMs): boolean =>
  !state.lanes[lane].busy && now >= state.lanes[lane].dueAt;

export const occupy = (state: AgentState, lane: LaneName): AgentState => setLane(state, lane, true, state.lanes[lane].dueAt);

/** The call of this lane returned; the next one is due then. */
export const vacate = (state: AgentState, lane: LaneName, dueAt: MonoMs): AgentState => setLane(state, lane, false, dueAt);

/** Makes the next call of this lane due at once. */
export const hurry = (state: AgentState, lane: LaneName, now: MonoMs): AgentState =>
  state.lanes[lane].dueAt <= now ? state : setLane(state, lane, state.lanes[lane].busy, now);

/**
 * The next multiple of the interval since this agent began, after `at`: lanes of one interval fall due together, so that a node with
 * nothing to do wakes up once for all of them.
 */
export const nextBeat = (state: AgentState, at: MonoMs, intervalMs: number): MonoMs =>
  after(state.startedAt, (Math.floor((at - state.startedAt) / intervalMs) + 1) * intervalMs);

/** When the lock is to be looked at again after `at`. */
export const nextLook = (state: AgentState, at: MonoMs): MonoMs =>
  nextBeat(state, at, state.self.timing.pollIntervalMs * (state.lease.kind === 'owned' ? OWNER_LOOK_POLLS : 1));

function setLane(state: AgentState, lane: LaneName, busy: boolean, dueAt: MonoMs): AgentState {
  const lanes = {...state.lanes};
  lanes[lane] = {busy, dueAt};
  return {...state, lanes};
}

/** The next attempt of this instance. */
export const nextAttempt = (state: AgentState): AgentState => ({...state, attempt: state.attempt + 1});

export interface RenameOrder {
  readonly op: RenameOp;
  readonly from: LockName;
  readonly to: LockName;
  readonly basis?: ClaimBasis;
  readonly detectedAt: MonoMs;
}

/** Issues a rename; the renew lane is free, the target carries an attempt that was never used. */
export function issueRename(state: AgentState, order: RenameOrder, out: AgentEffect[]): AgentState {
  const from = formatLockName(order.from);
  out.push({type: 'rename', op: order.op, from, to: formatLockName(order.to)});
  const rename = {op: order.op, from, to: order.to, basis: order.basis, detectedAt: order.detectedAt, noted: false};
  return {...occupy(state, 'renew'), rename};
}

export const heldByMe = (state: AgentState, at: Epoch, leaseTimeoutMs: number): HeldName => ({
  kind: 'held',
  epoch: at,
  writer: {nodeId: state.self.nodeId, instanceId: state.self.instanceId},
  leaseTimeoutMs,
  attempt: state.attempt,
});

export const freedByMe = (state: AgentState, name: HeldName, attempt: number): FreeName => ({
  kind: 'free',
  epoch: epoch(name.epoch + 1),
  writer: {nodeId: state.self.nodeId, instanceId: state.self.instanceId},
  attempt,
});

// What must hold after every step, in production too. A step that breaks one ends the agent; the guardian makes that safe.
import type {AgentEffect, AgentState} from './agent-state.ts';
import {parseLockName} from './lock-name.ts';

/** One for each lane. */
const LANE_CALLS: ReadonlySet<AgentEffect['type']> = new Set([
  'rename',
  'list',
  'readHeartbeats',
  'writeHeartbeat',
  'readWishes',
]);

/**
 * 1. A lane never has two calls in flight, the renew lane above all.
 * 2. The service is started only by an owner whose last rename succeeded, through a connected guardian.
 * 3. A release is issued only after the guardian's deadline was set to zero, and while nothing runs.
 * 4. Epoch and attempts only grow, and a rename's target carries the latest attempt or the one the guardian was told.
 * @throws Error naming the invariant
 */
export function assertTurn(before: AgentState, after: AgentState, effects: readonly AgentEffect[]): void {
  assert(after.known.epoch >= before.known.epoch, 'the known epoch never shrinks');
  assert(after.attempt >= before.attempt, 'attempts never shrink');
  for (const effect of effects) {
    if (effect.type === 'rename') assertRename(before, after, effect);
    if (effect.type === 'startService') assertStart(after);
  }
  if (effects.length < 2) return;
  const calls = effects.map(({type}) => type).filter((type) => LANE_CALLS.has(type));
  assert(new Set(calls).size === calls.length, 'a lane has one call in flight');
}

function assertRename(before: AgentState, after: AgentState, effect: AgentEffect & {type: 'rename'}): void {
  const answered = after.renamedAt > before.renamedAt;
  assert(before.rename === undefined || answered, 'the rename before has returned');
  const target = parseLockName(effect.to);
  assert(target?.writer?.instanceId === after.self.instanceId, 'a rename makes a well-formed name of this instance');
  assert(target.attempt <= after.attempt, 'a target carries an attempt of ours');
  if (effect.op !== 'release') return;
  assert(after.lease.kind === 'givingAway', 'only what is given away is released');
  assert(after.service.kind === 'down' || after.service.kind === 'backoff', 'nothing runs when the lock is released');
  assert(after.link.kind !== 'connected' || !after.link.unacknowledged, 'the guardian knows that the lease is given away');
}

function assertStart(after: AgentState): void {
  assert(after.lease.kind === 'owned', 'only an owner starts the service');
  assert(after.lease.renewedAt !== undefined, 'only a rename that succeeded gives the right to start');
  assert(after.link.kind === 'connected', 'the service is started through a connected guardian');
}

function assert(holds: boolean, law: string): asserts holds {
  if (!holds) throw new Error(`invariant broken: ${law}`);
}

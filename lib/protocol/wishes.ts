// The operator's wishes in the store: each names the epoch it is meant for, so a repeated or stale one does nothing.
import type {AgentEffect, AgentInput, AgentState, Wishes} from './agent-state.ts';
import {nextBeat, vacate} from './lanes.ts';
import {giveAway} from './lease.ts';
import {electable} from './peers.ts';
import {after, type MonoMs, type NodeId} from './words.ts';

/** How soon the wishes are read again after a reading that was under way when the lock became free, ms. */
const REREAD_MS = 10;

export function onWished(s: AgentState, {wishes, askedAt, answeredAt}: AgentInput & {type: 'wished'}): AgentState {
  const outrun = wishes !== undefined && s.view.name?.kind === 'free' && askedAt < s.view.firstSeenAt;
  const idle = vacate(s, 'wish', outrun ? after(answeredAt, REREAD_MS) : nextBeat(s, askedAt, s.self.timing.pollIntervalMs));
  if (wishes === undefined) return idle;
  return {...idle, wishes, wishedAt: askedAt, openedAt: opens(s.wishes, wishes) ? answeredAt : s.openedAt};
}

const opens = (before: Wishes, now: Wishes): boolean =>
  (before.paused && !now.paused) ||
  now.statements.some(({epoch, owner}) => !before.statements.some((said) => said.epoch === epoch && said.owner === owner));

/** The owner carries out a switchover of its own epoch, and clears away the wishes that time has overtaken. */
export function obeyWishes(s: AgentState, now: MonoMs, out: AgentEffect[]): AgentState {
  if (s.lease.kind !== 'owned' || s.wishes.switchovers.length + s.wishes.statements.length === 0) return s;
  const {epoch} = s.lease.name;
  for (const wish of s.wishes.switchovers)
    if (wish.epoch < epoch) out.push({type: 'dropWish', wish: 'switchover', epoch: wish.epoch});
  for (const wish of s.wishes.statements)
    if (wish.epoch < epoch) out.push({type: 'dropWish', wish: 'statement', epoch: wish.epoch});
  const current = {
    ...s.wishes,
    switchovers: s.wishes.switchovers.filter((wish) => wish.epoch >= epoch),
    statements: s.wishes.statements.filter((wish) => wish.epoch >= epoch),
  };
  const next = dropFalseStatement({...s, wishes: current}, out);
  const wish = current.switchovers.find((each) => each.epoch === epoch);
  if (!wish || next.lease.kind !== 'owned') return next;
  const fault = switchoverFault(next, wish.to, now);
  if (fault === undefined) return giveAway(next, `switchover to ${wish.to ?? 'another node'}`, now, out);
  out.push({type: 'dropWish', wish: 'switchover', epoch});
  const left = {...current, switchovers: current.switchovers.filter((each) => each !== wish)};
  return {...next, wishes: left, because: `switchover refused: ${fault}`};
}

/** An owner whose renewal succeeded after it had read that it is dead is not: the statement must not wait for its next silence. */
function dropFalseStatement(s: AgentState, out: AgentEffect[]): AgentState {
  if (s.lease.kind !== 'owned' || s.wishedAt === undefined || (s.lease.renewedAt ?? 0) <= s.wishedAt) return s;
  const {name} = s.lease;
  const isFalse = (said: Wishes['statements'][number]): boolean => said.epoch === name.epoch && said.owner === s.self.nodeId;
  if (!s.wishes.statements.some(isFalse)) return s;
  out.push({type: 'dropWish', wish: 'statement', epoch: name.epoch});
  return {...s, wishes: {...s.wishes, statements: s.wishes.statements.filter((said) => !isFalse(said))}};
}

/** @returns why a switchover cannot be carried out now. */
export function switchoverFault(s: AgentState, to: NodeId | undefined, now: MonoMs): string | undefined {
  if (s.wishes.paused) return 'the cluster is paused';
  if (to === s.self.nodeId) return `${to} is the owner already`;
  const ready = electable(s, now).map((peer) => peer.report);
  if (to !== undefined) return ready.some(({nodeId}) => nodeId === to) ? undefined : `${to} is not alive and eligible`;
  if (ready.some(({cooling}) => !cooling)) return undefined;
  const [first] = ready;
  // It would stand back for this node, and the lease would come back at once.
  return first
    ? `${first.nodeId} gave up a lease lately and stands back: name it as the target to insist`
    : 'no other node is alive and eligible';
}

// Whom to fence, and when: the command is run outside, and only its success replaces the silence, for the epoch that was seen before it.
import type {AgentState} from './agent-state.ts';
import {blockedBecause, myRank, renewalsOf} from './claim.ts';
import {listenMs, stillMs} from './timing.ts';
import {after, monoMs, type Epoch, type MonoMs, type NodeId} from './words.ts';

export interface FenceTarget {
  readonly owner: NodeId;
  readonly epoch: Epoch;
}

export interface FenceWaits {
  /** After which silence of the owner the command may be run, ms; never before three renewals are missing. */
  readonly afterMs: number;
  /** How long one run may take, ms: so long each next candidate gives the one before it. */
  readonly timeoutMs: number;
}

/**
 * The owner whose lock name has stood still, in listings that kept coming: a store that does not answer says nothing about the owner,
 * and after it has answered again the owner gets the same time as before to renew.
 * @returns undefined while nobody is to be fenced by this node.
 */
export function fenceTarget(s: AgentState, waits: FenceWaits, now: MonoMs): FenceTarget | undefined {
  const {name, firstSeenAt, askedAt} = s.view;
  if (name?.kind !== 'held' || !name.writer || name.writer.nodeId === s.self.nodeId) return undefined;
  if (s.lease.kind !== 'none' || s.rename || s.listenUntil === undefined) return undefined;
  if (blockedBecause(s, name, now) !== undefined) return undefined;
  if (s.proofs.some((proof) => proof.kind === 'fence' && proof.epoch === name.epoch)) return undefined;
  const {timing} = s.self;
  // Whose own heartbeats do not get out cannot blame another for the same.
  if (s.beatAt === undefined || now - s.beatAt > listenMs(timing)) return undefined;
  const rank = myRank(s, name, now);
  if (rank === undefined) return undefined;
  const lookingSince = after(s.listenUntil, -listenMs(timing));
  const stillFrom = monoMs(Math.max(firstSeenAt, lookingSince));
  const stillForMs = Math.max(waits.afterMs, stillMs(timing, name.leaseTimeoutMs, renewalsOf(s, name)));
  const at = after(stillFrom, stillForMs + rank * waits.timeoutMs);
  return askedAt >= at ? {owner: name.writer.nodeId, epoch: name.epoch} : undefined;
}

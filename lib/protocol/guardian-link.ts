// The agent's side of its guardian: deadlines told and acknowledged (G), and what follows from its death (K).
import type {AgentEffect, AgentState, Owned, Unacknowledged} from './agent-state.ts';
import {GUARDIAN_ACK_MS, killAt, stopAt} from './timing.ts';
import {after, monoMs, type Epoch, type MonoMs} from './words.ts';

/** A step that comes so much later than it was wanted means that the agent was not running: an acknowledgement may wait unread. */
const PAUSE_MS = 500;
/** Between the moment when a guardian is found to owe something and the one when it is given up, ms. */
const SECOND_LOOK_MS = 200;

/** Sends the end of a confirmed lease, or, given a bare pair, zero. Without a guardian there is nobody to tell and nothing that runs. */
export function sendDeadline(
  s: AgentState,
  what: Owned | {epoch: Epoch; attempt: number},
  out: AgentEffect[],
  now: MonoMs,
): AgentState {
  if (s.link.kind !== 'connected') return s;
  const pair = 'name' in what ? {epoch: what.name.epoch, attempt: what.name.attempt} : what;
  if ('name' in what && what.renewedAt === undefined) return s;
  const deadline = 'name' in what && what.renewedAt !== undefined ? after(what.renewedAt, what.name.leaseTimeoutMs) : 'now';
  out.push({type: 'setDeadline', ...pair, deadline});
  const since = s.link.unacknowledged?.since ?? now;
  return {...s, link: {kind: 'connected', unacknowledged: {...pair, since}}};
}

export function onAcknowledged(s: AgentState, pair: {epoch: Epoch; attempt: number}, now: MonoMs): AgentState {
  if (s.link.kind !== 'connected' || !s.link.unacknowledged) return s;
  const open: Unacknowledged = s.link.unacknowledged;
  const latest = pair.epoch > open.epoch || (pair.epoch === open.epoch && pair.attempt >= open.attempt);
  return {...s, link: {kind: 'connected', unacknowledged: latest ? undefined : {...open, since: now}}};
}

/** (G) A guardian that does not acknowledge within 1 s is killed, and the service with it. */
export function watchGuardian(s: AgentState, now: MonoMs, out: AgentEffect[]): AgentState {
  if (s.link.kind === 'absent') {
    if (s.ending) return s;
    out.push({type: 'spawnGuardian'});
    return {...s, link: {kind: 'starting'}};
  }
  if (s.link.kind !== 'connected') return s;
  const {unacknowledged} = s.link;
  const paused = now - s.wakeAt > PAUSE_MS;
  // A pause of the whole host has cost the guardian as much.
  if (paused && unacknowledged) return {...s, link: {kind: 'connected', unacknowledged: {...unacknowledged, since: now}}};
  const because = faultOf(s, now);
  if (because === undefined) return s.guardianDoubtedAt === undefined ? s : {...s, guardianDoubtedAt: undefined};
  if (paused || s.guardianDoubtedAt === undefined) return {...s, guardianDoubtedAt: now};
  return now < secondLookAt(s) ? s : loseGuardian(s, because, out);
}

/** What it owes may lie unread in its channel, or it has just been resumed with the agent: it gets so long to say it. */
export const secondLookAt = (s: AgentState): MonoMs =>
  s.guardianDoubtedAt === undefined ? monoMs(Number.MAX_SAFE_INTEGER) : after(s.guardianDoubtedAt, SECOND_LOOK_MS);

function faultOf(s: AgentState, now: MonoMs): string | undefined {
  if (now >= overdueAt(s)) return 'the guardian did not stop the service at its deadline';
  const since = s.link.kind === 'connected' ? s.link.unacknowledged?.since : undefined;
  if (since === undefined || now < after(since, GUARDIAN_ACK_MS)) return undefined;
  return 'the guardian did not acknowledge a deadline within 1 s';
}

/** When a guardian that gets to run must have said that it stops the service; never, while no service runs under a lease. */
export function overdueAt(s: AgentState): MonoMs {
  const runs = s.service.kind === 'starting' || s.service.kind === 'ready';
  if (!runs || s.lease.kind !== 'owned' || s.lease.renewedAt === undefined) return monoMs(Number.MAX_SAFE_INTEGER);
  const deadline = after(s.lease.renewedAt, s.lease.name.leaseTimeoutMs);
  const latest = Math.min(stopAt(deadline, s.self.timing) + GUARDIAN_ACK_MS, killAt(deadline, s.self.timing));
  return monoMs(latest);
}

/** (K) It is killed and seen gone, and so is the service, before anything else is started. */
export function loseGuardian(s: AgentState, because: string, out: AgentEffect[]): AgentState {
  if (s.link.kind === 'dying') return s;
  out.push({type: 'killGuardian', because});
  const nothing = s.service.kind === 'down' || s.service.kind === 'backoff';
  const service = nothing ? s.service : ({kind: 'unproven', because} as const);
  return {...s, link: {kind: 'dying'}, guardianDoubtedAt: undefined, service, because};
}

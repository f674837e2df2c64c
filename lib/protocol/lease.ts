// Holding the lease: what renames and listings mean (R), renewing, giving away (V), and losing.
import type {AgentEffect, AgentInput, AgentState, GivingAway, Owned, RenameCall} from './agent-state.ts';
import {sendDeadline} from './guardian-link.ts';
import {freedByMe, heldByMe, hurry, isDue, issueRename, nextAttempt, nextBeat, nextLook, vacate} from './lanes.ts';
import {formatLockName, isWrittenBy, parseLockName, type HeldName, type LockName} from './lock-name.ts';
import {believe, doubt} from './trust.ts';
import {LISTEN_POLLS, listenMs} from './timing.ts';
import {after, monoMs, type MonoMs} from './words.ts';

/** How soon a failed rename is tried again once a listing has shown what is there, ms. */
const RETRY_MS = 200;

/** (R) Only success extends, and only from the moment before the call; failure says nothing. */
export function onRenamed(s: AgentState, input: AgentInput & {type: 'renamed'}, out: AgentEffect[]): AgentState {
  const call = s.rename;
  if (!call) return s;
  const {askedAt, answeredAt, outcome} = input;
  const nextAt = nextBeat(s, askedAt, s.self.timing.heartbeatIntervalMs);
  const retryAt = outcome.kind === 'done' ? nextAt : after(answeredAt, RETRY_MS);
  const idle = vacate({...s, rename: undefined, renamedAt: answeredAt}, 'renew', retryAt);
  if (outcome.kind === 'done')
    return succeeded({...idle, renameFault: undefined, renameTookMs: answeredAt - askedAt}, call, input, out);
  const {lease} = idle;
  const renameFault = `could not ${call.op} the lease: ${outcome.reason}`;
  const looked = {...hurry(idle, 'watch', answeredAt), renameFault};
  if (lease.kind === 'none') return {...looked, doubtful: call, because: renameFault};
  return {...looked, lease: {...lease, inDoubt: true}};
}

function succeeded(s: AgentState, call: RenameCall, at: {askedAt: MonoMs; answeredAt: MonoMs}, out: AgentEffect[]): AgentState {
  // A listing may have shown a later epoch while the reply was under way.
  const overtaken = call.to.epoch < s.known.epoch;
  const made = {name: call.to, text: formatLockName(call.to), firstSeenAt: at.answeredAt, askedAt: at.answeredAt};
  const learned = overtaken ? s : learn({...s, view: made}, call.to, at.answeredAt);
  if (call.to.kind === 'free') return released(learned, call.to, at.answeredAt, out);
  if (call.op === 'claim' && !call.noted) noteClaim(call, call.to, at.answeredAt, out);
  // (V) The guardian has been told since that the lease is lost: only a later rename counts.
  const givenUp = learned.lease.kind === 'none' && call.op === 'renew';
  // (B) In a store that is not the one we knew, success extends nothing.
  const renewedAt = s.trust.kind === 'wrong' || overtaken || givenUp ? undefined : at.askedAt;
  const {lease} = learned;
  if (lease.kind === 'givingAway')
    return hurry({...learned, lease: {...lease, name: call.to, inDoubt: false}}, 'renew', at.answeredAt);
  const owned: Owned =
    lease.kind === 'owned' && lease.name.epoch === call.to.epoch
      ? {...lease, name: call.to, inDoubt: false, renewedAt: renewedAt ?? lease.renewedAt}
      : newlyOwned(call.to, renewedAt, at.answeredAt);
  const because = call.op === 'renew' ? s.because : `${call.op === 'claim' ? 'claimed' : 'adopted'} epoch ${owned.name.epoch}`;
  const next = {...learned, lease: owned, adoption: undefined, failures: lease.kind === 'owned' ? learned.failures : 0, because};
  return renewedAt === undefined ? next : sendDeadline(next, owned, out, at.answeredAt);
}

const newlyOwned = (name: HeldName, renewedAt: MonoMs | undefined, now: MonoMs): Owned => ({
  kind: 'owned',
  name,
  renewedAt,
  inDoubt: false,
  idleSince: now,
});

function noteClaim(call: RenameCall, to: HeldName, claimedAt: MonoMs, out: AgentEffect[]): void {
  const {from, detectedAt} = call;
  out.push({type: 'remember', event: {kind: 'claimed', epoch: to.epoch, from, why: call.basis ?? 'free', detectedAt, claimedAt}});
}

function released(s: AgentState, to: LockName, now: MonoMs, out: AgentEffect[]): AgentState {
  const because = s.lease.kind === 'givingAway' ? s.lease.because : 'the lease was released';
  out.push({type: 'remember', event: {kind: 'ended', epoch: monoEpoch(to), at: now, because}});
  const next = {...s, lease: {kind: 'none'} as const, failures: 0, because: `released the lease: ${because}`};
  // (K) The guardian must not do it once more for a dead agent: in a store that was set back, that would free an epoch that is over.
  const told = sendDeadline(next, {epoch: to.epoch, attempt: to.attempt}, out, now);
  return hurry(hurry(told, 'hear', now), 'watch', now);
}

const monoEpoch = (freed: LockName): HeldName['epoch'] => (freed.epoch - 1) as HeldName['epoch'];

/** The largest epoch known only grows. */
function learn(s: AgentState, name: LockName, now: MonoMs): AgentState {
  return name.epoch > s.known.epoch ? {...s, known: {epoch: name.epoch, learnedAt: now}} : s;
}

/** What a reading of the lock directory means. A listing from a cache can only show an old name: that costs a try, never safety. */
export function onListed(s: AgentState, input: AgentInput & {type: 'listed'}, now: MonoMs, out: AgentEffect[]): AgentState {
  const {listing, askedAt, answeredAt} = input;
  const listened = noteGap(vacate(s, 'watch', afterListing(s, askedAt, answeredAt)), answeredAt);
  if (listing.kind === 'error') return blinded(listened, `the store cannot be read: ${listing.reason}`);
  if (listing.kind === 'notOurStore') return doubt(listened, listing.reason, now);
  const names = [...new Set(listing.names)].flatMap((text) => parseLockName(text) ?? []);
  const [name] = names;
  if (!name) return blinded(listened, 'the lock directory shows no lock: nothing is known, looking again');
  if (names.length > 1) return doubt(listened, `the lock directory holds ${names.length} locks`, now);
  if (askedAt < s.renamedAt) return listened;
  if (name.epoch < s.known.epoch) {
    if (askedAt <= s.known.learnedAt) return listened;
    return doubt(listened, `the lock shows epoch ${name.epoch}, but epoch ${s.known.epoch} has been seen before`, now);
  }
  if (isOlderThanMine(listened, name)) return doubt(listened, 'the lock shows an older renewal of ours than the last one', now);
  const seen = learn(believe(see(listened, name, askedAt, answeredAt)), name, answeredAt);
  return reactToName(seen, name, answeredAt, out);
}

const blinded = (s: AgentState, blind: string): AgentState => ({...s, blind});

const afterListing = (s: AgentState, askedAt: MonoMs, answeredAt: MonoMs): MonoMs =>
  answeredAt < s.hintedUntil ? after(askedAt, HINTED_POLL_MS) : nextLook(s, askedAt);

/** How often a node looks for a while after a hint, ms. */
const HINTED_POLL_MS = 100;

/** After a gap in its own polling a node listens again: it does not know who is alive. */
function noteGap(s: AgentState, answeredAt: MonoMs): AgentState {
  const {pollIntervalMs} = s.self.timing;
  const gap = answeredAt - s.listedAt > LISTEN_POLLS * pollIntervalMs && s.listenUntil !== undefined;
  const listenUntil = gap ? after(answeredAt, listenMs(s.self.timing)) : s.listenUntil;
  return {...s, listedAt: answeredAt, blind: undefined, listenUntil};
}

const isOlderThanMine = (s: AgentState, name: LockName): boolean =>
  s.lease.kind !== 'none' &&
  // Also one of the instance whose lease was adopted: its attempts were counted on.
  name.writer?.nodeId === s.self.nodeId &&
  name.epoch === s.lease.name.epoch &&
  name.attempt < s.lease.name.attempt;

function see(s: AgentState, name: LockName, askedAt: MonoMs, answeredAt: MonoMs): AgentState {
  const text = formatLockName(name);
  const same = text === s.view.text;
  const view = {name, text, askedAt, firstSeenAt: same ? s.view.firstSeenAt : answeredAt};
  // Who may follow, and whom the operator wants, is asked for at once when the lock becomes free.
  return !same && name.kind === 'free' ? hurry(hurry({...s, view}, 'hear', answeredAt), 'wish', answeredAt) : {...s, view};
}

/** (R) Ours: owned, but nothing is extended. The name we renamed from: nothing is known. Any other: lost. */
function reactToName(s: AgentState, name: LockName, now: MonoMs, out: AgentEffect[]): AgentState {
  const {lease} = s;
  const mine = name.kind === 'held' && isWrittenBy(name, s.self.instanceId);
  if (lease.kind === 'none') return mine ? ownLate(s, name, now, out) : s;
  if (mine && name.epoch === lease.name.epoch) return {...s, lease: {...lease, name, inDoubt: false}};
  if (name.kind === 'free' && isWrittenBy(name, s.self.instanceId) && lease.kind === 'givingAway')
    return released(s, name, now, out);
  const gone = lose(s, name, now, out);
  return mine ? ownLate(gone, name, now, out) : gone;
}

/** A claim that was thought to have failed has happened: it is ours, but gives no right before a renewal succeeds. */
function ownLate(s: AgentState, name: HeldName, now: MonoMs, out: AgentEffect[]): AgentState {
  const call = s.rename?.op === 'claim' ? s.rename : s.doubtful;
  if (call && call.to.epoch === name.epoch && call.op === 'claim') noteClaim(call, name, now, out);
  const because = 'a claim that was in doubt has succeeded: renewing it first';
  const rename = s.rename && {...s.rename, noted: true};
  const owner = {...s, rename, doubtful: undefined, renameFault: undefined, lease: newlyOwned(name, undefined, now), because};
  return hurry(owner, 'renew', now);
}

function lose(s: AgentState, name: LockName, now: MonoMs, out: AgentEffect[]): AgentState {
  if (s.lease.kind === 'none') return s;
  const to = name.kind === 'free' ? 'nobody' : (name.writer?.nodeId ?? 'nobody');
  const because = `lost the lease: epoch ${name.epoch} belongs to ${to}`;
  out.push({type: 'remember', event: {kind: 'ended', epoch: s.lease.name.epoch, at: now, because}});
  const zeroed = zero(s, s.lease.name, now, out);
  return {...zeroed, lease: {kind: 'none'}, failures: 0, because};
}

/** Tells the guardian that nothing may run under this epoch any more. */
function zero(s: AgentState, name: HeldName, now: MonoMs, out: AgentEffect[]): AgentState {
  const next = nextAttempt(s);
  return sendDeadline(next, {epoch: name.epoch, attempt: next.attempt}, out, now);
}

/** (V) The guardian's deadline is zero before a release is issued; nothing starts until a later rename has succeeded. */
export function giveAway(s: AgentState, because: string, now: MonoMs, out: AgentEffect[]): AgentState {
  if (s.lease.kind !== 'owned') return s;
  const told = zero(s, s.lease.name, now, out);
  const lease: GivingAway = {kind: 'givingAway', name: s.lease.name, inDoubt: s.lease.inDoubt, because, zeroed: told.attempt};
  return hurry({...told, lease, insists: false, because: `giving the lease away: ${because}`}, 'renew', now);
}

/** Renews what is owned and releases what is given away, when the lane is free and what is there has been looked at. */
export function holdLease(s: AgentState, now: MonoMs, out: AgentEffect[]): AgentState {
  const {lease} = s;
  if (lease.kind === 'none' || s.rename || (lease.inDoubt && s.view.askedAt < s.renamedAt)) return s;
  if (lease.kind === 'givingAway') return release(s, lease, now, out);
  if (!isDue(s, 'renew', now)) return s;
  const next = nextAttempt(s);
  const to = heldByMe(next, lease.name.epoch, lease.name.leaseTimeoutMs);
  return issueRename(next, {op: 'renew', from: lease.name, to, detectedAt: now}, out);
}

/** Only when no process of the service is left, and the guardian (if there is one) has confirmed that it starts nothing. */
function release(s: AgentState, lease: GivingAway, now: MonoMs, out: AgentEffect[]): AgentState {
  if (!isDue(s, 'renew', now) || !nothingRuns(s)) return s;
  if (lease.zeroed === undefined) {
    const told = zero(s, lease.name, now, out);
    return {...told, lease: {...lease, zeroed: told.attempt}};
  }
  if (s.link.kind === 'connected' && s.link.unacknowledged) return s;
  const issued = {...s, lease: {...lease, zeroed: undefined}};
  const to = freedByMe(s, lease.name, lease.zeroed);
  return issueRename(issued, {op: 'release', from: lease.name, to, detectedAt: now}, out);
}

/** No process of the service is left on this host, as far as containment proves it. */
export const nothingRuns = (s: AgentState): boolean =>
  (s.service.kind === 'down' || s.service.kind === 'backoff') && (s.link.kind === 'connected' || s.link.kind === 'absent');

/** End of the lease as far as it has been confirmed; the past if it has not. */
export const leaseEnd = (lease: Owned): MonoMs =>
  lease.renewedAt === undefined ? monoMs(0) : after(lease.renewedAt, lease.name.leaseTimeoutMs);

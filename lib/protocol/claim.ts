// Whether this node may claim the lease, when, and why not: the wait (or what replaces it), and the election.
import type {AgentEffect, AgentState, ClaimBasis} from './agent-state.ts';
import {rankOf, type Candidate} from './election.ts';
import {heldByMe, isDue, issueRename, nextAttempt} from './lanes.ts';
import {nothingRuns} from './lease.ts';
import {formatLockName, type LockName} from './lock-name.ts';
import {electable, isMute} from './peers.ts';
import {advice} from './trust.ts';
import {muteMs, RANK_POLLS, stillMs} from './timing.ts';
import {after, epoch, monoMs, type MonoMs, type NodeId} from './words.ts';

export type Verdict =
  /** Nothing to do before something changes. */
  | {readonly kind: 'no'; readonly because: string}
  /** It may claim at that moment if nothing happens until then. */
  | {readonly kind: 'later'; readonly at: MonoMs; readonly because: string}
  | {readonly kind: 'claim'; readonly from: LockName; readonly basis: ClaimBasis; readonly detectedAt: MonoMs};

/** The modes that take part in elections. */
const ELECTABLE_MODES: readonly string[] = ['auto', 'master', 'standby', 'hot_standby'];

/** Polls after which a chance is taken although nobody's heartbeat could be read. */
const DEAF_POLLS = 2;

/** Claims if the verdict says so; otherwise the verdict is the reason that the node shows. */
export function seekLease(s: AgentState, now: MonoMs, out: AgentEffect[]): AgentState {
  if (s.lease.kind !== 'none' || s.rename) return s;
  // A store that refuses renames is not asked as fast as it answers.
  if (s.doubtful?.from === s.view.text && !isDue(s, 'renew', now)) return s;
  const adopting = adopt(s, out, now);
  if (adopting) return adopting;
  const verdict = judge(s, now);
  if (verdict.kind !== 'claim') return verdict.because === s.because ? s : {...s, because: verdict.because};
  const next = nextAttempt(s);
  const to = heldByMe(next, epoch(verdict.from.epoch + 1), s.self.timing.leaseTimeoutMs);
  const because = `claiming epoch ${to.epoch}: ${reasonOf(verdict.basis, verdict.from)}`;
  return {...issueRename(next, {op: 'claim', to, ...verdict}, out), because};
}

/** A living guardian has been taken over: take over its lease too; T stays, and the attempts go on where it heard the last one. */
function adopt(s: AgentState, out: AgentEffect[], now: MonoMs): AgentState | undefined {
  const {adoption, view} = s;
  const name = view.name;
  if (!adoption || !name || view.askedAt < s.renamedAt || s.ending) return undefined;
  if (name.kind !== 'held' || name.writer?.instanceId !== adoption.from || name.epoch !== adoption.epoch) return undefined;
  const next = nextAttempt({...s, attempt: Math.max(s.attempt, adoption.attempt, name.attempt)});
  const to = heldByMe(next, name.epoch, name.leaseTimeoutMs);
  return {...issueRename(next, {op: 'adopt', from: name, to, detectedAt: now}, out), because: `adopting epoch ${name.epoch}`};
}

function reasonOf(basis: ClaimBasis, from: LockName): string {
  const who = from.writer?.nodeId ?? 'nobody';
  switch (basis) {
    case 'free':
      return from.writer ? `${who} released it` : 'nobody has held it yet';
    case 'silence':
      return from.writer ? `${who} has been silent for the whole lease` : 'nobody has held it, and one lease timeout is over';
    case 'statement':
      return `the operator says that ${who} is dead`;
    case 'fence':
      return `${who} has been fenced`;
    case 'local':
      return 'the earlier instance on this host is proven dead';
    default:
      return basis satisfies never;
  }
}

/** What this node may do about the lease that it does not hold. */
export function judge(s: AgentState, now: MonoMs): Verdict {
  const {name} = s.view;
  if (!name) return no(s.trust.kind === 'fine' ? 'the lock has not been seen yet' : advice(s.trust));
  const blocked = blockedBecause(s, name, now);
  if (blocked !== undefined) return no(blocked);
  const chance = chanceOf(s, name);
  if (s.wishedAt === undefined && chance.basis !== 'local')
    return no("the operator's wishes have not been read yet: is there a pause?");
  const gate = Math.max(chance.at, earliest(s, name, chance.basis));
  const deaf = now >= after(monoMs(gate), DEAF_POLLS * s.self.timing.pollIntervalMs);
  const since = knownSince(s, chance);
  const informed = s.heardAt !== undefined && s.heardAt >= since && s.wishedAt !== undefined && s.wishedAt >= since;
  const waiting = `following ${owner(name)}: epoch ${name.epoch} is ${name.kind}`;
  if (now < gate) return {kind: 'later', at: monoMs(gate), because: waiting};
  if (!informed && !deaf && chance.basis !== 'local') {
    return {
      kind: 'later',
      at: after(monoMs(gate), DEAF_POLLS * s.self.timing.pollIntervalMs),
      because: 'asking who else is alive',
    };
  }
  const rank = chance.basis === 'local' ? 0 : myRank(s, name, now);
  if (rank === undefined) return no('standing back for another node: this one gave up a lease that it could not use');
  const at = after(monoMs(gate), rank * RANK_POLLS * s.self.timing.pollIntervalMs);
  if (now < at) return {kind: 'later', at, because: `${rank} ${rank === 1 ? 'node goes' : 'nodes go'} before this one`};
  return {kind: 'claim', from: name, basis: chance.basis, detectedAt: chance.at};
}

/** A release comes as a surprise; in a silence everybody's heartbeats have been read all along. */
const knownSince = (s: AgentState, {basis, at}: Chance): number =>
  basis === 'free' ? at : at - DEAF_POLLS * s.self.timing.pollIntervalMs;

const no = (because: string): Verdict => ({kind: 'no', because});
const owner = (name: LockName): string => name.writer?.nodeId ?? 'nobody';

/** @returns what keeps this node from claiming anything, whatever the lock shows. */
export function blockedBecause(s: AgentState, name: LockName, now: MonoMs): string | undefined {
  if (s.ending) return `ending: ${s.ending.because}`;
  if (s.trust.kind !== 'fine') return advice(s.trust);
  if (!ELECTABLE_MODES.includes(s.settings.mode)) return `never elected in mode ${s.settings.mode}`;
  if (s.adoption) return 'waiting to see the lease of the guardian that was taken over';
  if (s.view.askedAt < s.renamedAt) return 'looking again: the last rename failed';
  if (s.link.kind !== 'connected') return 'the guardian is not ready';
  if (!nothingRuns(s)) return 'the service of this node is not yet proven stopped';
  if (s.wishes.paused && name.writer?.nodeId !== s.self.nodeId) return `paused: nobody but ${owner(name)} may take the lease`;
  if (!s.fit.ok) return `not eligible: ${s.fit.because}`;
  if (now < s.barredUntil) return 'cooling down: the service of this node kept failing';
  if (!name.writer && waitsForFirst(s))
    return `waiting for a first master: mode ${s.settings.mode} takes no lock that nobody has held`;
  return undefined;
}

const waitsForFirst = (s: AgentState): boolean => s.settings.mode === 'standby' || s.settings.mode === 'hot_standby';

interface Chance {
  readonly basis: ClaimBasis;
  /** From then on the name may be claimed. */
  readonly at: MonoMs;
}

/** The wait runs from the end of the listing that first showed this very name; two things may replace it, each for this epoch alone. */
function chanceOf(s: AgentState, name: LockName): Chance {
  const {firstSeenAt} = s.view;
  if (name.kind === 'free') return {basis: 'free', at: firstSeenAt};
  const silence: Chance = {basis: 'silence', at: after(firstSeenAt, name.leaseTimeoutMs)};
  const still = after(firstSeenAt, stillMs(s.self.timing, name.leaseTimeoutMs, renewalsOf(s, name)));
  // A clone of this machine may hold it: then it is renewed meanwhile.
  if (provenLocally(s, name) && still < silence.at) return {basis: 'local', at: still};
  if (s.proofs.some((proof) => proof.kind === 'fence' && proof.epoch === name.epoch)) return {basis: 'fence', at: firstSeenAt};
  const stated = s.wishes.statements.some((said) => said.epoch === name.epoch && said.owner === name.writer?.nodeId);
  // An operator's word is not taken against a lock that still changes.
  if (stated && still < silence.at) return {basis: 'statement', at: still};
  return silence;
}

/** How often the writer of this name renews it, if a heartbeat of that very instance has told. */
export function renewalsOf(s: AgentState, {writer}: LockName): number | undefined {
  if (!writer) return undefined;
  const elder = s.ownRecord.kind === 'mine' ? s.ownRecord.before : undefined;
  const told = writer.nodeId === s.self.nodeId ? elder : s.peers[writer.nodeId]?.report;
  return told?.instanceId === writer.instanceId ? told.heartbeatIntervalMs : undefined;
}

const provenLocally = (s: AgentState, name: LockName): boolean =>
  name.writer?.nodeId === s.self.nodeId &&
  s.proofs.some((proof) => proof.kind === 'local' && proof.instanceId === name.writer?.instanceId);

/** A node that has just started, or whose polling had a gap, listens before it claims; local proof needs the record to have stood still. */
function earliest(s: AgentState, name: LockName, basis: ClaimBasis): MonoMs {
  if (basis === 'local') return s.ownRecord.kind === 'mine' ? s.startedAt : monoMs(Number.MAX_SAFE_INTEGER);
  // The target of a switchover goes first whatever the order is: while it listened, the next one's turn would come.
  const called = name.kind === 'free' && s.listenUntil !== undefined && targetOf(s, name) === s.self.nodeId;
  const listened = called ? s.startedAt : (s.listenUntil ?? after(s.startedAt, muteMs(s.self.timing)));
  // What opened the way for everybody at once must not make everybody forget its turn.
  return monoMs(Math.max(listened, s.openedAt));
}

/** @returns how many go before this node for what follows that name; undefined if it stands back altogether. */
export function myRank(s: AgentState, name: LockName, now: MonoMs): number | undefined {
  if (s.insists && name.kind === 'free') return 0;
  const others: Candidate[] = electable(s, now).map(({report}) => report);
  const me = {nodeId: s.self.nodeId, priority: s.settings.priority, cooling: now < s.coolingUntil};
  return rankOf({me, others, last: name.writer?.nodeId, target: targetOf(s, name), mute: isMute(s, now)});
}

/** A switchover names the epoch that is given up for it, a promotion the one whose owner is dead. */
function targetOf(s: AgentState, name: LockName): NodeId | undefined {
  const givenUp = name.kind === 'free' ? name.epoch - 1 : name.epoch;
  return s.wishes.switchovers.find((wish) => wish.epoch === givenUp)?.to;
}

/** Mode `master` insists, but never against a lease that is being renewed. */
export function refuseIfLed(s: AgentState, before: LockName | undefined, out: AgentEffect[]): AgentState {
  const {name} = s.view;
  if (!s.insists || s.lease.kind !== 'none' || s.ended || !before || name?.kind !== 'held' || !name.writer) return s;
  if (formatLockName(before) === s.view.text || name.writer.nodeId === s.self.nodeId) return s;
  if (before.kind !== 'held' || before.writer?.instanceId !== name.writer.instanceId) return s;
  const because = `${name.writer.nodeId} is master under epoch ${name.epoch} and renews its lease: use --highAvailability auto, or a switchover`;
  out.push({type: 'exit', code: 3, keep: false, because});
  return {...s, ended: true, because};
}

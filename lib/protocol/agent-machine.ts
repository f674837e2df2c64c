// The agent's decisions: one step takes what happened and when, and gives the next state and what to do about it.
// The same code runs in production and in the simulator; the rules are in the README beside this file.
import type {AgentEffect, AgentInput, AgentState, Self, Settings} from './agent-state.ts';
import {heartbeatOf} from './agent-report.ts';
import {judge, refuseIfLed, seekLease} from './claim.ts';
import {loseGuardian, overdueAt, secondLookAt, sendDeadline, watchGuardian} from './guardian-link.ts';
import {hurry, isDue, nextAttempt, nextBeat, occupy} from './lanes.ts';
import {holdLease, nothingRuns, onListed, onRenamed} from './lease.ts';
import {listen, onHeard, onHeartbeatWritten} from './peers.ts';
import {GUARDIAN_ACK_MS, SILENT_POLLS} from './timing.ts';
import {countFailure, demote, onChecked, onGuardianSaid, superviseLease} from './supervise.ts';
import {after, monoMs, type Epoch, type MonoMs} from './words.ts';
import {obeyWishes, onWished} from './wishes.ts';

export interface Turn {
  readonly state: AgentState;
  /** In the order in which they have to be carried out. */
  readonly effects: readonly AgentEffect[];
}

/** For how many polls a hint makes a node look more often. */
const HINT_POLLS = 5;
/** The longest time between two steps while nothing happens, ms. */
const LONGEST_SLEEP_MS = 1_000;

/** A new instance. `known` is the largest epoch that the node remembers of this store; 0 if none. */
export function newAgent(self: Self, settings: Settings, known: Epoch, now: MonoMs): AgentState {
  const lane = {busy: false, dueAt: now};
  return {
    self,
    settings,
    uri: undefined,
    startedAt: now,
    attempt: 0,
    seq: 0,
    run: 0,
    lanes: {renew: lane, watch: lane, beat: lane, hear: lane, wish: lane},
    rename: undefined,
    doubtful: undefined,
    renamedAt: now,
    view: {name: undefined, text: '', firstSeenAt: now, askedAt: now},
    listedAt: now,
    blind: undefined,
    trust: {kind: 'fine'},
    known: {epoch: known, learnedAt: now},
    lease: {kind: 'none'},
    adoption: undefined,
    link: {kind: 'absent'},
    guardianDoubtedAt: undefined,
    service: {kind: 'down'},
    failures: 0,
    peers: {},
    heardAt: undefined,
    wishes: {paused: false, switchovers: [], statements: []},
    wishedAt: undefined,
    openedAt: now,
    proofs: [],
    ownRecord: {kind: 'unread'},
    beatAt: undefined,
    listenUntil: undefined,
    renameFault: undefined,
    renameTookMs: 0,
    storeSilent: false,
    hintedUntil: now,
    fit: {ok: true, because: ''},
    barredUntil: now,
    coolingUntil: now,
    insists: settings.mode === 'master',
    ending: undefined,
    ended: false,
    wakeAt: now,
    because: 'starting',
  };
}

export function stepAgent(state: AgentState, input: AgentInput, now: MonoMs): Turn {
  if (state.ended) return {state, effects: []};
  const out: AgentEffect[] = [];
  const learned = take(state, input, now, out);
  const decided = learned.ended ? learned : decide(learned, now, out);
  const wakeAt = nextStepAt(decided, now);
  return {state: wakeAt === decided.wakeAt ? decided : {...decided, wakeAt}, effects: out};
}

function take(s: AgentState, input: AgentInput, now: MonoMs, out: AgentEffect[]): AgentState {
  switch (input.type) {
    case 'tick':
      return s;
    case 'listed':
      return refuseIfLed(onListed(s, input, now, out), s.view.name, out);
    case 'renamed':
      return onRenamed(s, input, out);
    case 'heard':
      return onHeard(s, input, out);
    case 'heartbeatWritten':
      return onHeartbeatWritten(s, input, out);
    case 'wished':
      return onWished(s, input);
    case 'guardianReady':
      return guardianReady(s, input, now, out);
    case 'guardianSaid':
      return onGuardianSaid(s, input.report, now, out);
    case 'guardianLost':
      return loseGuardian(s, input.because, out);
    case 'guardianGone':
      return guardianGone(s, input, now, out);
    case 'serviceProven':
      return s.service.kind === 'unproven' ? countFailure(s, s.service.because, now, out) : s;
    case 'checked':
      return onChecked(s, input, now, out);
    case 'fitness':
      return {...s, fit: {ok: input.ok, because: input.because}};
    case 'proof':
      return {...s, proofs: [...s.proofs, input.proof]};
    case 'settings':
      return {...s, settings: input.settings, insists: s.insists && input.settings.mode === 'master'};
    case 'uri':
      return {...s, uri: input.uri};
    case 'forget':
      return {
        ...s,
        peers: Object.fromEntries(Object.entries(s.peers).filter(([id]) => !input.nodes.some((node) => node === id))),
      };
    case 'hint':
      return hurry({...s, hintedUntil: after(now, HINT_POLLS * s.self.timing.pollIntervalMs)}, 'watch', now);
    case 'demote':
      return demote(s, input.because, now, out);
    case 'end':
      return {
        ...s,
        ending: {keepService: input.keepService, because: input.because, since: now},
        because: `ending: ${input.because}`,
      };
    default:
      return unknownInput(input);
  }
}

function unknownInput(input: never): never {
  throw new TypeError(`not an input: ${JSON.stringify(input)}`);
}

function guardianReady(
  s: AgentState,
  {adopted}: AgentInput & {type: 'guardianReady'},
  now: MonoMs,
  out: AgentEffect[],
): AgentState {
  // It was lost before it was ready: it is being killed.
  if (s.link.kind !== 'starting') return s;
  const linked: AgentState = {...s, link: {kind: 'connected', unacknowledged: undefined}};
  if (adopted) {
    const run = adopted.run ?? s.run;
    const service = adopted.run === undefined ? s.service : ({kind: 'starting', run, since: now} as const);
    return {...linked, adoption: adopted, run: Math.max(s.run, run), service};
  }
  return linked.lease.kind === 'owned' ? sendDeadline(linked, linked.lease, out, now) : linked;
}

/** A service that went with its guardian has failed; one that is not proven gone stays so until its passive form says it is. */
function guardianGone(s: AgentState, input: AgentInput & {type: 'guardianGone'}, now: MonoMs, out: AgentEffect[]): AgentState {
  const gone: AgentState = {...s, link: {kind: 'absent'}, adoption: undefined};
  return s.service.kind === 'unproven' && input.proven ? countFailure(gone, input.because, now, out) : gone;
}

/** What follows from what is known now. Each rule does nothing when there is nothing to do. */
function decide(s: AgentState, now: MonoMs, out: AgentEffect[]): AgentState {
  let next = watchGuardian(s, now, out);
  next = refuseForeignAdoption(next, out, now);
  next = obeyWishes(next, now, out);
  next = superviseLease(next, now, out);
  next = holdLease(next, now, out);
  next = noteSilence(seekLease(next, now, out), now);
  next = look(next, now, out);
  next = listen(next, now, out);
  return end(beat(next, now, out), now, out);
}

/** The lease of the guardian that was taken over is somebody else's by now, or this agent ends: what it runs must stop. */
function refuseForeignAdoption(s: AgentState, out: AgentEffect[], now: MonoMs): AgentState {
  const {adoption, view} = s;
  if (!adoption || s.rename) return s;
  if (!s.ending && (!view.name || view.askedAt < s.renamedAt)) return s;
  const {name} = view;
  const ours = name?.writer?.instanceId === adoption.from || name?.writer?.instanceId === s.self.instanceId;
  if (!s.ending && name?.kind === 'held' && name.epoch === adoption.epoch && ours) return s;
  const next = nextAttempt({...s, attempt: Math.max(s.attempt, adoption.attempt), adoption: undefined});
  return sendDeadline(next, {epoch: adoption.epoch, attempt: next.attempt}, out, now);
}

/** A call that has not returned by its deadline is said aloud; it gets no successor, and the guardian's deadline does the rest. */
function noteSilence(s: AgentState, now: MonoMs): AgentState {
  const storeSilent = s.lanes.watch.busy && now - s.listedAt > SILENT_POLLS * s.self.timing.pollIntervalMs;
  return storeSilent === s.storeSilent ? s : {...s, storeSilent};
}

/** A listing that was asked for before a rename was answered says nothing about the lease: it waits for the answer, one poll at most. */
const lookAt = (s: AgentState): MonoMs => (s.rename ? after(s.lanes.renew.dueAt, s.self.timing.pollIntervalMs) : s.startedAt);

function look(s: AgentState, now: MonoMs, out: AgentEffect[]): AgentState {
  let next = s;
  if (isDue(next, 'watch', now) && now >= lookAt(next)) {
    out.push({type: 'list', refresh: next.trust.kind !== 'fine' || next.view.askedAt < next.renamedAt});
    next = occupy(next, 'watch');
  }
  if (isDue(next, 'wish', now)) {
    out.push({type: 'readWishes'});
    next = occupy(next, 'wish');
  }
  return next;
}

/** No heartbeat before the record with our id is known to be ours. */
function beat(s: AgentState, now: MonoMs, out: AgentEffect[]): AgentState {
  if (s.ownRecord.kind !== 'mine' || !isDue(s, 'beat', now)) return s;
  const next = {...s, seq: s.seq + 1};
  out.push({type: 'writeHeartbeat', heartbeat: heartbeatOf(next, now)});
  return occupy(next, 'beat');
}

/** Ends once nothing is held and nothing runs, or, if the store does not answer, once the lease that cannot be released is over. */
function end(s: AgentState, now: MonoMs, out: AgentEffect[]): AgentState {
  if (!s.ending) return s;
  const {because, keepService, since} = s.ending;
  const keep = keepService && s.lease.kind === 'owned';
  const patience = after(since, s.self.timing.leaseTimeoutMs);
  const free = s.lease.kind === 'none' && !s.rename;
  if (!keep && !(nothingRuns(s) && free) && now < patience) return s;
  out.push({
    type: 'exit',
    code: 0,
    keep,
    because: free || keep ? because : `${because}; the lock could not be released: it ends by itself`,
  });
  return {...s, ended: true};
}

/** When the machine wants its next tick at the latest. What is due already waits for an event, not for the clock. */
function nextStepAt(s: AgentState, now: MonoMs): MonoMs {
  const times = Object.values(s.lanes).map((lane) => (lane.busy ? now : lane.dueAt));
  if (s.rename) times.push(lookAt(s));
  if (s.service.kind === 'backoff') times.push(s.service.until);
  if (s.service.kind === 'starting') times.push(after(s.service.since, s.settings.startTimeoutMs));
  if (s.link.kind === 'connected' && s.link.unacknowledged) times.push(after(s.link.unacknowledged.since, GUARDIAN_ACK_MS));
  times.push(overdueAt(s), secondLookAt(s));
  const verdict = s.lease.kind === 'none' && !s.rename ? judge(s, now) : undefined;
  if (verdict?.kind === 'later') times.push(verdict.at);
  return monoMs(Math.min(nextBeat(s, now, LONGEST_SLEEP_MS), ...times.filter((at) => at > now)));
}

// The guardian's decisions: until when the service may run, when it must be stopped, and when the lock may be released.
// Pure like the rest of this folder; rules G, V and K of the README.
import {killAt, stopAt, type Timing} from './timing.ts';
import {after, monoMs, type Epoch, type InstanceId, type MonoMs} from './words.ts';

export interface GuardianConfig {
  readonly timing: Pick<Timing, 'stopTimeoutMs' | 'safetyMarginMs'>;
  /** How long the service of a dead agent is kept for the next one to adopt, ms; 0 or more. */
  readonly agentLossGraceMs: number;
}

/** What the agent tells its guardian. */
export type GuardianOrder =
  /** The service may run until `deadline`; 'now' means that the lease is being given away. */
  | {readonly type: 'deadline'; readonly epoch: Epoch; readonly attempt: number; readonly deadline: MonoMs | 'now'}
  | {readonly type: 'start'; readonly run: number; readonly epoch: Epoch}
  | {readonly type: 'stop'; readonly run: number}
  /** The agent ends and wants the service kept until the lease ends. */
  | {readonly type: 'keep'}
  /** The agent ends, has released what it held, and needs its guardian no more. */
  | {readonly type: 'bye'};

/** What made the guardian stop the service. */
export type StopCause = 'ordered' | 'deadline' | 'given away' | 'ended' | 'agent dead';

/** What the guardian tells its agent. */
export type GuardianReport =
  /** The pair obeyed now, after each deadline, obeyed or not. */
  | {readonly type: 'acknowledged'; readonly epoch: Epoch; readonly attempt: number}
  | {readonly type: 'started'; readonly run: number}
  | {readonly type: 'refused'; readonly run: number; readonly because: string}
  /** The service is being stopped: ordered, past its deadline, or because it ended by itself. */
  | {readonly type: 'stopping'; readonly run: number; readonly cause: StopCause; readonly because: string}
  /** No process of it is left; `proven` is false where its passive form failed, or its address stayed up: nothing may be released then. */
  | {readonly type: 'gone'; readonly run: number; readonly proven: boolean; readonly cause: StopCause; readonly because: string};

export type GuardianInput =
  | {readonly type: 'tick'}
  /** A (new) agent introduces itself; the shell has authenticated it. */
  | {readonly type: 'connected'; readonly instanceId: InstanceId}
  | {readonly type: 'order'; readonly order: GuardianOrder}
  | {readonly type: 'linkClosed'}
  /** The agent whose channel closed has been killed and seen gone. */
  | {readonly type: 'agentGone'}
  | {readonly type: 'runStarted'; readonly run: number}
  /** The service ended by itself, or could not be started; processes of it may be left. */
  | {readonly type: 'runEnded'; readonly run: number; readonly because: string}
  | {readonly type: 'runGone'; readonly run: number; readonly proven: boolean}
  /** The release helper ended: no listing shows a name of ours, or it gave up. */
  | {readonly type: 'releaseEnded'};

export type GuardianEffect =
  | {readonly type: 'report'; readonly report: GuardianReport}
  | {readonly type: 'accept'; readonly adopted: boolean}
  | {readonly type: 'reject'; readonly because: string}
  | {readonly type: 'startRun'; readonly run: number; readonly epoch: Epoch}
  /** SIGTERM to the service (for `ensure`: end the active command, run the passive one). */
  | {readonly type: 'termRun'; readonly run: number}
  | {readonly type: 'killRun'; readonly run: number}
  | {readonly type: 'killAgent'}
  /** Release whatever name of these instances the store shows under `epoch` or a later one, with attempts above `attempt`, until none is left. */
  | {readonly type: 'release'; readonly instances: readonly InstanceId[]; readonly epoch: number; readonly attempt: number}
  | {readonly type: 'exit'; readonly because: string};

export type GuardianRun =
  | {readonly kind: 'none'}
  | {readonly kind: 'running'; readonly run: number; readonly epoch: Epoch}
  | {
      readonly kind: 'stopping';
      readonly run: number;
      readonly killAt: MonoMs;
      readonly killed: boolean;
      readonly cause: StopCause;
      readonly because: string;
    }
  /** Ended without proof that nothing of it is left. */
  | {readonly kind: 'unproven'; readonly run: number; readonly cause: StopCause};

export interface GuardianState {
  readonly config: GuardianConfig;
  readonly link:
    | {readonly kind: 'awaited'}
    | {readonly kind: 'connected'}
    /** The channel closed: the agent is being killed, it may only have been frozen. */
    | {readonly kind: 'killing'}
    | {readonly kind: 'gone'; readonly since: MonoMs};
  /** The instances that have fed this guardian; the last one is obeyed. */
  readonly instances: readonly InstanceId[];
  /** `given`: the lease is being given away, so nothing may run; `at` stays what the last lease allowed. */
  readonly deadline: {readonly epoch: Epoch; readonly attempt: number; readonly at: MonoMs; readonly given: boolean} | undefined;
  readonly run: GuardianRun;
  /** The agent said 'keep' before it went. */
  readonly keep: boolean;
  readonly release: {readonly kind: 'none'} | {readonly kind: 'busy'; readonly since: MonoMs};
  readonly ended: boolean;
}

/** After this long a release that has not come back is left to the silence, ms. */
const RELEASE_LIMIT_MS = 60_000;

export const newGuardian = (config: GuardianConfig): GuardianState => ({
  config,
  link: {kind: 'awaited'},
  instances: [],
  deadline: undefined,
  run: {kind: 'none'},
  keep: false,
  release: {kind: 'none'},
  ended: false,
});

interface Turn {
  readonly state: GuardianState;
  readonly effects: readonly GuardianEffect[];
}

/** One step: what happened, at which instant of the suspend-aware clock. */
export function stepGuardian(state: GuardianState, input: GuardianInput, now: MonoMs): Turn {
  if (state.ended) return {state, effects: []};
  const effects: GuardianEffect[] = [];
  let next = take(state, input, now, effects);
  next = enforceDeadline(next, now, effects);
  next = enforceKill(next, now, effects);
  next = finish(next, now, effects);
  return {state: next, effects};
}

function take(s: GuardianState, input: GuardianInput, now: MonoMs, effects: GuardianEffect[]): GuardianState {
  switch (input.type) {
    case 'tick':
      return s;
    case 'connected':
      return connect(s, input.instanceId, now, effects);
    case 'order':
      return s.link.kind === 'connected' ? obey(s, input.order, now, effects) : s;
    case 'linkClosed':
      if (s.link.kind !== 'connected') return s;
      effects.push({type: 'killAgent'});
      return {...s, link: {kind: 'killing'}};
    case 'agentGone':
      return s.link.kind === 'killing' ? {...s, link: {kind: 'gone', since: now}} : s;
    case 'runStarted':
      if (s.run.kind === 'running' && s.run.run === input.run) report(effects, {type: 'started', run: input.run});
      return s;
    case 'runEnded':
      return s.run.kind === 'running' && s.run.run === input.run ? beginStop(s, now, 'ended', input.because, effects) : s;
    case 'runGone':
      return runGone(s, input.run, input.proven, effects);
    case 'releaseEnded':
      if (s.release.kind === 'busy') effects.push({type: 'exit', because: 'the release has ended'});
      return s.release.kind === 'busy' ? {...s, ended: true} : s;
    default:
      return input satisfies never;
  }
}

/** The first agent is accepted; a later one only if the earlier is dead and nothing has begun to end. */
function connect(s: GuardianState, instance: InstanceId, now: MonoMs, effects: GuardianEffect[]): GuardianState {
  const because = adoptionFault(s, now);
  if (because !== undefined) {
    effects.push({type: 'reject', because});
    return yieldsTo(s, now) ? yieldUnproven(s, effects) : s;
  }
  effects.push({type: 'accept', adopted: s.link.kind === 'gone'});
  return {...s, link: {kind: 'connected'}, keep: false, instances: [...s.instances, instance]};
}

/**
 * With its lease over, a release by this guardian spares nobody a wait any more. A new agent may have a passive form that was mended:
 * it takes over asking, rather than waiting for ever for one that cannot succeed.
 */
const yieldsTo = (s: GuardianState, now: MonoMs): boolean =>
  s.run.kind === 'unproven' && s.link.kind === 'gone' && (!s.deadline || now >= s.deadline.at);

function yieldUnproven(s: GuardianState, effects: GuardianEffect[]): GuardianState {
  effects.push({type: 'exit', because: 'nothing is released: the service is not proven stopped, a new agent sees to that'});
  return {...s, ended: true};
}

function adoptionFault(s: GuardianState, now: MonoMs): string | undefined {
  if (s.link.kind === 'connected') return 'another agent is connected';
  if (s.link.kind === 'killing') return 'the earlier agent is not yet seen dead';
  if (s.release.kind !== 'none') return 'the lock is being released';
  if (s.run.kind === 'stopping') return 'the service is being stopped';
  if (s.run.kind === 'unproven') return 'the service is not proven stopped, which is tried again and again';
  if (s.run.kind === 'running' && leaseOver(s, now)) return 'the deadline has come';
  return undefined;
}

function obey(s: GuardianState, order: GuardianOrder, now: MonoMs, effects: GuardianEffect[]): GuardianState {
  switch (order.type) {
    case 'deadline':
      return setDeadline(s, order, effects);
    case 'start':
      return start(s, order, now, effects);
    case 'stop':
      return s.run.kind === 'running' && s.run.run === order.run
        ? beginStop(s, now, 'ordered', 'the agent ordered it', effects)
        : s;
    case 'keep':
      return {...s, keep: true};
    case 'bye':
      if (s.run.kind !== 'none') return s;
      effects.push({type: 'exit', because: 'the agent ended'});
      return {...s, ended: true};
    default:
      return order satisfies never;
  }
}

/** (G) Replaces, never takes a maximum; a smaller or equal pair is ignored. */
function setDeadline(s: GuardianState, order: GuardianOrder & {type: 'deadline'}, effects: GuardianEffect[]): GuardianState {
  const old = s.deadline;
  const newer = !old || order.epoch > old.epoch || (order.epoch === old.epoch && order.attempt > old.attempt);
  const given = order.deadline === 'now';
  const at = order.deadline === 'now' ? (old?.at ?? monoMs(0)) : order.deadline;
  const deadline = newer ? {epoch: order.epoch, attempt: order.attempt, at, given} : old;
  report(effects, {type: 'acknowledged', epoch: deadline.epoch, attempt: deadline.attempt});
  return {...s, deadline};
}

/** (G) The agent may have been frozen between its check and its word: the guardian checks again. */
function start(s: GuardianState, order: GuardianOrder & {type: 'start'}, now: MonoMs, effects: GuardianEffect[]): GuardianState {
  const because = startFault(s, order.epoch, now);
  if (because !== undefined) {
    report(effects, {type: 'refused', run: order.run, because});
    return s;
  }
  effects.push({type: 'startRun', run: order.run, epoch: order.epoch});
  return {...s, run: {kind: 'running', run: order.run, epoch: order.epoch}};
}

function startFault(s: GuardianState, epoch: Epoch, now: MonoMs): string | undefined {
  if (s.run.kind !== 'none') return 'an earlier run is not over';
  if (!s.deadline || s.deadline.epoch !== epoch) return 'no deadline is known for this epoch';
  if (leaseOver(s, now)) return 'the deadline has come';
  return undefined;
}

function runGone(s: GuardianState, run: number, proven: boolean, effects: GuardianEffect[]): GuardianState {
  if ((s.run.kind !== 'stopping' && s.run.kind !== 'unproven') || s.run.run !== run) return s;
  const because = s.run.kind === 'stopping' ? s.run.because : 'it is proven stopped at last';
  report(effects, {type: 'gone', run, proven, cause: s.run.cause, because});
  return {...s, run: proven ? {kind: 'none'} : {kind: 'unproven', run, cause: s.run.cause}};
}

/** Stops what runs past its deadline, and what nobody will adopt any more. */
function enforceDeadline(s: GuardianState, now: MonoMs, effects: GuardianEffect[]): GuardianState {
  if (s.run.kind !== 'running') return s;
  if (leaseOver(s, now)) {
    return s.deadline?.given === true
      ? beginStop(s, now, 'given away', 'the lease is given away', effects)
      : beginStop(s, now, 'deadline', 'the lease could not be renewed in time', effects);
  }
  if (s.link.kind === 'gone' && !s.keep && now >= after(s.link.since, s.config.agentLossGraceMs)) {
    return beginStop(s, now, 'agent dead', 'the agent is dead', effects);
  }
  return s;
}

/** SIGTERM now, SIGKILL after stopTimeout, but never later than d before the end of the last lease, given away or not. */
function beginStop(s: GuardianState, now: MonoMs, cause: StopCause, because: string, effects: GuardianEffect[]): GuardianState {
  if (s.run.kind !== 'running') return s;
  const soft = after(now, s.config.timing.stopTimeoutMs);
  const hard = s.deadline ? killAt(s.deadline.at, s.config.timing) : soft;
  effects.push({type: 'termRun', run: s.run.run});
  report(effects, {type: 'stopping', run: s.run.run, cause, because});
  return {...s, run: {kind: 'stopping', run: s.run.run, killAt: monoMs(Math.min(soft, hard)), killed: false, cause, because}};
}

function enforceKill(s: GuardianState, now: MonoMs, effects: GuardianEffect[]): GuardianState {
  if (s.run.kind !== 'stopping' || s.run.killed) return s;
  const latest = s.deadline ? Math.min(s.run.killAt, killAt(s.deadline.at, s.config.timing)) : s.run.killAt;
  if (now < latest) return s;
  effects.push({type: 'killRun', run: s.run.run});
  return {...s, run: {...s.run, killed: true}};
}

/** (K) Only once the agent is dead and no process of the service is left is anything released; then the guardian ends. */
function finish(s: GuardianState, now: MonoMs, effects: GuardianEffect[]): GuardianState {
  if (s.link.kind !== 'gone') return s;
  if (s.release.kind === 'busy') {
    if (now < after(s.release.since, RELEASE_LIMIT_MS)) return s;
    effects.push({type: 'exit', because: 'the release did not come back'});
    return {...s, ended: true};
  }
  // Nobody else asks the passive form of an unproven service: the guardian stays until that succeeds, or a new agent sees to it.
  if (s.run.kind !== 'none') return s;
  effects.push({type: 'release', instances: s.instances, epoch: s.deadline?.epoch ?? 0, attempt: s.deadline?.attempt ?? 0});
  return {...s, release: {kind: 'busy', since: now}};
}

/** (G) Whether this run may start anything at `now`: the guardian itself may have been frozen since it ordered the run. */
export const mayRun = (s: GuardianState, run: number, now: MonoMs): boolean =>
  !s.ended && s.run.kind === 'running' && s.run.run === run && !leaseOver(s, now);

/** When something will have to be done without an order. */
export function nextInstants(s: GuardianState): readonly MonoMs[] {
  const {timing, agentLossGraceMs} = s.config;
  const instants: MonoMs[] = [];
  if (s.deadline) instants.push(stopAt(s.deadline.at, timing), killAt(s.deadline.at, timing));
  if (s.run.kind === 'stopping') instants.push(s.run.killAt);
  if (s.link.kind === 'gone') instants.push(after(s.link.since, agentLossGraceMs));
  return instants;
}

/** Before this instant nothing happens by itself: until then no tick is needed. */
export const quietUntil = (s: GuardianState): MonoMs =>
  s.run.kind === 'running' && s.link.kind === 'connected' && s.deadline && !s.deadline.given
    ? stopAt(s.deadline.at, s.config.timing)
    : monoMs(0);

/** Nothing runs and the agent is there: whatever comes next comes as a message, or as the end of the channel. */
export const isIdle = (s: GuardianState): boolean =>
  s.run.kind === 'none' && s.link.kind === 'connected' && s.release.kind === 'none';

const leaseOver = (s: GuardianState, now: MonoMs): boolean =>
  !s.deadline || s.deadline.given || now >= stopAt(s.deadline.at, s.config.timing);

function report(effects: GuardianEffect[], said: GuardianReport): void {
  effects.push({type: 'report', report: said});
}

// The service under the lease: when it is started, tried again, given up, and when an owner without one lets go.
import type {AgentEffect, AgentState} from './agent-state.ts';
import type {GuardianReport} from './guardian-machine.ts';
import {onAcknowledged} from './guardian-link.ts';
import {giveAway, leaseEnd} from './lease.ts';
import {killAt, stopAt} from './timing.ts';
import {after, type MonoMs} from './words.ts';

/** For how many lease timeouts a node that gave up its lease stands back for others. */
const COOLING_LEASES = 2;

export function onGuardianSaid(s: AgentState, said: GuardianReport, now: MonoMs, out: AgentEffect[]): AgentState {
  switch (said.type) {
    case 'acknowledged':
      return onAcknowledged(s, said, now);
    case 'started':
      if (s.lease.kind !== 'owned' || !isRun(s, said.run)) return s;
      out.push({type: 'remember', event: {kind: 'started', epoch: s.lease.name.epoch, at: now}});
      return {...s, lease: {...s.lease, idleSince: undefined}};
    case 'refused':
      if (!isRun(s, said.run)) return s;
      return refused(s, `the guardian did not start the service: ${said.because}`, now);
    case 'stopping':
      return isRun(s, said.run) ? stopping(s, said.run, said.because, said.cause === 'ended') : s;
    case 'gone':
      return gone(s, said, now, out);
    default:
      return said satisfies never;
  }
}

/** Nothing failed, but asking again at once would only be refused again. */
function refused(s: AgentState, because: string, now: MonoMs): AgentState {
  return idle({...s, service: {kind: 'backoff', until: after(now, s.settings.backoffMs), because}, because}, now);
}

const isRun = (s: AgentState, run: number): boolean => 'run' in s.service && s.service.run === run;

/** A failure that made us order the stop stays its reason: the guardian knows no more than that it was ordered. */
function stopping(s: AgentState, run: number, because: string, failed: boolean): AgentState {
  if (s.service.kind === 'stopping' && s.service.failed) return s;
  return {...s, service: {kind: 'stopping', run, because, failed}};
}

/** Nothing of the run is left. A failure counts; a stop that was ordered or came with the deadline does not. */
function gone(s: AgentState, said: GuardianReport & {type: 'gone'}, now: MonoMs, out: AgentEffect[]): AgentState {
  if (s.service.kind === 'unproven' && said.proven) return idle({...s, service: {kind: 'down'}}, now);
  if (s.service.kind !== 'stopping' || s.service.run !== said.run) return s;
  if (!said.proven) {
    const because = 'the service is not proven stopped: nothing is released before it is';
    return {...s, service: {kind: 'unproven', because}, because};
  }
  const {failed, because} = s.service;
  return failed ? countFailure(s, because, now, out) : idle({...s, service: {kind: 'down'}}, now);
}

const idle = (s: AgentState, now: MonoMs): AgentState =>
  s.lease.kind === 'owned' && s.lease.idleSince === undefined ? {...s, lease: {...s.lease, idleSince: now}} : s;

/** A run failed. After `attempts` of them the lease is given away and the node sits out a cool-down. */
export function countFailure(s: AgentState, because: string, now: MonoMs, out: AgentEffect[]): AgentState {
  const failures = s.failures + 1;
  const failed = idle({...s, failures, service: {kind: 'backoff', until: after(now, s.settings.backoffMs), because}}, now);
  if (failures < s.settings.attempts || s.wishes.paused || s.lease.kind !== 'owned') {
    return {...failed, because: `the service failed (attempt ${failures} of ${s.settings.attempts}): ${because}`};
  }
  const barred = {...failed, barredUntil: after(now, s.settings.coolDownMs), service: {kind: 'down'} as const};
  return giveAway(standBack(barred, now), `the service failed ${failures} times, the last time: ${because}`, now, out);
}

const standBack = (s: AgentState, now: MonoMs): AgentState => ({
  ...s,
  coolingUntil: after(now, COOLING_LEASES * s.self.timing.leaseTimeoutMs),
});

/** Readiness: only a ready service makes a MASTER; one that stops being healthy is stopped and counts as failed. */
export function onChecked(
  s: AgentState,
  check: {readonly run: number; readonly ok: boolean; readonly because: string},
  now: MonoMs,
  out: AgentEffect[],
): AgentState {
  const {service} = s;
  if ((service.kind !== 'starting' && service.kind !== 'ready') || service.run !== check.run) return s;
  if (check.ok) {
    if (service.kind === 'ready') return s;
    if (s.lease.kind === 'owned') out.push({type: 'remember', event: {kind: 'ready', epoch: s.lease.name.epoch, at: now}});
    return {
      ...s,
      insists: false,
      service: {kind: 'ready', run: service.run, since: now},
      because: 'master: the service is ready',
    };
  }
  return service.kind === 'ready'
    ? stopFailed(s, service.run, check.because, out)
    : {...s, because: `starting: ${check.because}`};
}

function stopFailed(s: AgentState, run: number, because: string, out: AgentEffect[]): AgentState {
  out.push({type: 'stopService', run});
  return {...s, service: {kind: 'stopping', run, because, failed: true}, because};
}

/** Demotes for reasons of the node itself, starts what may run, and lets go of a lease that it cannot use. */
export function superviseLease(s: AgentState, now: MonoMs, out: AgentEffect[]): AgentState {
  // Nothing runs, and nothing is to be started again: another form of the service may take its place.
  if (s.lease.kind === 'none' && s.service.kind === 'backoff') return {...s, service: {kind: 'down'}};
  if (s.lease.kind !== 'owned') return s;
  const why = reasonToGiveAway(s);
  if (why !== undefined) return giveAway(s, why, now, out);
  const s1 = forgiveOldFailures(s, now);
  if (!s1.self.hasService) return superviseHolding(s1, now, out);
  switch (s1.service.kind) {
    case 'backoff':
      return now >= s1.service.until ? letGoIfIdle({...s1, service: {kind: 'down'}}, now, out) : letGoIfIdle(s1, now, out);
    case 'down':
      return mayStart(s1, now) ? start(s1, now, out) : letGoIfIdle(s1, now, out);
    case 'starting': {
      const late = now >= after(s1.service.since, s1.settings.startTimeoutMs);
      return late ? stopFailed(s1, s1.service.run, 'the service was not ready in time', out) : s1;
    }
    case 'unproven':
      return letGoIfIdle(idle(s1, now), now, out);
    default:
      return s1;
  }
}

/** For a node without a service holding is running; a lease that is over whenever its renewal is answered is not held. */
function superviseHolding(s: AgentState, now: MonoMs, out: AgentEffect[]): AgentState {
  if (s.lease.kind !== 'owned') return s;
  if (now >= killAt(leaseEnd(s.lease), s.self.timing)) return letGoIfIdle(idle(s, now), now, out);
  return {...s, insists: false, lease: {...s.lease, idleSince: undefined}};
}

function reasonToGiveAway(s: AgentState): string | undefined {
  if (s.ending && !s.ending.keepService) return s.ending.because;
  const {mode} = s.settings;
  if (mode === 'hot_backup' || mode === 'disabled') return `mode ${mode} never holds a lease`;
  // An adopted lease keeps the T of its name; this node's own S and d may not fit into it.
  const {stopTimeoutMs, safetyMarginMs, heartbeatIntervalMs} = s.self.timing;
  if (s.lease.kind === 'owned' && s.lease.name.leaseTimeoutMs < stopTimeoutMs + safetyMarginMs + 3 * heartbeatIntervalMs)
    return 'the adopted lease is too short for the timings of this node: a new one is needed';
  return undefined;
}

/** A service that has been ready for a whole lease has paid off its earlier failures. */
function forgiveOldFailures(s: AgentState, now: MonoMs): AgentState {
  const proven = s.service.kind === 'ready' && now >= after(s.service.since, s.self.timing.leaseTimeoutMs);
  return proven && s.failures > 0 ? {...s, failures: 0} : s;
}

/**
 * The guardian checks again: this one only spares it the question. A store so slow that the next renewal could not be back before the
 * stop begins would have the service started and stopped in turn.
 */
function mayStart(s: AgentState, now: MonoMs): boolean {
  if (s.lease.kind !== 'owned' || s.link.kind !== 'connected' || s.trust.kind === 'wrong' || s.ending) return false;
  return after(now, s.renameTookMs) < stopAt(leaseEnd(s.lease), s.self.timing);
}

function start(s: AgentState, now: MonoMs, out: AgentEffect[]): AgentState {
  if (s.lease.kind !== 'owned') return s;
  const run = s.run + 1;
  const {epoch} = s.lease.name;
  out.push({type: 'startService', run, epoch});
  return {...s, run, service: {kind: 'starting', run, since: now}, because: `starting the service under epoch ${epoch}`};
}

/** An owner for whom nothing has been started, nor a start been under way, for T lets others try. */
function letGoIfIdle(s: AgentState, now: MonoMs, out: AgentEffect[]): AgentState {
  if (s.lease.kind !== 'owned' || s.lease.idleSince === undefined || s.wishes.paused) return s;
  if (now < after(s.lease.idleSince, s.lease.name.leaseTimeoutMs)) return s;
  return giveAway(standBack(s, now), 'nothing could be started for a whole lease', now, out);
}

/** Gives the lease away on request, and stands back while anybody else can be elected. */
export const demote = (s: AgentState, because: string, now: MonoMs, out: AgentEffect[]): AgentState =>
  s.lease.kind === 'owned' ? giveAway(standBack(s, now), because, now, out) : s;

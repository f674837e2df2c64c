// The services: how they start, get ready, crash, end, and refuse to.
import type {GuardianInput} from '../../lib/protocol/guardian-machine.ts';
import type {GuardianProc, Host, ServiceRun, World} from './world-types.ts';

export type TellGuardian = (guardian: GuardianProc, input: GuardianInput) => void;

/** From SIGKILL, or from the death of the guardian, to the end of the last process, ms. */
export const DYING_MS = 50;
/** How often the passive form is tried again, ms. */
const PASSIVE_RETRY_MS = 1_500;

export function startRun(w: World, guardian: GuardianProc, run: number, epoch: number, tell: TellGuardian): void {
  const {host} = guardian;
  const {service, rng} = host;
  const chance = (p: number): boolean => p === 1 || (w.faults && rng.chance(p));
  const created: ServiceRun = {
    run,
    epoch,
    host,
    guardian,
    alive: true,
    readyAt: chance(service.neverReady) ? Infinity : w.clock.now + rng.real(...service.startMs),
    failed: false,
    asked: false,
    unproven: false,
    confirmed: false,
    ignoresTerm: chance(service.ignoresTerm),
    endTimer: undefined,
  };
  host.runs = host.runs.filter((other) => other.alive || other.unproven);
  host.runs.push(created);
  w.checks.serviceStarted(created);
  w.log.add(w.clock.now, host.name, `SERVICE run ${run} of epoch ${epoch} started`);
  if (chance(service.cannotStart)) {
    w.clock.after(rng.real(5, 100), () => {
      fail(w, created, 'it could not be started', tell);
    });
    return;
  }
  w.clock.after(rng.real(1, 50), () => {
    tell(guardian, {type: 'runStarted', run});
  });
  if (chance(service.crash)) {
    w.clock.after(rng.real(10, 8_000), () => {
      if (w.faults) fail(w, created, 'exit status 1', tell);
    });
  }
}

/** It ended by itself; some of its processes may be left until they are stopped. */
function fail(w: World, run: ServiceRun, because: string, tell: TellGuardian): void {
  if (!run.alive || run.asked) return;
  run.failed = true;
  const whole = run.host.rng.chance(0.5);
  if (whole) end(w, run);
  w.log.add(w.clock.now, run.host.name, `SERVICE run ${run.run} failed: ${because}${whole ? '' : ' (a process is left)'}`);
  tell(run.guardian, {type: 'runEnded', run: run.run, because});
}

export function termRun(w: World, run: ServiceRun, tell: TellGuardian): void {
  run.asked = true;
  const {host} = run;
  if (run.alive && run.ignoresTerm) return;
  run.endTimer = w.clock.after(run.alive ? host.rng.real(...host.service.stopMs) : 1, () => {
    end(w, run);
    confirm(w, run, tell);
  });
}

export function killRun(w: World, run: ServiceRun, tell: TellGuardian, instantly: boolean): void {
  w.clock.cancel(run.endTimer);
  run.asked = true;
  const gone = (): void => {
    end(w, run);
    confirm(w, run, tell);
  };
  if (instantly) end(w, run);
  run.endTimer = w.clock.after(instantly ? 1 : run.host.rng.real(1, DYING_MS), gone);
}

/** Tells the guardian that nothing is left, or that this could not be proven yet. */
function confirm(w: World, run: ServiceRun, tell: TellGuardian): void {
  const {host, guardian} = run;
  if (run.confirmed) return;
  const fails = w.faults && host.rng.chance(host.service.passiveFails);
  const wasUnproven = run.unproven;
  run.unproven = fails;
  run.confirmed = !fails;
  if (!fails || !wasUnproven) {
    w.clock.after(host.rng.real(1, 30), () => {
      tell(guardian, {type: 'runGone', run: run.run, proven: !fails});
    });
  }
  if (fails && guardian.alive) {
    w.clock.after(PASSIVE_RETRY_MS, () => {
      if (guardian.alive) confirm(w, run, tell);
      else run.unproven = false;
    });
  }
}

/** (K) The death of a guardian takes its service along. */
export function endWithGuardian(w: World, guardian: GuardianProc): void {
  for (const run of guardian.host.runs) {
    if (run.guardian !== guardian) continue;
    w.clock.cancel(run.endTimer);
    run.unproven = false;
    if (run.alive)
      w.clock.after(guardian.host.rng.real(0, DYING_MS), () => {
        end(w, run);
      });
  }
}

export function end(w: World, run: ServiceRun): void {
  if (!run.alive) return;
  run.alive = false;
  w.checks.serviceEnded(run);
  w.log.add(w.clock.now, run.host.name, `SERVICE run ${run.run} of epoch ${run.epoch} ended`);
}

export const livingRuns = (host: Host): ServiceRun[] => host.runs.filter((run) => run.alive);

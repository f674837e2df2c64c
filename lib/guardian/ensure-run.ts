// A run of an `ensure` service (HAL's way): a command that makes it active, run again and again, and one that makes it passive.
import {after, monoMs} from '../protocol/words.ts';
import {bootNow} from './clock.ts';
import {runCommand, type CommandEnd, type RunningCommand} from './command.ts';
import type {Run, RunContext, RunEvents} from './run.ts';
import type {EnsureSpec} from './wire.ts';

/** How long a start waits at most for a passive command that is still running, ms; then it is killed. */
const PASSIVE_WAIT_MS = 5_000;
/** How long a running active command may take to obey SIGTERM when the service is to stop, ms, and as a part of stopTimeout. */
const OBEY_MS = 2_000;
const OBEY_PART = 0.25;
/** What an active command exits with that had to start the service. */
const HAD_TO_START = 2;

/** Starts one run of the active or the passive command. */
export function ensureCommand(
  context: RunContext,
  spec: EnsureSpec,
  role: 'active' | 'passive',
  epoch: number | undefined,
): RunningCommand {
  return runCommand(role === 'active' ? spec.active : spec.passive, {
    launcher: spec.launcher,
    cwd: context.setup.cwd,
    environment: context.environment(role, epoch),
    timeoutMs: spec.timeoutMs,
    drain: (stream, from) => context.output.drain(role, stream, from),
  });
}

/** @param passive a passive command of the standby that may still be running: the start waits for it. */
export function startEnsure(
  context: RunContext,
  spec: EnsureSpec,
  epoch: number,
  events: RunEvents,
  passive: RunningCommand | undefined,
): Run {
  const run = new EnsureRun(context, spec, epoch, events);
  run.begin(passive);
  return run;
}

class EnsureRun implements Run {
  private readonly context: RunContext;
  private readonly first: EnsureSpec;
  private readonly epoch: number;
  private readonly events: RunEvents;
  /** `unproven`: told gone without proof, still trying. */
  private phase: 'active' | 'passive' | 'unproven' | 'gone' = 'active';
  private current: RunningCommand | undefined;
  private pause: NodeJS.Timeout | undefined;
  private started = false;
  private failures = 0;
  /** How often it had to be started again, and when last; of no account any more once it was found running for long enough. */
  private restarts = 0;
  private restartedAt = monoMs(-Infinity);

  constructor(context: RunContext, spec: EnsureSpec, epoch: number, events: RunEvents) {
    this.context = context;
    this.first = spec;
    this.epoch = epoch;
    this.events = events;
  }

  /** As it is now: the configuration may change while it runs. */
  private get spec(): EnsureSpec {
    const {service} = this.context.setup;
    return service.kind === 'ensure' ? service : this.first;
  }

  begin(passive: RunningCommand | undefined): void {
    if (!passive) {
      this.runActive();
      return;
    }
    this.current = passive;
    const limit = setTimeout(() => passive.signal('SIGKILL'), PASSIVE_WAIT_MS);
    void passive.done.then(() => {
      clearTimeout(limit);
      this.current = undefined;
      if (this.phase === 'active') this.runActive();
      else this.runPassive();
    });
  }

  term(): void {
    if (this.phase !== 'active') return;
    this.phase = 'passive';
    this.failures = 0;
    clearTimeout(this.pause);
    if (!this.current) {
      this.runPassive();
      return;
    }
    // The passive command runs only after the last active one has ended; its end calls for it.
    const {current} = this;
    current.signal('SIGTERM');
    const stopMs = this.context.setup.config.timing.stopTimeoutMs;
    const limit = setTimeout(() => current.signal('SIGKILL'), Math.min(OBEY_MS, stopMs * OBEY_PART));
    void current.done.then(() => clearTimeout(limit));
  }

  kill(): void {
    if (this.phase === 'gone') return;
    this.current?.signal('SIGKILL');
    if (this.phase === 'unproven') return;
    this.giveUp();
    if (!this.current) this.again(() => this.runPassive(), this.spec.monitorIntervalMs);
  }

  private runActive(): void {
    // The guardian may have been frozen since the order, or since the last run of the command.
    if (!this.events.mayRun()) return;
    this.runOne('active', (end) => {
      if (this.phase !== 'active') this.runPassive();
      else if (end.ok) this.activeSucceeded(end);
      else this.activeFailed(end);
    });
  }

  private activeSucceeded({status}: CommandEnd): void {
    this.failures = 0;
    if (!this.started) this.events.started();
    else this.countRestart(status === HAD_TO_START);
    this.started = true;
    if (this.restarts < this.spec.attempts) this.again(() => this.runActive(), this.spec.monitorIntervalMs);
    else this.events.ended(`the active command had to start the service again ${this.restarts} times: it does not stay up`);
  }

  /** A service that is started again and again never fails, and never serves for long either. */
  private countRestart(restarted: boolean): void {
    if (restarted) {
      this.restarts += 1;
      this.restartedAt = bootNow();
    } else if (bootNow() >= after(this.restartedAt, this.spec.steadyMs)) {
      this.restarts = 0;
    }
  }

  private activeFailed(end: CommandEnd): void {
    this.failures += 1;
    if (this.failures < this.spec.attempts) this.again(() => this.runActive(), this.spec.backoffMs);
    else this.events.ended(`the active command failed ${this.failures} times in a row: ${end.because}`);
  }

  private runPassive(): void {
    if (this.phase === 'gone') return;
    this.runOne('passive', (end) => {
      if (end.ok) {
        this.phase = 'gone';
        this.events.gone(true);
        return;
      }
      this.failures += 1;
      if (this.phase === 'passive' && this.failures < this.spec.attempts) {
        this.again(() => this.runPassive(), this.spec.backoffMs);
        return;
      }
      this.giveUp();
      this.again(() => this.runPassive(), this.spec.monitorIntervalMs);
    });
  }

  private giveUp(): void {
    if (this.phase === 'unproven') return;
    this.phase = 'unproven';
    this.events.gone(false);
  }

  private runOne(role: 'active' | 'passive', then: (end: CommandEnd) => void): void {
    this.current = ensureCommand(this.context, this.spec, role, this.epoch);
    void this.current.done.then((end) => {
      this.current = undefined;
      then(end);
    });
  }

  private again(action: () => void, inMs: number): void {
    clearTimeout(this.pause);
    this.pause = setTimeout(action, inMs);
  }
}

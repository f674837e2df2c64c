// A run of a `systemd` service: the unit is started behind its gate, looked at, stopped, and proven gone.
import type {CommandEnd, RunningCommand} from './command.ts';
import {identityOf, isAlive, type ProcessIdentity} from './proc.ts';
import type {Run, RunContext, RunEvents} from './run.ts';
import {closeGate, dropInText, guardUnit, openGate, ownScope} from './unit-gate.ts';
import {restOf, UnitStop} from './unit-stop.ts';
import {ASK_MS, controlGroupsOf, isDown, lookAtUnit, stateText, systemctl, type Asked, type Looked} from './unit.ts';
import type {UnitSpec} from './wire.ts';

/** How long a start waits at most for a passive check that is still stopping the unit, ms. */
const PASSIVE_WAIT_MS = 5_000;
/** A net for a start: systemd has a limit of its own for it, and the agent has startTimeout, ms. */
const START_LIMIT_MS = 3_600_000;
/** Pause before the next look at a unit that is on its way from one state to another, ms. */
const SOON_MS = 500;
/** How often it is looked whether the unit's main process lives, ms: that costs nothing, asking systemd does. */
const MAIN_LOOK_MS = 500;

/** @param passive a passive check of the standby that may still be under way: the start waits for it. */
export function startUnit(
  context: RunContext,
  spec: UnitSpec,
  epoch: number,
  events: RunEvents,
  passive: RunningCommand | undefined,
): Run {
  const run = new UnitRun(context, spec, epoch, events);
  run.begin(passive);
  return run;
}

/** A standby's check: closes the gate and puts it in force, sees that nothing of the unit runs, and stops it if it does. */
export function passiveUnit(context: RunContext, spec: UnitSpec): RunningCommand {
  const check = new PassiveCheck(context, spec);
  return {done: check.done, signal: () => check.kill()};
}

class PassiveCheck {
  readonly done: Promise<CommandEnd>;
  private readonly context: RunContext;
  private readonly spec: UnitSpec;
  private stop: UnitStop | undefined;
  private limit: NodeJS.Timeout | undefined;
  private killed = false;
  private settle: (end: CommandEnd) => void = () => undefined;

  constructor(context: RunContext, spec: UnitSpec) {
    this.context = context;
    this.spec = spec;
    this.done = new Promise((resolve) => (this.settle = resolve));
    this.begin().catch((error: unknown) => this.end(false, String(error)));
  }

  kill(): void {
    this.killed = true;
    this.stop?.kill();
  }

  private async begin(): Promise<void> {
    const {context, spec} = this;
    // One who was killed may have left it open.
    closeGate(spec.environmentFile);
    const {gone, because, look} = restOf(spec.unit, await guard(context, spec));
    if (gone) return this.end(true, because);
    context.note(`it must not run here, and is stopped: ${because}`);
    this.stop = new UnitStop(context, spec, look && controlGroupsOf(look), (proven, why) => this.end(proven, why));
    this.stop.begin();
    this.limit = setTimeout(() => this.kill(), context.setup.config.timing.stopTimeoutMs);
    if (this.killed) this.stop.kill();
  }

  private end(ok: boolean, because: string): void {
    clearTimeout(this.limit);
    this.stop?.leave();
    this.settle({ok, because});
  }
}

const guard = (context: RunContext, spec: UnitSpec): Promise<Looked> =>
  guardUnit(spec, dropInText(spec.environmentFile, context.setup.config.timing.stopTimeoutMs, ownScope()));

class UnitRun implements Run {
  private readonly context: RunContext;
  private readonly spec: UnitSpec;
  private readonly epoch: number;
  private readonly events: RunEvents;
  private phase: 'starting' | 'active' | 'ended' | 'stopping' = 'starting';
  private asked: Asked | undefined;
  private stop: UnitStop | undefined;
  private groups: readonly string[] | undefined;
  /** The unit's main process; undefined for a unit without one. */
  private main: ProcessIdentity | undefined;
  private pause: NodeJS.Timeout | undefined;
  private mainLook: NodeJS.Timeout | undefined;
  /** Why systemd's last answer could not be had. */
  private silence = '';

  constructor(context: RunContext, spec: UnitSpec, epoch: number, events: RunEvents) {
    this.context = context;
    this.spec = spec;
    this.epoch = epoch;
    this.events = events;
  }

  begin(passive: RunningCommand | undefined): void {
    const start = (): void => this.carryOut(this.start());
    if (!passive) return start();
    const limit = setTimeout(() => passive.signal('SIGKILL'), PASSIVE_WAIT_MS);
    void passive.done.then(() => {
      clearTimeout(limit);
      start();
    });
  }

  term(): void {
    if (this.phase === 'stopping') return;
    this.leavePhase('stopping');
    this.asked?.kill();
    this.stop = new UnitStop(this.context, this.spec, this.groups, (proven, because) => {
      if (!proven) this.context.note(`not proven stopped: ${because}`);
      this.events.gone(proven);
    });
    this.stop.begin();
  }

  kill(): void {
    this.term();
    this.stop?.kill();
  }

  private async start(): Promise<void> {
    const {unit, environmentFile} = this.spec;
    // The guardian may have been frozen since the order.
    if (!this.mayStart()) return;
    const guarded = await guard(this.context, this.spec);
    if (!this.isStarting()) return;
    if (!guarded.ok) return this.end(guarded.because);
    this.groups = controlGroupsOf(guarded.look);
    // Else systemd refuses a unit that has failed, or been started, too often of late.
    await systemctl(['reset-failed', '--', unit], ASK_MS).answer;
    if (!this.mayStart()) return;
    const down = isDown(guarded.look);
    // One that runs has another epoch, or none.
    if (!down) this.context.note(`the unit ${unit} is ${stateText(guarded.look)} already, and is started anew`);
    openGate(environmentFile, this.context.environment('active', this.epoch));
    this.asked = systemctl([down ? 'start' : 'restart', '--', unit], START_LIMIT_MS, this.spec.launcher);
    const {end, because} = await this.asked.answer;
    this.asked = undefined;
    if (!this.isStarting()) return;
    if (end.status === 0) await this.look();
    else this.end(`the unit ${unit} could not be started: ${because}`);
  }

  private isStarting(): boolean {
    return this.phase === 'starting';
  }

  private mayStart(): boolean {
    return this.isStarting() && this.events.mayRun();
  }

  private async look(): Promise<void> {
    clearTimeout(this.pause);
    clearInterval(this.mainLook);
    const looked = await lookAtUnit(this.spec.unit);
    if (this.phase !== 'starting' && this.phase !== 'active') return;
    if (!looked.ok) return this.bearSilence(looked.because);
    this.silence = '';
    const {look} = looked;
    this.groups = controlGroupsOf(look);
    if (isDown(look)) return this.end(`the unit ${this.spec.unit} is ${stateText(look)}`);
    // What systemd restarts by itself (Restart=) is on its way; it gives up after StartLimitBurst.
    if (look.activeState !== 'active' || look.hasJob) return this.lookAgain(SOON_MS);
    this.main = look.mainPid === 0 ? undefined : identityOf(look.mainPid);
    if (this.phase === 'starting') {
      this.phase = 'active';
      this.events.started();
    }
    this.lookAgain(look.mainPid !== 0 && !this.main ? SOON_MS : this.spec.monitorIntervalMs);
  }

  private lookAgain(inMs: number): void {
    if (this.phase !== 'starting' && this.phase !== 'active') return;
    clearTimeout(this.pause);
    clearInterval(this.mainLook);
    this.pause = setTimeout(() => this.carryOut(this.look()), inMs);
    const {main} = this;
    if (!main) return;
    this.mainLook = setInterval(() => {
      if (!isAlive(main)) this.carryOut(this.look());
    }, MAIN_LOOK_MS);
  }

  /** That systemd does not answer is no failure of the unit: health checks see those, and the deadline stays in force. */
  private bearSilence(because: string): void {
    if (because !== this.silence) this.context.note(because);
    this.silence = because;
    this.lookAgain(this.spec.monitorIntervalMs);
  }

  private end(because: string): void {
    if (this.phase !== 'starting' && this.phase !== 'active') return;
    this.leavePhase('ended');
    this.events.ended(because);
  }

  private leavePhase(next: 'ended' | 'stopping'): void {
    this.phase = next;
    clearTimeout(this.pause);
    clearInterval(this.mainLook);
  }

  private carryOut(work: Promise<void>): void {
    work.catch((error: unknown) => this.end(`the unit ${this.spec.unit} could not be guarded: ${String(error)}`));
  }
}

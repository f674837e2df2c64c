// Everything around the guardian's machine: carries out its effects, and tells it what happens.
import type {Socket} from 'node:net';
import type {Adopted} from '../protocol/agent-state.ts';
import {
  isIdle,
  mayRun,
  newGuardian,
  nextInstants,
  quietUntil,
  stepGuardian,
  type GuardianEffect,
  type GuardianInput,
  type GuardianState,
} from '../protocol/guardian-machine.ts';
import {killAt} from '../protocol/timing.ts';
import {after, type Epoch} from '../protocol/words.ts';
import {runAround} from './around-run.ts';
import {bootNow} from './clock.ts';
import {startEnsure} from './ensure-run.ts';
import {startExec} from './exec-run.ts';
import {OutputForwarder} from './output.ts';
import {PassiveForm} from './passive-form.ts';
import {isAlive, signal, type ProcessIdentity} from './proc.ts';
import {runReleaseHelper} from './release-helper.ts';
import {environmentOf, startNothing, type Run, type RunEvents} from './run.ts';
import {startAfter, type StandbyHost} from './standby-process.ts';
import {startUnit} from './unit-run.ts';
import {traceOf} from './values.ts';
import {encode, type AgentMessage, type GuardianMessage, type GuardianSetup, type Hello} from './wire.ts';

/** The clock is looked at at least this often, ms: a long timer sleeps through a suspend. */
const TICK_MS = 250;
/** How often it is looked whether a killed agent is gone, ms. */
const AGENT_LOOK_MS = 10;

export class GuardianShell implements StandbyHost {
  setup: GuardianSetup;
  readonly output = new OutputForwarder();
  readonly note: (text: string) => void;
  private readonly exit: (because: string) => void;
  private readonly step: typeof stepGuardian;
  private state: GuardianState;
  private readonly queue: GuardianInput[] = [];
  private busy = false;
  private timer: NodeJS.Timeout | undefined;
  /** Runs while there is anything to stop, to wait for or to release. */
  private ticking: NodeJS.Timeout | undefined;
  private turnedAt = bootNow();
  private values: Readonly<Record<string, string>> = {};
  /** The agent that is obeyed; while a new one introduces itself, that one. */
  private agent: {readonly socket: Socket; readonly identity: ProcessIdentity} | undefined;
  private knocking: {readonly socket: Socket; readonly hello: Hello} | undefined;
  private run: {readonly number: number; readonly handle: Run} | undefined;
  private holder: ProcessIdentity | undefined;
  /** The machine has failed: it is not asked any more, and everything ends. */
  private broken = false;
  private readonly passive: PassiveForm;
  /** It ends as soon as its standby process has. */
  private leaving = false;

  /**
   * @param note tells whoever reads the guardian's log; must not throw.
   * @param exit ends the process.
   * @param step the machine.
   */
  constructor(setup: GuardianSetup, note: (text: string) => void, exit: (because: string) => void, step = stepGuardian) {
    this.setup = setup;
    this.note = note;
    this.exit = exit;
    this.step = step;
    this.state = newGuardian(setup.config);
    this.passive = new PassiveForm(this);
    this.setTimers();
  }

  environment(role: 'active' | 'passive', epoch: number | undefined): NodeJS.ProcessEnv {
    return environmentOf(this.setup, this.values, role, epoch);
  }

  /** An agent with the right token. @returns whether it is obeyed from now on. */
  introduce(socket: Socket, hello: Hello): boolean {
    this.feed({type: 'tick'});
    if (this.leaving) {
      socket.end(encode({type: 'rejected', because: 'the standby process is being stopped'}));
      return false;
    }
    this.knocking = {socket, hello};
    this.feed({type: 'connected', instanceId: hello.instanceId});
    this.knocking = undefined;
    return this.agent?.socket === socket;
  }

  /** A message of the agent that is obeyed. */
  hear(socket: Socket, message: AgentMessage): void {
    if (this.agent?.socket !== socket) return;
    if (message.type === 'order') this.feed({type: 'order', order: message.order});
    else if (message.type === 'environment') this.values = {...this.values, ...message.values};
    else if (message.type === 'passive') void this.checkPassive(message);
    else if (message.type === 'ensure' && this.setup.service.kind === 'ensure')
      this.setup = {...this.setup, service: message.service};
  }

  closed(socket: Socket): void {
    if (this.agent?.socket !== socket) return;
    this.output.attach(undefined);
    this.feed({type: 'linkClosed'});
  }

  /** The guardian itself was told to end: the service stops; a later start is up to the agent and its lease. */
  stopService(because: string): void {
    if (this.run) this.feed({type: 'runEnded', run: this.run.number, because});
  }

  /** For a guardian that is about to die of an error. */
  killService(): void {
    this.run?.handle.kill();
    this.passive.standby?.kill();
  }

  readonly mayStandBy = (): boolean => this.state.run.kind === 'none' && !this.state.ended && !this.leaving && !this.broken;

  holding(holder: ProcessIdentity, run?: number): void {
    this.holder = holder;
    this.send({type: 'holding', run, holder});
  }

  /** Whatever went wrong outside of a step: it is told, and what is guarded stays guarded. */
  fault(error: unknown): void {
    this.note(`a fault, the guardian goes on: ${traceOf(error)}`);
    this.feed({type: 'tick'});
  }

  /** Inputs that an effect causes wait until the effects before them are carried out. Never throws. */
  private feed(input: GuardianInput): void {
    this.queue.push(input);
    if (this.busy) return;
    this.busy = true;
    for (let next = this.queue.shift(); next; next = this.queue.shift()) this.turn(next);
    this.busy = false;
    this.setTimers();
  }

  /** A fault in one effect must not keep the others from being carried out, least of all SIGKILL. */
  private turn(input: GuardianInput): void {
    if (this.broken) return this.leaveBroken(input);
    const before = this.state;
    let effects: readonly GuardianEffect[];
    try {
      // One reading of the clock a turn: it costs a read of /proc.
      this.turnedAt = bootNow();
      ({state: this.state, effects} = this.step(before, input, this.turnedAt));
    } catch (error) {
      return this.breakDown(error);
    }
    for (const effect of effects) {
      try {
        this.perform(effect, before);
      } catch (error) {
        this.note(`a fault in ${effect.type}, the guardian goes on: ${traceOf(error)}`);
      }
    }
  }

  /** Without a machine nobody knows the deadline of tomorrow: the service is stopped, in time for the one known last. */
  private breakDown(error: unknown): void {
    this.broken = true;
    this.note(`the guardian's machine has failed, everything is stopped: ${traceOf(error)}`);
    const {deadline, run, config} = this.state;
    if (run.kind === 'none' || !this.run) return this.leave('its machine has failed');
    const {handle} = this.run;
    const leftMs = deadline ? killAt(deadline.at, config.timing) - bootNow() : 0;
    setTimeout(() => handle.kill(), Math.max(0, Math.min(config.timing.stopTimeoutMs, leftMs)));
    try {
      handle.term();
    } catch (failure) {
      this.note(`the service could not be asked to end, it will be killed: ${traceOf(failure)}`);
    }
  }

  private leaveBroken(input: GuardianInput): void {
    if (input.type === 'runGone')
      this.leave(`its machine has failed; the service is ${input.proven ? 'gone' : 'not proven stopped'}`);
  }

  private perform(effect: GuardianEffect, before: GuardianState): void {
    switch (effect.type) {
      case 'report':
        return this.send({type: 'report', report: effect.report});
      case 'accept':
        return this.accept(effect.adopted ? adoptedFrom(before) : undefined);
      case 'reject':
        this.knocking?.socket.end(encode({type: 'rejected', because: effect.because}));
        return;
      case 'startRun':
        return this.startRun(effect.run, effect.epoch);
      case 'termRun':
        this.note('stopping the service');
        return this.runOf(effect.run)?.term();
      case 'killRun':
        this.note('killing the service');
        return this.runOf(effect.run)?.kill();
      case 'killAgent':
        this.note('the channel of the agent closed');
        return this.killAgent();
      case 'release':
        this.release(effect);
        // What stands by need not wait for the store.
        return this.passive.end(() => undefined);
      case 'exit':
        return this.leave(effect.because);
      default:
        return effect satisfies never;
    }
  }

  private accept(adopted: Adopted | undefined): void {
    if (!this.knocking) return;
    const {socket, hello} = this.knocking;
    this.agent = {socket, identity: hello.agent};
    this.send({type: 'welcome', adopted, setup: this.setup, holder: this.holder});
    this.output.attach(socket);
  }

  private send(message: GuardianMessage): void {
    if (this.agent?.socket.writable === true) this.agent.socket.write(encode(message));
  }

  private runOf(run: number): Run | undefined {
    return this.run?.number === run ? this.run.handle : undefined;
  }

  private startRun(run: number, epoch: Epoch): void {
    const early: (() => void)[] = [];
    let known = false;
    // What a run tells while it is being made waits until it is known here.
    const tell = (say: () => void): void => (known ? say() : void early.push(say));
    const events: RunEvents = {
      started: () => tell(() => this.feed({type: 'runStarted', run})),
      holding: (holder) => this.holding(holder, run),
      ended: (because) => tell(() => this.feed({type: 'runEnded', run, because})),
      gone: (proven) => tell(() => this.feed({type: 'runGone', run, proven})),
      // First the machine looks at the clock: past its deadline the run is being stopped, and that is told as what it is.
      mayRun: () => {
        this.feed({type: 'tick'});
        return !this.broken && mayRun(this.state, run, bootNow());
      },
    };
    try {
      const {around, config} = this.setup;
      const note = (text: string, isTrouble = false): void => {
        this.note(text);
        this.output.say(text, isTrouble);
      };
      const refused = (because: string): void => this.send({type: 'report', report: {type: 'refused', run, because}});
      const context = {...config.timing, note, leaseEnd: () => this.state.deadline?.at, refused};
      const begin = (all: RunEvents): Run => runAround(around, context, all, (inner) => this.makeRun(epoch, inner));
      this.run = {number: run, handle: startAfter(this.passive.standby, events, begin)};
    } catch (error) {
      // spawn throws what it does not emit, and then nothing was started.
      if (!(error instanceof Error)) throw error;
      this.run = undefined;
      this.feed({type: 'runEnded', run, because: `could not be started: ${error.message}`});
      this.feed({type: 'runGone', run, proven: true});
    }
    known = true;
    for (const say of early) say();
  }

  private makeRun(epoch: Epoch, events: RunEvents): Run {
    const {service} = this.setup;
    switch (service.kind) {
      case 'none':
        return startNothing(events);
      case 'exec':
        return startExec(this, service, 'active', epoch, events);
      case 'ensure':
        return startEnsure(this, service, epoch, events, this.passive.command);
      case 'systemd':
        return startUnit(this, service, epoch, events, this.passive.command);
      default:
        return service satisfies never;
    }
  }

  private async checkPassive({id, epoch, backoffMs = 0}: AgentMessage & {type: 'passive'}): Promise<void> {
    const isPassive = this.state.run.kind === 'none';
    const check = isPassive ? this.passive.check(epoch, backoffMs) : {ok: false, because: 'a run of the service is not over'};
    this.send({type: 'passive', id, ...(await check)});
  }

  /** (K) It may only be frozen: it is killed, and nothing else is done before it is seen gone. */
  private killAgent(): void {
    const identity = this.agent?.identity;
    this.agent = undefined;
    if (!identity) return;
    const look = (): void => {
      // First the next look: a fault in this one must not be the end of them.
      const next = setTimeout(look, AGENT_LOOK_MS);
      if (isAlive(identity)) return void signal(identity, 'SIGKILL');
      clearTimeout(next);
      this.note('the agent is dead');
      this.feed({type: 'agentGone'});
    };
    look();
  }

  private release(what: GuardianEffect & {type: 'release'}): void {
    const {lockDirectory} = this.setup;
    if (lockDirectory === undefined) return this.feed({type: 'releaseEnded'});
    this.note('releasing the lock');
    runReleaseHelper(lockDirectory, what, (because) => {
      if (because !== undefined) this.note(because);
      this.feed({type: 'releaseEnded'});
    });
  }

  /** Nothing active runs any more; what stands by ends with the guardian. */
  private leave(because: string): void {
    this.leaving = true;
    this.passive.end(() => this.exit(because));
  }

  /** As a rule looking at the clock is all there is to do, four times a second for weeks. */
  private tick(): void {
    if (!this.broken && after(bootNow(), TICK_MS) < quietUntil(this.state)) return;
    this.feed({type: 'tick'});
  }

  private setTimers(): void {
    clearTimeout(this.timer);
    if (!this.broken && isIdle(this.state)) {
      clearInterval(this.ticking);
      this.ticking = undefined;
      return;
    }
    this.ticking ??= setInterval(() => this.tick(), TICK_MS);
    // Every turn has looked at the clock: the next look is due a whole tick later.
    this.ticking.refresh();
    const next = nextInstants(this.state).filter((at) => at > this.turnedAt);
    const inMs = Math.min(...next) - this.turnedAt;
    if (inMs < TICK_MS) this.timer = setTimeout(() => this.feed({type: 'tick'}), Math.ceil(inMs));
  }
}

function adoptedFrom(s: GuardianState): Adopted | undefined {
  const from = s.instances.at(-1);
  if (from === undefined || !s.deadline) return undefined;
  const run = s.run.kind === 'running' ? s.run.run : undefined;
  return {from, epoch: s.deadline.epoch, attempt: s.deadline.attempt, deadline: s.deadline.at, run};
}

// The standby form of an `exec` service: a process that runs while nothing active does, held as the service itself is.
import {after, monoMs, type MonoMs} from '../protocol/words.ts';
import {bootNow} from './clock.ts';
import type {CommandEnd} from './command.ts';
import {startExec} from './exec-run.ts';
import type {ProcessIdentity} from './proc.ts';
import type {Run, RunContext, RunEvents} from './run.ts';
import {reasonOf} from './values.ts';
import type {ExecSpec} from './wire.ts';

/** How long a process that was killed may take until it is gone, ms; then nobody waits for it any more who does not have to. */
const KILLED_LIMIT_MS = 5_000;
const RUNS: CommandEnd = {ok: true, because: 'the standby process runs'};

export interface StandbyHost extends RunContext {
  /** Whether it may be started, looked at now. */
  mayStandBy(): boolean;
  holding(holder: ProcessIdentity): void;
}

type Phase = 'none' | 'starting' | 'running' | 'ending';

export class StandbyProcess {
  private readonly host: StandbyHost;
  private readonly service: ExecSpec;
  private readonly command: readonly string[];
  private run: Run | undefined;
  private phase: Phase = 'none';
  /** It has been found running once. */
  private seen = false;
  /** Why it ended by itself, until that has been told. */
  private ended: string | undefined;
  private endedAt: MonoMs = monoMs(-Infinity);
  private backoffMs = 0;
  /** It has been asked to end, and is killed then. */
  private limit: NodeJS.Timeout | undefined;
  private waiting: (() => void)[] = [];

  constructor(host: StandbyHost, service: ExecSpec, command: readonly string[]) {
    this.host = host;
    this.service = service;
    this.command = command;
  }

  get isThere(): boolean {
    return this.phase !== 'none';
  }

  /**
   * Starts it if it does not run.
   * @param backoffMs pause after it has ended by itself, from now on.
   * @returns whether it runs, and did so already when it was last looked at.
   */
  async look(epoch: number | undefined, backoffMs: number): Promise<CommandEnd> {
    this.backoffMs = backoffMs;
    if (this.phase === 'none' && bootNow() >= after(this.endedAt, this.backoffMs)) this.start(epoch);
    while (this.phase === 'starting') await this.change();
    if (this.phase !== 'running') return {ok: false, because: this.ended ?? 'the standby process does not run'};
    if (this.seen) return RUNS;
    this.seen = true;
    const {ended} = this;
    this.ended = undefined;
    return {
      ok: false,
      because: ended === undefined ? 'the standby process has just been started' : `${ended}; it has been started again`,
    };
  }

  /** Asks it to end, and kills it after stopTimeout. @param then told whether nothing of it is left; at once where nothing runs. */
  end(then: (gone: boolean) => void): void {
    this.ended = undefined;
    if (this.phase === 'none') return then(true);
    const {run} = this;
    const stopMs = this.host.setup.config.timing.stopTimeoutMs;
    let told = false;
    const tell = (gone: boolean): void => {
      clearTimeout(overdue);
      if (!told) then(gone);
      told = true;
    };
    // All that waits for its end comes before the word to it, which may fail.
    const overdue = setTimeout(() => tell(false), stopMs + KILLED_LIMIT_MS);
    void this.untilNone().then(() => tell(true));
    if (this.limit !== undefined) return;
    this.limit = setTimeout(() => run?.kill(), stopMs);
    this.become('ending');
    run?.term();
  }

  kill(): void {
    this.run?.kill();
  }

  private start(epoch: number | undefined): void {
    const {host, service, command} = this;
    if (!host.mayStandBy()) return;
    this.seen = false;
    this.become('starting');
    const events: RunEvents = {
      started: () => {
        if (this.phase === 'starting') this.become('running');
      },
      holding: (holder) => host.holding(holder),
      ended: (because) => this.endedByItself(because),
      gone: () => this.become('none'),
      mayRun: () => this.phase === 'starting' && host.mayStandBy(),
    };
    try {
      this.run = startExec(host, {command, containment: service.containment}, 'passive', epoch, events);
    } catch (error) {
      // spawn throws what it does not emit, and then nothing was started.
      this.endedByItself(`the standby process could not be started: ${reasonOf(error)}`);
      this.become('none');
    }
  }

  /** What it may have left behind is ended too, before it is started again. */
  private endedByItself(because: string): void {
    if (this.phase === 'ending') return;
    this.ended = because;
    this.endedAt = bootNow();
    this.become('ending');
    this.run?.kill();
  }

  private become(phase: Phase): void {
    this.phase = phase;
    if (phase === 'none') {
      clearTimeout(this.limit);
      this.limit = undefined;
      this.run = undefined;
    }
    const waiting = this.waiting;
    this.waiting = [];
    for (const wake of waiting) wake();
  }

  private change(): Promise<void> {
    return new Promise((resolve) => void this.waiting.push(resolve));
  }

  private async untilNone(): Promise<void> {
    while (this.phase !== 'none') await this.change();
  }
}

/**
 * A run that begins when the standby process is gone: the two are never there at once. What is to be started is started only then, and
 * only if it still may be.
 */
export function startAfter(standby: StandbyProcess | undefined, events: RunEvents, start: (events: RunEvents) => Run): Run {
  if (!standby?.isThere) return start(events);
  let inner: Run | undefined;
  let asked = false;
  const leave = (): void => {
    if (!asked) events.gone(true);
    asked = true;
  };
  standby.end((gone) => {
    if (asked) return;
    try {
      if (!gone) events.ended('could not be started: the standby process does not end');
      else if (events.mayRun()) inner = start(events);
    } catch (error) {
      events.ended(`could not be started: ${reasonOf(error)}`);
    }
  });
  return {
    // Nothing active has been started: it is gone as soon as it is asked.
    term: () => (inner ? inner.term() : leave()),
    kill: () => (inner ? inner.kill() : leave()),
  };
}

// What surrounds a run of the service, whatever kind it is: the watchdog, then the floating addresses, then the service; back in that order.
import type {Around} from './around.ts';
import {FloatingAddresses} from './floating-addresses.ts';
import type {Run, RunEvents} from './run.ts';
import {reasonOf} from './values.ts';
import {Watchdog, type WatchdogContext} from './watchdog.ts';

/** What is known of the run from outside. */
export interface AroundContext extends WatchdogContext {
  readonly stopTimeoutMs: number;
  /** Nothing was started, and nothing has failed: what is told of this run after this is of no account. */
  refused(because: string): void;
}

/**
 * The watchdog is armed before anything else, and the addresses are up before the service is started, which may bind to them. They come
 * down when the service is gone, or at once when it is killed, and nobody is told `gone` with proof before that.
 * @param start starts the service itself.
 */
export function runAround(
  around: Around | undefined,
  context: AroundContext,
  events: RunEvents,
  start: (events: RunEvents) => Run,
): Run {
  if (!around) return start(events);
  const run = new AroundRun(around, context, events, start);
  run.begin();
  return run;
}

class AroundRun implements Run {
  private readonly events: RunEvents;
  private readonly start: (events: RunEvents) => Run;
  private readonly watchdog: Watchdog | undefined;
  private readonly addresses: FloatingAddresses | undefined;
  private readonly context: AroundContext;
  private raising: Promise<void> = Promise.resolve();
  private inner: Run | undefined;
  /** It is to end: what is not started yet stays so. */
  private asked = false;
  private hasEnded = false;
  private leaving = false;
  private toldUnproven = false;

  constructor({addresses, watchdog}: Around, context: AroundContext, events: RunEvents, start: (events: RunEvents) => Run) {
    this.events = events;
    this.start = start;
    this.context = context;
    this.watchdog = watchdog && new Watchdog(watchdog, context);
    const lost = (because: string): void => this.ended(because);
    const note = (text: string, isTrouble?: boolean): void => context.note(text, isTrouble);
    this.addresses = addresses.length === 0 ? undefined : new FloatingAddresses(addresses, {note, lost});
  }

  begin(): void {
    this.raising = this.raise();
  }

  term(): void {
    this.asked = true;
    if (this.inner) this.inner.term();
    else void this.leave();
  }

  kill(): void {
    this.asked = true;
    // A service that does not die must at least not be found any more.
    void this.addresses?.lower();
    if (this.inner) this.inner.kill();
    else void this.leave();
  }

  /** Never rejects. */
  private async raise(): Promise<void> {
    try {
      const because = (await this.guard()) ?? (await this.settle());
      if (because !== undefined) return this.ended(`could not be started: ${because}`);
      // It is the guardian that has to have been in time all along.
      if (this.asked || !this.events.mayRun()) return;
      this.inner = this.start({
        started: () => this.events.started(),
        holding: (holder) => this.events.holding(holder),
        ended: (why) => this.ended(why),
        gone: (proven) => this.gone(proven),
        mayRun: () => this.events.mayRun(),
      });
    } catch (error) {
      // spawn throws what it does not emit, and then nothing was started.
      this.ended(`could not be started: ${reasonOf(error)}`);
    }
  }

  /** @returns why nothing may be started. */
  private async guard(): Promise<string | undefined> {
    const refusal = await this.watchdog?.arm();
    if (!refusal) return undefined;
    const {because, isPassing} = refusal;
    if (this.watchdog?.required !== true) {
      this.context.note(`the service runs without a watchdog: ${because}`, true);
      return undefined;
    }
    if (isPassing && !this.asked) this.context.refused(because);
    return because;
  }

  private async settle(): Promise<string | undefined> {
    return this.asked ? undefined : this.addresses?.raise();
  }

  private ended(because: string): void {
    if (this.asked || this.hasEnded) return;
    this.hasEnded = true;
    this.events.ended(because);
  }

  private gone(proven: boolean): void {
    if (proven) return void this.leave();
    void this.addresses?.lower();
    this.unproven();
  }

  private unproven(): void {
    if (this.toldUnproven) return;
    this.toldUnproven = true;
    this.events.gone(false);
  }

  /** Nothing of the service is left. */
  private async leave(): Promise<void> {
    if (this.leaving) return;
    this.leaving = true;
    // An address that stays must not keep the lease for ever: without proof it ends by its silence.
    const overdue = setTimeout(() => this.unproven(), this.context.stopTimeoutMs);
    await this.raising;
    await this.addresses?.lower();
    clearTimeout(overdue);
    await this.watchdog?.disarm();
    this.events.gone(true);
  }
}

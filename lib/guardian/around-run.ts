// What surrounds a run of the service, whatever kind it is: the watchdog, then the floating addresses, then the service; back in that order.
import type {Around} from './around.ts';
import {FloatingAddresses} from './floating-addresses.ts';
import type {Run, RunEvents} from './run.ts';
import {Watchdog, type WatchdogContext} from './watchdog.ts';

/**
 * The watchdog is armed before anything else, and the addresses are up before the service is started, which may bind to them. They come
 * down when the service is gone, or at once when it is killed, and nobody is told `gone` with proof before that.
 * @param start starts the service itself.
 */
export function runAround(
  around: Around | undefined,
  context: WatchdogContext,
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
  private readonly note: WatchdogContext['note'];
  private raising: Promise<void> = Promise.resolve();
  private inner: Run | undefined;
  /** It is to end: what is not started yet stays so. */
  private asked = false;
  private hasEnded = false;
  private leaving = false;

  constructor({addresses, watchdog}: Around, context: WatchdogContext, events: RunEvents, start: (events: RunEvents) => Run) {
    this.events = events;
    this.start = start;
    this.note = (text, isTrouble) => context.note(text, isTrouble);
    this.watchdog = watchdog && new Watchdog(watchdog, context);
    const lost = (because: string): void => this.ended(because);
    this.addresses = addresses.length === 0 ? undefined : new FloatingAddresses(addresses, {note: this.note, lost});
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
    const because = (await this.guard()) ?? (await this.settle());
    if (because !== undefined) return this.ended(`could not be started: ${because}`);
    // It is the guardian that has to have been in time all along.
    if (this.asked || !this.events.mayRun()) return;
    try {
      this.inner = this.start({
        started: () => this.events.started(),
        holding: (holder) => this.events.holding(holder),
        ended: (why) => this.ended(why),
        gone: (proven) => this.gone(proven),
        mayRun: () => this.events.mayRun(),
      });
    } catch (error) {
      // spawn throws what it does not emit, and then nothing was started.
      this.ended(`could not be started: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** @returns why nothing may be started. */
  private async guard(): Promise<string | undefined> {
    const because = await this.watchdog?.arm();
    if (because === undefined || this.watchdog?.required === true) return because;
    this.note(`the service runs without a watchdog: ${because}`, true);
    return undefined;
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
    this.events.gone(false);
  }

  /** Nothing of the service is left. */
  private async leave(): Promise<void> {
    if (this.leaving) return;
    this.leaving = true;
    await this.raising;
    await this.addresses?.lower();
    await this.watchdog?.disarm();
    this.events.gone(true);
  }
}

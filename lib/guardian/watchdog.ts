// The watchdog around one run: armed before anything of it is started, fed while the lease allows, disarmed when nothing of it is left.
import {writeSync} from 'node:fs';
import {constants, open, type FileHandle} from 'node:fs/promises';
import {after, type MonoMs} from '../protocol/words.ts';
import {bootNow} from './clock.ts';
import {reasonOf} from './values.ts';
import {lookAtWatchdog, type WatchdogLook, type WatchdogSpec} from './watchdog-device.ts';

/** What each call to the device may take, ms: the guardian itself never waits for it. */
const CALL_LIMIT_MS = 2_000;
const FEED_MAX_MS = 1_000;
const FEED_MIN_MS = 20;

/** What the watchdog needs to know of the run. */
export interface WatchdogContext {
  /** The end t0 + T of the last lease, the one that is being given away too; undefined before the first one. */
  leaseEnd(): MonoMs | undefined;
  readonly safetyMarginMs: number;
  /** For the logs of guardian and agent. */
  note(text: string, isTrouble?: boolean): void;
}

/** Why it is not armed. */
export interface Refusal {
  readonly because: string;
  /** The next lease may be another matter. */
  readonly isPassing: boolean;
}

/**
 * It fires W after its last feed. Fed at `now` only if now + W + d/2 <= t0 + T, it has fired before anybody else may claim, whatever
 * stops the feeding: a guardian that does not get to run, a host that hangs, a service that does not die. While the store is silent
 * feeding ends early: the last feed is at t0 + T - W - d/2, or up to d/8 before that, which is the time between two of them (20 ms if that
 * is more). So the timer runs out no earlier than t0 + T - 5/8 d. The service has been killed at t0 + T - d by then, which leaves it 3/8 d to
 * die, and the watchdog of one that is gone is disarmed.
 */
export class Watchdog {
  readonly required: boolean;
  private readonly spec: WatchdogSpec;
  private readonly context: WatchdogContext;
  private timeoutMs = 0;
  private handle: FileHandle | undefined;
  private feeding: NodeJS.Timeout | undefined;
  private complaint: string | undefined;

  constructor(spec: WatchdogSpec, context: WatchdogContext) {
    this.required = spec.mode === 'required';
    this.spec = spec;
    this.context = context;
  }

  /** Never rejects. @returns undefined: it is armed. */
  async arm(): Promise<Refusal | undefined> {
    const {device} = this.spec;
    const look = await inTime(lookAtWatchdog(this.spec)).catch(notLookedAt(device));
    if (!look.usable) return {because: `the watchdog ${look.because}: ${look.remedy}`, isPassing: false};
    this.timeoutMs = look.timeoutMs;
    if (!this.mayFeed()) return this.tooLate();
    // A pipe without a reader, or a full one, answers instead of waiting.
    const opening = open(device, constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      const handle = await inTime(opening);
      // To open it has taken its time, and may have used up what was left of the lease.
      if (!this.mayFeed()) {
        await inTime(disarm(handle));
        return this.tooLate();
      }
      writeSync(handle.fd, '1');
      this.handle = handle;
    } catch (error) {
      void opening.then(disarm).catch(() => undefined);
      return {because: `the watchdog ${device} cannot be armed: ${reasonOf(error)}`, isPassing: false};
    }
    const {safetyMarginMs} = this.context;
    const everyMs = Math.max(FEED_MIN_MS, Math.min(FEED_MAX_MS, safetyMarginMs / 8, this.timeoutMs / 4));
    this.feeding = setInterval(() => this.feed(), everyMs);
    this.context.note(`the watchdog ${device} is armed`);
    return undefined;
  }

  private tooLate(): Refusal {
    const because = `too little is left of the lease for the watchdog ${this.spec.device}, which would fire only after ${this.timeoutMs} ms`;
    return {because, isPassing: true};
  }

  /** The run is proven gone. Never rejects, and never waits long. */
  async disarm(): Promise<void> {
    const {handle} = this;
    this.handle = undefined;
    clearInterval(this.feeding);
    if (!handle) return;
    try {
      await inTime(disarm(handle));
      this.context.note(`the watchdog ${this.spec.device} is disarmed`);
    } catch (error) {
      this.context.note(`the watchdog ${this.spec.device} may not be disarmed and reset this host: ${reasonOf(error)}`, true);
    }
  }

  private mayFeed(): boolean {
    const end = this.context.leaseEnd();
    return end !== undefined && after(bootNow(), this.timeoutMs + this.context.safetyMarginMs / 2) <= end;
  }

  /**
   * Directly after a look at the clock, by the loop itself: a write that is handed to a thread could wait there behind others, and feed when
   * the lease is over. The device does not make it wait; should it hang all the same, the guardian hangs with it, and is not fed.
   */
  private feed(): void {
    if (!this.handle) return;
    if (!this.mayFeed()) return this.complain('is not fed: the lease is not renewed, and the service is not gone');
    try {
      writeSync(this.handle.fd, '1');
    } catch (error) {
      return this.complain(`cannot be fed: ${reasonOf(error)}`);
    }
    this.complain(undefined);
  }

  private complain(complaint: string | undefined): void {
    if (complaint === this.complaint) return;
    this.complaint = complaint;
    this.context.note(`the watchdog ${this.spec.device} ${complaint ?? 'is fed again'}`, complaint !== undefined);
  }
}

/** 'V' is the word for a close that is meant (the kernel's "magic close"); any other close leaves the timer running. */
async function disarm(handle: FileHandle): Promise<void> {
  try {
    writeSync(handle.fd, 'V');
  } finally {
    await handle.close();
  }
}

const notLookedAt =
  (device: string) =>
  (error: unknown): WatchdogLook => ({
    usable: false,
    because: `${device} cannot be looked at: ${reasonOf(error)}`,
    remedy: 'look at what holds up the file system',
  });

/** @throws what it throws, or an Error that it has not come in time. */
function inTime<T>(call: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error(`no answer after ${CALL_LIMIT_MS} ms`)), CALL_LIMIT_MS);
    call.then(resolve, reject).finally(() => clearTimeout(limit));
  });
}

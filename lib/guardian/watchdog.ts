// The watchdog around one run: armed before anything of it is started, fed while the lease allows, disarmed when nothing of it is left.
import {constants, open, type FileHandle} from 'node:fs/promises';
import {after, type MonoMs} from '../protocol/words.ts';
import {bootNow} from './clock.ts';
import {lookAtWatchdog, type WatchdogSpec} from './watchdog-device.ts';

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

/**
 * It fires W after its last feed. Fed at `now` only if now + W + d/2 <= t0 + T, it has fired before anybody else may claim, whatever
 * stops the feeding: a guardian that does not get to run, a host that hangs, a service that does not die. While the store is silent
 * feeding ends early, but the timer does not run out before t0 + T - d/2 - (the time between two feeds, at most d/4): by then the service has
 * been killed at t0 + T - d, and a watchdog of a service that is gone is disarmed.
 */
export class Watchdog {
  readonly required: boolean;
  private readonly spec: WatchdogSpec;
  private readonly context: WatchdogContext;
  private timeoutMs = 0;
  private handle: FileHandle | undefined;
  private feeding: NodeJS.Timeout | undefined;
  private writing: Promise<void> | undefined;
  private complaint: string | undefined;

  constructor(spec: WatchdogSpec, context: WatchdogContext) {
    this.required = spec.mode === 'required';
    this.spec = spec;
    this.context = context;
  }

  /** Never rejects. @returns why it is not armed; undefined: it is. */
  async arm(): Promise<string | undefined> {
    const {device} = this.spec;
    const look = await lookAtWatchdog(this.spec);
    if (!look.usable) return `the watchdog ${look.because}: ${look.remedy}`;
    this.timeoutMs = look.timeoutMs;
    if (!this.mayFeed())
      return `too little is left of the lease for the watchdog ${device}, which would fire only after ${this.timeoutMs} ms`;
    // A pipe without a reader, or a full one, answers instead of waiting.
    const opening = open(device, constants.O_WRONLY | constants.O_NONBLOCK);
    try {
      this.handle = await inTime(opening);
      await inTime(this.handle.write('1'));
    } catch (error) {
      void opening.then(disarm).catch(() => undefined);
      this.handle = undefined;
      return `the watchdog ${device} cannot be armed: ${textOf(error)}`;
    }
    const {safetyMarginMs} = this.context;
    const everyMs = Math.max(FEED_MIN_MS, Math.min(FEED_MAX_MS, safetyMarginMs / 4, this.timeoutMs / 4));
    this.feeding = setInterval(() => this.feed(), everyMs);
    this.context.note(`the watchdog ${device} is armed`);
    return undefined;
  }

  /** The run is proven gone. Never rejects, and never waits long. */
  async disarm(): Promise<void> {
    const {handle} = this;
    this.handle = undefined;
    clearInterval(this.feeding);
    if (!handle) return;
    try {
      await inTime(this.writing ?? Promise.resolve());
      await inTime(disarm(handle));
      this.context.note(`the watchdog ${this.spec.device} is disarmed`);
    } catch (error) {
      this.context.note(`the watchdog ${this.spec.device} may not be disarmed and reset this host: ${textOf(error)}`, true);
    }
  }

  private mayFeed(): boolean {
    const end = this.context.leaseEnd();
    return end !== undefined && after(bootNow(), this.timeoutMs + this.context.safetyMarginMs / 2) <= end;
  }

  /** In this process's own loop, after a look at the clock: one that is not run does not feed. */
  private feed(): void {
    if (!this.handle || this.writing) return;
    if (!this.mayFeed()) return this.complain('not fed: the lease is not renewed, and the service is not gone');
    this.writing = this.handle
      .write('1')
      .then(() => this.complain(undefined))
      .catch((error: unknown) => this.complain(`cannot be fed: ${textOf(error)}`))
      .finally(() => (this.writing = undefined));
  }

  private complain(complaint: string | undefined): void {
    if (complaint === this.complaint) return;
    this.complaint = complaint;
    this.context.note(`the watchdog ${this.spec.device} is ${complaint ?? 'fed again'}`, complaint !== undefined);
  }
}

/** 'V' is the word for a close that is meant (the kernel's "magic close"); any other close leaves the timer running. */
async function disarm(handle: FileHandle): Promise<void> {
  try {
    await handle.write('V');
  } finally {
    await handle.close();
  }
}

/** @throws what it throws, or an Error that it has not come in time. */
function inTime<T>(call: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error(`no answer after ${CALL_LIMIT_MS} ms`)), CALL_LIMIT_MS);
    call.then(resolve, reject).finally(() => clearTimeout(limit));
  });
}

const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

// One check of a running service: what it asks, how often, and what it says.

interface Pace {
  /** From the end of one check to the start of the next, ms; more often until the service is ready. */
  readonly periodMs: number;
  /** After this long a check has failed, ms. */
  readonly timeoutMs: number;
  /** How many failures in a row are tolerated once the service has been ready. */
  readonly failures: number;
}

export interface HttpCheck extends Pace {
  readonly kind: 'http';
  /** http or https; the certificate is not verified: the question is whether the service answers. */
  readonly url: string;
  /** The status that is fine; undefined: any from 200 to 399. */
  readonly expect: number | undefined;
}

/** Fine when a connection is accepted. */
export interface TcpCheck extends Pace {
  readonly kind: 'tcp';
  readonly host: string;
  readonly port: number;
}

/** Fine when it exits with 0. */
export interface CommandCheck extends Pace {
  readonly kind: 'command';
  /** Program and arguments; no shell. */
  readonly command: readonly string[];
}

export type Check = HttpCheck | TcpCheck | CommandCheck;

/** A verdict, and why: a sentence without a full stop. */
export interface Outcome {
  readonly ok: boolean;
  readonly because: string;
}

/** Runs the check once: never rejects, ends within its timeout, and when `signal` is aborted ends at once. */
export type Probe = (signal: AbortSignal) => Promise<Outcome>;

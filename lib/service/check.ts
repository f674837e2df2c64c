// One check: what it asks, when it is asked, how often, and what it says.

export interface HttpQuestion {
  readonly kind: 'http';
  /** http or https; the certificate is verified only where `ca` is given: else the question is whether the service answers. */
  readonly url: string;
  /** The status that is fine; undefined: any from 200 to 399. */
  readonly expect: number | undefined;
  /** A file with the authorities, PEM, that must have signed the certificate, which must also be in date and name the host. */
  readonly ca?: string | undefined;
  readonly timeoutMs: number;
}

/** Fine when a connection is accepted. */
export interface TcpQuestion {
  readonly kind: 'tcp';
  readonly host: string;
  readonly port: number;
  readonly timeoutMs: number;
}

/** Fine when it exits with 0. */
export interface CommandQuestion {
  readonly kind: 'command';
  /** Program and arguments; no shell. */
  readonly command: readonly string[];
  readonly timeoutMs: number;
}

/** Fine while an ordinary user could still write this much there. */
export interface DiskQuestion {
  readonly kind: 'disk';
  readonly path: string;
  readonly freeBytes: number;
  readonly timeoutMs: number;
}

/** Fine when a file can be made in this directory, written through to the disk, and removed. */
export interface WritableQuestion {
  readonly kind: 'writable';
  readonly path: string;
  readonly timeoutMs: number;
}

/** All of these at once: fine when one of them is, or all. */
export interface GroupQuestion {
  readonly kind: 'anyOf' | 'allOf';
  readonly of: readonly Question[];
}

export type Question = HttpQuestion | TcpQuestion | CommandQuestion | DiskQuestion | WritableQuestion | GroupQuestion;

/** When a check is run: about the service while it runs here, about the node whoever is master, or only while it is not. */
export type Occasion = 'active' | 'always' | 'standby';

export type Check = Question & {
  readonly on: Occasion;
  /** From the end of one check to the start of the next, ms; more often until it has passed once. */
  readonly periodMs: number;
  /** How many failures in a row are tolerated once it has passed. */
  readonly failures: number;
};

/** A verdict, and why: a sentence without a full stop. */
export interface Outcome {
  readonly ok: boolean;
  readonly because: string;
}

/** Asks once: never rejects, ends within its timeout, and when `signal` is aborted ends at once. */
export type Probe = (signal: AbortSignal) => Promise<Outcome>;

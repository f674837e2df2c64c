// What a doctor asks its probe, the process that alone touches the store: names, arguments and results, as plain data.
import type {Sighting} from './clock-rate.ts';
import type {Samples} from './percentiles.ts';

/** How a measurement ended. */
export type Outcome<T> =
  | {readonly kind: 'measured'; readonly value: T}
  /** The system answered with an error; `reason` is a sentence. */
  | {readonly kind: 'failed'; readonly errno: string; readonly reason: string}
  /** It has not answered until now. */
  | {readonly kind: 'silent'; readonly waitedMs: number}
  | {readonly kind: 'notTried'};

/** What lies at the persistence directory. */
export interface Place {
  readonly realPath: string;
  /** Bytes and files that this user may still take; files 0 of 0 where the file system does not count them. */
  readonly freeBytes: number;
  readonly totalBytes: number;
  readonly freeFiles: number;
  readonly totalFiles: number;
  readonly store: {readonly kind: 'store' | 'missing' | 'unreadable' | 'failed'; readonly says: string};
}

/** How many rounds, and how long they may take together, ms; the rest is left out. */
export interface Amount {
  readonly rounds: number;
  readonly budgetMs: number;
}

/** What came of many rounds in which several renamed one name. */
export interface RivalTally {
  readonly rounds: number;
  /** Exactly one was told so, and is there. */
  readonly once: number;
  /** One is there, and nobody was told so: an answer was lost. The agents look again after every error, so this is allowed. */
  readonly unheard: number;
  /** Anything else, which must never happen, with the first example. */
  readonly broken: number;
  readonly example: string | null;
  /** How often each rival won. */
  readonly wins: Readonly<Record<string, number>>;
}

export interface Latencies {
  readonly rename: Samples;
  /** A heartbeat block written in place, as the agents do. */
  readonly write: Samples;
  readonly fsync: Samples;
  readonly list: Samples;
  /** Why heartbeats cannot go past the cache here; null if they can. */
  readonly refusesDirect: string | null;
}

export interface FullDirectory {
  /** The error of the rename; null if it succeeded, which it must not. */
  readonly errno: string | null;
  readonly entryIsLeft: boolean;
}

/** What one node did while it was looked at. */
export interface PeerLook {
  readonly nodeId: string;
  readonly alive: boolean;
  readonly heartbeatIntervalMs: number | null;
  /** First and last change that was seen to happen; null if there were not two. */
  readonly seen: {readonly first: Sighting; readonly last: Sighting} | null;
}

export interface Peers {
  readonly storeId: string;
  readonly nodes: readonly PeerLook[];
  /** Owner and T of the lock, where it is held by somebody. */
  readonly held: {readonly nodeId: string; readonly leaseTimeoutMs: number} | null;
}

/** A race that both hosts run at the same instants, each on its own clock. */
export interface RaceOrder {
  readonly count: number;
  /** On the suspend-aware clock of the host that runs, ms. */
  readonly startAtMs: number;
  readonly periodMs: number;
}

/** When the changes of the other host were seen, on this host's suspend-aware clock, ms; null: not in time. */
export interface Seen {
  readonly listedAtMs: number | null;
  readonly readAtMs: number | null;
}

/** When a change was done, on the suspend-aware clock of the host that made it, ms. */
export interface Changed {
  readonly renamedAtMs: number;
  readonly wroteAtMs: number;
}

export interface Calls {
  /** Looks only. */
  look: {args: {readonly persistenceDir: string; readonly app: string}; result: Place};
  /** Makes the private directory. `nonce` tells a partner that it is this one. */
  begin: {args: {readonly persistenceDir: string; readonly app: string; readonly nonce: string}; result: {readonly name: string}};
  /** Enters the private directory that another host made. */
  join: {
    args: {readonly persistenceDir: string; readonly name: string; readonly nonce: string; readonly waitMs: number};
    result: {readonly found: boolean};
  };
  rivals: {args: Amount & {readonly rivals: number}; result: RivalTally};
  fullDirectory: {args: null; result: FullDirectory};
  latency: {args: Amount; result: Latencies};
  peers: {
    args: {readonly persistenceDir: string; readonly app: string; readonly watchMs: number; readonly everyMs: number};
    result: Peers | null;
  };
  prepareRace: {args: {readonly count: number}; result: null};
  /** The error of each round; empty text where this host won. */
  race: {args: RaceOrder & {readonly who: 'here' | 'there'}; result: readonly string[]};
  /** What the race left. */
  finish: {args: null; result: readonly string[]};
  prepareChange: {args: null; result: null};
  change: {args: {readonly index: number}; result: Changed};
  watchChange: {args: {readonly index: number; readonly limitMs: number}; result: Seen};
}

export type CallName = keyof Calls;

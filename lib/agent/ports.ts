// What the agent's loop needs of the world: each a small interface, built by the command line and handed over.
import type {Adopted, Settings} from '../protocol/agent-state.ts';
import type {GuardianOrder, GuardianReport} from '../protocol/guardian-machine.ts';
import type {Epoch, MonoMs} from '../protocol/words.ts';
import type {Store} from '../store/contract.ts';

export interface Clock {
  /** The suspend-aware clock of this host. */
  now(): MonoMs;
  /** Wall clock, ms since 1970; for people only. */
  wallMs(): number;
}

export interface Reporter {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** What a guardian says to the agent that commands it. */
export interface GuardianListener {
  report(report: GuardianReport): void;
  /** The channel closed although it was not dismissed. */
  closed(because: string): void;
}

/** The guardian process as the loop commands it. */
export interface GuardianPort {
  /** Takes over the living guardian of an earlier agent the first time, if there is one; otherwise spawns one. What is to be proven later is durable when it resolves. */
  open(listener: GuardianListener): Promise<Adopted | undefined>;
  /** Whether it was taken over and runs with another setup than this agent's: it is to be replaced as soon as nothing runs. */
  outdated(): boolean;
  send(order: GuardianOrder): void;
  /** Kills it and what it runs, and resolves when both are seen gone; `proven` is false where only the passive form can tell. */
  kill(): Promise<{readonly proven: boolean; readonly because: string}>;
  /** Runs the passive form once; only for services that have one. */
  /** @param backoffMs pause after a standby process has ended by itself. */
  checkPassive(backoffMs: number): Promise<{readonly ok: boolean; readonly because: string}>;
  /** Lets go of it: after 'bye' or 'keep'. Resolves when it is gone, at the latest after `limitMs`. */
  leave(limitMs: number): Promise<void>;
}

/** Checks of a running service. */
export interface Readiness {
  /** Checks this run from now on, until `stop`. */
  start(run: number, onResult: (ok: boolean, because: string) => void): void;
  stop(): void;
}

export type NodeFitness =
  | {readonly kind: 'fit'}
  /** Not every check has passed yet. */
  | {readonly kind: 'unknown'; readonly because: string}
  /** A check has failed more often than tolerated. */
  | {readonly kind: 'unfit'; readonly because: string};

/** Checks of the node itself, whoever is master. */
export interface NodeHealth {
  start(onChange: (fitness: NodeFitness) => void): void;
  stop(): void;
  /** Whether the service may be running here: then the checks that are for a standby rest. */
  role(active: boolean): void;
}

export interface AgentPorts {
  readonly clock: Clock;
  readonly store: Store;
  readonly guardian: GuardianPort;
  readonly readiness: Readiness;
  readonly health: NodeHealth;
  readonly log: Reporter;
  /** Makes the largest epoch known durable on this host. Never rejects. */
  rememberEpoch(epoch: Epoch): Promise<void>;
  /** Follows the master's events; undefined: there is none to follow. */
  followMaster(uri: string | undefined): void;
}

/** The passive form of the service, where it has one. */
export interface PassiveFacts {
  /** How often it is run on a standby, or looked at, ms. */
  readonly everyMs: number;
  /** Whether its success is the proof that the service does not run. */
  readonly proves: boolean;
}

/** What does not change while the agent runs, beyond the protocol's own `Self`. */
export interface AgentFacts {
  readonly version: string;
  readonly app: string;
  readonly persistenceDir: string;
  readonly settings: Settings;
  readonly passive: PassiveFacts | undefined;
  /** Where the service answers while this node is master, as others reach it. */
  readonly serviceUri: string | undefined;
}

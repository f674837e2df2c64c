// The parts of the simulated world: hosts with clocks of their own, and on them agents, guardians and services.
import type {AgentEffect, AgentInput, AgentState, LaneName, Settings, Wishes} from '../../lib/protocol/agent-state.ts';
import type {GuardianState} from '../../lib/protocol/guardian-machine.ts';
import type {Timing} from '../../lib/protocol/timing.ts';
import type {InstanceId, MonoMs, NodeId} from '../../lib/protocol/words.ts';
import type {Checkers} from './checkers.ts';
import type {Plan} from './plan.ts';
import type {Rng} from './rng.ts';
import type {Scheduler, Timer} from './scheduler.ts';
import type {Server} from './server.ts';
import type {Transcript} from './transcript.ts';

export interface World {
  readonly plan: Plan;
  readonly rng: Rng;
  readonly clock: Scheduler;
  readonly server: Server;
  readonly hosts: Host[];
  readonly checks: Checkers;
  readonly log: Transcript;
  /** Faults may be drawn; false once the world has healed. */
  faults: boolean;
  /** Renames on their way long after their issuer gave up; at the healing each is executed or forgotten. */
  readonly late: Set<LateCall>;
  /** How each fault that lasts comes to its end, at the healing at the latest. */
  readonly undo: Set<() => void>;
  instances: number;
  /** Statements that were true when they were made, and stay so. */
  readonly said: Wishes['statements'][number][];
}

export interface LateCall {
  readonly timer: Timer;
  readonly execute: () => boolean;
}

/** How the store behaves towards one host, or everybody's calls of one kind, for a while. */
export interface Weather {
  /** No call gets to the server, nor an answer back. */
  cut: boolean;
  /** Chance that a rename goes wrong in one of the ways of `store-calls.ts`. */
  renameTrouble: number;
  /** Chance that a listing shows something old, torn or nothing. */
  listTrouble: number;
  /** Lanes whose calls do not return. */
  readonly hung: Set<LaneName>;
  /** Delay of each way, ms. */
  delayMs: readonly [number, number];
  /** Another, empty directory lies where the store was mounted. */
  unmounted: boolean;
  /** Errors out of the blue. */
  errors: number;
  /** Chance of a freeze or crash between two effects. */
  betweenAgent: number;
  betweenGuardian: number;
}

export interface Host {
  readonly name: string;
  readonly nodeId: NodeId;
  /** Of the next start of the agent: a configuration may change in between. */
  timing: Timing;
  readonly hasService: boolean;
  readonly agentLossGraceMs: number;
  readonly service: ServiceProfile;
  readonly rng: Rng;
  settings: Settings;
  /** Local milliseconds per true millisecond. */
  readonly rate: number;
  clockBase: number;
  bootedAt: number;
  /** The whole machine stands still; its clock does not. */
  suspended: boolean;
  readonly weather: Weather;
  /** What waits for the network to come back. */
  waiting: (() => void)[];
  /** Largest epoch known, remembered across restarts. */
  known: number;
  agent: AgentProc | undefined;
  guardians: GuardianProc[];
  runs: ServiceRun[];
  /** Instances that ever lived here. */
  readonly instances: InstanceId[];
  /** What the client's cache knows of the lock directory. */
  cached: readonly string[] | undefined;
  fit: boolean;
  /** It never starts anything again (a clone that was put out of service). */
  retired: boolean;
}

/** How the service of a host behaves: probabilities, and times in ms. */
export interface ServiceProfile {
  startMs: readonly [number, number];
  stopMs: readonly [number, number];
  crash: number;
  neverReady: number;
  ignoresTerm: number;
  cannotStart: number;
  passiveFails: number;
}

export interface AgentProc {
  readonly host: Host;
  readonly instance: InstanceId;
  state: AgentState;
  alive: boolean;
  frozen: boolean;
  /** What arrives while it is frozen, or still carries out its last decisions. */
  inbox: (() => void)[];
  todo: AgentEffect[];
  timer: Timer | undefined;
  checkTimer: Timer | undefined;
  channel: Channel | undefined;
  readonly inFlight: Set<LaneName>;
  /** Local instant at which this agent shows itself as master, for the checkers. */
  shownMaster: boolean;
  exit: (AgentEffect & {type: 'exit'}) | undefined;
  /** Whether it has been looking for its guardian; a later order of the machine ends the search. */
  seeking: number;
  fencedEpoch: number;
}

/** Two queues; messages are lost only by death. */
export interface Channel {
  readonly agent: AgentProc;
  readonly guardian: GuardianProc;
  toAgentAt: number;
  toGuardianAt: number;
}

export interface GuardianProc {
  readonly host: Host;
  state: GuardianState;
  alive: boolean;
  frozen: boolean;
  inbox: (() => void)[];
  channel: Channel | undefined;
  /** The agent that is to be killed once the channel has closed. */
  lastAgent: AgentProc | undefined;
  timer: Timer | undefined;
  /** A new agent waits for its answer. */
  candidate: AgentProc | undefined;
  helper: boolean;
}

export interface ServiceRun {
  readonly run: number;
  readonly epoch: number;
  readonly host: Host;
  readonly guardian: GuardianProc;
  /** Processes of it exist. */
  alive: boolean;
  /** It is healthy from then on. */
  readyAt: number;
  failed: boolean;
  asked: boolean;
  /** Its passive form has not confirmed yet that nothing is left. */
  unproven: boolean;
  confirmed: boolean;
  readonly ignoresTerm: boolean;
  endTimer: Timer | undefined;
}

export const localNow = (world: World, host: Host): MonoMs =>
  (host.clockBase + (world.clock.now - host.bootedAt) * host.rate) as MonoMs;

export const trueOf = (host: Host, local: number): number => host.bootedAt + (local - host.clockBase) / host.rate;

/** Makes an input at the moment of its delivery, so that it carries that moment. */
export type MakeInput = () => AgentInput;

/** Ends a lasting fault after a while, or when the world heals. */
export function endAfter(w: World, durationMs: number, undo: () => void): void {
  const once = (): void => {
    if (w.undo.delete(once)) undo();
  };
  w.undo.add(once);
  w.clock.after(durationMs, once);
}

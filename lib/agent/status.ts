// What the agent shows of itself, and what may be asked of it: the only things HTTP and the local command line see.
import type {Mode, NodeState} from '../protocol/heartbeat.ts';

/** A node as the answering node sees it. */
export interface NodeStatus {
  readonly nodeId: string;
  readonly instanceId: string | null;
  readonly uri: string | null;
  /** Where its service answers while it is master; null where that is not known. */
  readonly serviceUri: string | null;
  /** FAILED for a node that has been silent; never two MASTERs. */
  readonly state: NodeState;
  readonly mode: Mode;
  readonly priority: number;
  readonly epoch: number;
  readonly eligible: boolean;
  readonly because: string;
  /** Wall clock in the node's own heartbeat, ms since 1970. */
  readonly localTimestamp: number;
  /** The answering node's wall clock when it last saw that heartbeat change, ms since 1970; null if it never has. */
  readonly remoteTimestamp: number | null;
  /** Milliseconds since then on the answering node's own clock; null if it never has; 0 for itself. */
  readonly lastSeenMs: number | null;
}

/** One moment of the agent, computed when asked for: the lease is compared with the clock then. */
export interface Status {
  readonly version: string;
  readonly app: string;
  readonly nodeId: string;
  readonly instanceId: string;
  readonly uri: string | null;
  readonly persistenceDir: string | null;
  /** Identity of the store (Brooklyn's planeId); null until it is known. */
  readonly storeId: string | null;
  readonly state: NodeState;
  /** Finer than `state`: 'listening', 'standby', 'claiming', 'starting', 'ready', 'stopping', 'releasing', 'waiting for the store', 'ending'… */
  readonly phase: string;
  readonly mode: Mode;
  readonly priority: number;
  readonly eligible: boolean;
  readonly because: string;
  readonly epoch: number;
  /** Owner of the lease, or null. */
  readonly masterId: string | null;
  readonly masterUri: string | null;
  /** Time left on this node's own lease, ms; null if it owns none; never negative. */
  readonly leaseLeftMs: number | null;
  readonly leaseTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly pollIntervalMs: number;
  readonly paused: boolean;
  /** The agent itself works: its loop turns and nothing is known to be broken in it. */
  readonly healthy: boolean;
  readonly up: boolean;
  readonly shuttingDown: boolean;
  readonly startedAtWallMs: number;
  /** Own entry included. */
  readonly nodes: readonly NodeStatus[];
  /** Newest first, at most 200. */
  readonly stateHistory: readonly {readonly state: NodeState; readonly timestamp: number}[];
  readonly counters: Counters;
}

/** Counted since the agent started. */
export interface Counters {
  readonly renewals: number;
  readonly renewalFailures: number;
  readonly lastRenewalMs: number | null;
  readonly claims: number;
  readonly promotions: number;
  readonly demotions: number;
  readonly serviceStarts: number;
  readonly serviceFailures: number;
  readonly storeErrors: number;
}

/** Something that changed: `type` is 'state', 'leader', 'nodes', 'pause' or 'store'. */
export interface AgentEvent {
  readonly id: number;
  readonly type: 'state' | 'leader' | 'nodes' | 'pause' | 'store';
  readonly wallMs: number;
  readonly because: string;
}

/** A request that was understood and cannot be carried out: HTTP answers it with 409 and this sentence. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

export interface AgentPort {
  /** Never touches the store, never waits. */
  status(): Status;
  /** @returns the function that unsubscribes. */
  subscribe(listener: (event: AgentEvent) => void): () => void;
  /** Carried out before the promise resolves, with the previous state. @throws Refused */
  setMode(mode: Mode): Promise<NodeState>;
  /** @returns the previous priority. */
  setPriority(priority: number): Promise<number>;
  /** Drops the record of one dead node, or of all; a live or unknown one is left alone. */
  clear(nodeId: string | undefined): Promise<void>;
  /** @throws Refused */
  switchover(to: string | undefined): Promise<void>;
  setPaused(paused: boolean): Promise<void>;
  /** Begins the clean end of the agent; resolves as soon as it has begun. */
  shutdown(): Promise<void>;
  /** Another agent says that something changed. */
  hint(): void;
}

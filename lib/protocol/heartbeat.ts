// What a node says of itself once per heartbeatInterval, and what the master adds about the others.
import type {Epoch, InstanceId, NodeId} from './words.ts';

/** How a node takes part; Brooklyn's `--highAvailability`. */
export type Mode = 'disabled' | 'auto' | 'master' | 'standby' | 'hot_standby' | 'hot_backup';

/** What a node tells users it is; Brooklyn's seven states. MASTER: lease held and service ready. */
export type NodeState = 'INITIALIZING' | 'STANDBY' | 'HOT_STANDBY' | 'HOT_BACKUP' | 'MASTER' | 'FAILED' | 'TERMINATED';

/** The part of a heartbeat that elections and displays need. */
export interface NodeReport {
  readonly nodeId: NodeId;
  readonly instanceId: InstanceId;
  /** Grows with every heartbeat of this instance: a change of (instanceId, seq) is what "alive" means. */
  readonly seq: number;
  readonly state: NodeState;
  /** The largest epoch this node knows. */
  readonly epoch: Epoch;
  readonly mode: Mode;
  /** Higher goes first; any whole number, default 0. */
  readonly priority: number;
  /** Whether this node may be elected at all. */
  readonly eligible: boolean;
  /** Eligible only while nobody else is: it gave up a lease that it could not use. */
  readonly cooling: boolean;
  /** How often this node writes, ms: whoever looks for signs of life waits longer. Absent in the records of older programs. */
  readonly heartbeatIntervalMs?: number;
  /** Why the node is in this state, a sentence. */
  readonly because: string;
  /** The node's URL, as others reach it. */
  readonly uri: string | undefined;
  /** Where its service answers while it is master; absent where that is not known. */
  readonly serviceUri?: string;
  /** Wall clock of the node in ms since 1970; for people, never compared. */
  readonly wallMs: number;
}

/** A heartbeat as it lies in the store. */
export interface Heartbeat extends NodeReport {
  /** Everybody's report as the master last read it; only a node that owns the lease publishes it. */
  readonly seen: readonly NodeReport[];
}

// What the agent asks of the shared directory. Each method is one call of one lane: the agent never has two of a lane in flight.
import type {HistoryEvent, Listing, RenameOutcome, Whose, Wishes} from '../protocol/agent-state.ts';
import type {Heartbeat, NodeReport} from '../protocol/heartbeat.ts';
import type {NodeId} from '../protocol/words.ts';

export interface Store {
  readonly storeId: string;
  /** One RENAME of the lock file. Lane "renew". Never rejects. */
  rename(from: string, to: string): Promise<RenameOutcome>;
  /** One READDIR of the lock directory, after forcing the client's cache to refresh if asked. Lane "watch". Never rejects. */
  list(refresh: boolean): Promise<Listing>;
  /** Overwrites this node's record in place. Lane "beat". Never rejects. */
  writeHeartbeat(heartbeat: Heartbeat): Promise<{
    readonly ok: boolean;
    readonly reason: string;
    /** Whose record stood there before; undefined if none or unreadable. */
    readonly found: Pick<NodeReport, 'instanceId' | 'seq'> | undefined;
  }>;
  /** Reads nodes' records. Lane "hear". What is no record, or may not be read, is reported and treated as none, so that
   * rubbish cannot block elections. Never rejects. */
  readHeartbeats(whose: Whose): Promise<Heard>;
  /** The names in the control directory. Lane "wish". @returns undefined if it could not be read; never rejects. */
  readWishes(): Promise<Wishes | undefined>;
  /** Adds a wish to the control directory; one that is there already is fine. @throws HaError */
  placeWish(
    wish: {readonly wish: 'paused'} | {readonly wish: 'switchover'; readonly epoch: number; readonly to: NodeId | undefined},
  ): Promise<void>;
  /** Removes every wish of that kind and epoch (0 for `paused`); one that is not there is fine. Never rejects. */
  dropWish(wish: 'switchover' | 'statement' | 'paused', epoch: number): Promise<void>;
  /** Removes a node's record; one that is not there is fine. @throws HaError */
  removeHeartbeat(node: NodeId): Promise<void>;
  /** Adds to the history of an epoch; called one at a time, and again until it resolves. @throws HaError */
  writeHistory(record: EpochRecord): Promise<void>;
  /** @returns what the history says of an epoch; undefined if nothing that can be read. @throws HaError */
  readEpoch(epoch: number): Promise<EpochRecord | undefined>;
}

/** What a reading of heartbeats gave. */
export interface Heard {
  readonly heartbeats: readonly Heartbeat[];
  /** This node's record was looked for, and is either among them or certainly no record. */
  readonly own: boolean;
  /** All records that were asked for, all or all others, were looked for, and it is known of each what it is. */
  readonly everybody: boolean;
  /** The directory, or some record, was answered with trouble of the file system: what is there is not known. */
  readonly failed: boolean;
}

/** The story of one epoch, as `history/<epoch>.json` has it. Wall clocks in ms since 1970, phases in ms on the owner's own clock. */
export interface EpochRecord {
  readonly format: 1;
  readonly epoch: number;
  readonly to: {readonly nodeId: string; readonly instanceId: string};
  /** The owner before, and the very lock name that was claimed. */
  readonly from: {readonly nodeId: string | null; readonly lockName: string};
  readonly why: (HistoryEvent & {kind: 'claimed'})['why'];
  readonly because: string;
  readonly claimedAtWallMs: number;
  /**
   * `detected`: from the last change of the lock that the claiming node saw until it might claim; null where it saw none, and in old records.
   * The others from that moment on; a phase that has not come is null.
   */
  readonly phasesMs: {
    readonly detected: number | null;
    readonly claimed: number;
    readonly started: number | null;
    readonly ready: number | null;
  };
  readonly ended: {readonly wallMs: number; readonly because: string} | null;
}

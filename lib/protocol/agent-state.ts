// The agent's state, what it is told, and what it asks for: plain data, so that production and simulator share it.
import type {GuardianReport} from './guardian-machine.ts';
import type {Heartbeat, Mode, NodeReport} from './heartbeat.ts';
import type {HeldName, LockName} from './lock-name.ts';
import type {Timing} from './timing.ts';
import type {Epoch, InstanceId, MonoMs, NodeId} from './words.ts';

/** What never changes while an instance lives. */
export interface Self {
  readonly nodeId: NodeId;
  readonly instanceId: InstanceId;
  readonly timing: Timing;
  /** A node without a service only elects: holding is running. */
  readonly hasService: boolean;
}

/** What the operator may change while the agent runs. */
export interface Settings {
  readonly mode: Mode;
  readonly priority: number;
  /** How often an active service is started before the node gives the lease away; at least 1. */
  readonly attempts: number;
  /** Wait between two attempts, ms. */
  readonly backoffMs: number;
  /** How long a start may take until the service is ready, ms. */
  readonly startTimeoutMs: number;
  /** How long a node whose service kept failing sits out, ms. */
  readonly coolDownMs: number;
}

/** A reply of the store is true at some moment between the two. */
interface Call {
  /** Before the call was issued. */
  readonly askedAt: MonoMs;
  /** After its reply was received. */
  readonly answeredAt: MonoMs;
}

/** What reading the lock directory gave. */
export type Listing =
  | {readonly kind: 'names'; readonly names: readonly string[]}
  /** The lock directory of the store we know is not there; what store.json says instead. */
  | {readonly kind: 'notOurStore'; readonly reason: string}
  | {readonly kind: 'error'; readonly reason: string};

/** What a rename gave: a rename that failed may still have happened, or happen later. */
export type RenameOutcome = {readonly kind: 'done'} | {readonly kind: 'failed'; readonly reason: string};

export type RenameOp = 'renew' | 'claim' | 'release' | 'adopt';

/** The operator's wishes, as the names in the store's control directory say them. */
export interface Wishes {
  readonly paused: boolean;
  readonly switchovers: readonly {readonly epoch: Epoch; readonly to: NodeId | undefined}[];
  /** The owner of this epoch is dead, says the operator. */
  readonly statements: readonly {readonly epoch: Epoch; readonly owner: NodeId}[];
}

/** What makes the silence of the owner of one epoch superfluous. */
export type Proof =
  /** A fence command, started after this node saw the epoch, reported success. */
  | {readonly kind: 'fence'; readonly epoch: Epoch}
  /** Agent, guardian and service of this node's earlier instance are gone from this host. */
  | {readonly kind: 'local'; readonly instanceId: InstanceId};

export type AgentInput =
  | {readonly type: 'tick'}
  | ({readonly type: 'listed'; readonly listing: Listing} & Call)
  | ({readonly type: 'renamed'; readonly outcome: RenameOutcome} & Call)
  /**
   * Heartbeats that were readable. `everybody`: the records of all others were looked for, and none failed to be read; `own`: this node's record was looked for and is either among them or not there; `failed`: the file system answered
   * with an error.
   */
  | ({
      readonly type: 'heard';
      readonly heartbeats: readonly Heartbeat[];
      readonly everybody: boolean;
      readonly own: boolean;
      readonly failed: boolean;
    } & Call)
  /** `found`: whose record stood in our place before. */
  | ({
      readonly type: 'heartbeatWritten';
      readonly ok: boolean;
      readonly reason: string;
      readonly found: Pick<NodeReport, 'instanceId' | 'seq'> | undefined;
    } & Call)
  | ({readonly type: 'wished'; readonly wishes: Wishes | undefined} & Call)
  /** A guardian is connected and has nothing running, or runs what it kept for us (`adopted`). */
  | {readonly type: 'guardianReady'; readonly adopted: Adopted | undefined}
  | {readonly type: 'guardianSaid'; readonly report: GuardianReport}
  /** The guardian is dead; `proven`: so is every process of the service, as far as its containment lets one know. */
  | {readonly type: 'guardianGone'; readonly proven: boolean; readonly because: string}
  | {readonly type: 'guardianLost'; readonly because: string}
  /** The passive form has reported success after a guardian died that could not prove it: nothing runs. */
  | {readonly type: 'serviceProven'}
  /** Readiness or health of the run in question. */
  | {readonly type: 'checked'; readonly run: number; readonly ok: boolean; readonly because: string}
  /** Whether this node could serve if it were elected: its passive form and its health. */
  | {readonly type: 'fitness'; readonly ok: boolean; readonly because: string}
  | {readonly type: 'proof'; readonly proof: Proof}
  | {readonly type: 'settings'; readonly settings: Settings}
  | {readonly type: 'uri'; readonly uri: string}
  /** The records of these dead nodes were removed. */
  | {readonly type: 'forget'; readonly nodes: readonly NodeId[]}
  /** Something changed elsewhere: look more often for a while. */
  | {readonly type: 'hint'}
  /** Give the lease away if this node holds it, and stand back for a while. */
  | {readonly type: 'demote'; readonly because: string}
  | {readonly type: 'end'; readonly keepService: boolean; readonly because: string};

/** What a living guardian brought over from the old agent. */
export interface Adopted {
  readonly from: InstanceId;
  readonly epoch: Epoch;
  /** The largest attempt the guardian has been told of. */
  readonly attempt: number;
  readonly deadline: MonoMs;
  readonly run: number | undefined;
}

/** Whose heartbeats are read: those of these nodes, of every node, or of every node but the reader. */
export type Whose = readonly NodeId[] | 'all' | 'others';

export type AgentEffect =
  | {readonly type: 'list'; readonly refresh: boolean}
  | {readonly type: 'rename'; readonly op: RenameOp; readonly from: string; readonly to: string}
  | {readonly type: 'writeHeartbeat'; readonly heartbeat: Omit<Heartbeat, 'wallMs'>}
  | {readonly type: 'readHeartbeats'; readonly whose: Whose}
  | {readonly type: 'readWishes'}
  | {readonly type: 'setDeadline'; readonly epoch: Epoch; readonly attempt: number; readonly deadline: MonoMs | 'now'}
  | {readonly type: 'startService'; readonly run: number; readonly epoch: Epoch}
  /** End the run in question while the lease stays; a deadline of 'now' does the same and gives the lease away. */
  | {readonly type: 'stopService'; readonly run: number}
  | {readonly type: 'killGuardian'; readonly because: string}
  | {readonly type: 'spawnGuardian'}
  /** What to keep of a change of owner. */
  | {readonly type: 'remember'; readonly event: HistoryEvent}
  | {readonly type: 'dropWish'; readonly wish: 'switchover' | 'statement'; readonly epoch: Epoch}
  /** End the agent. `keep`: the guardian holds the service until the lease ends. */
  | {readonly type: 'exit'; readonly code: 0 | 2 | 3; readonly keep: boolean; readonly because: string};

export type HistoryEvent =
  | {
      readonly kind: 'claimed';
      readonly epoch: Epoch;
      readonly from: string;
      readonly why: ClaimBasis;
      /** When the chance to claim was first seen, and when the claim succeeded. */
      readonly detectedAt: MonoMs;
      readonly claimedAt: MonoMs;
    }
  | {readonly kind: 'started' | 'ready'; readonly epoch: Epoch; readonly at: MonoMs}
  | {readonly kind: 'ended'; readonly epoch: Epoch; readonly at: MonoMs; readonly because: string};

export type ClaimBasis = 'free' | 'silence' | 'statement' | 'fence' | 'local';

// ---- the state --------------------------------------------------------------------------------------------------------

/** One kind of call to the store: at most one in flight, no successor until it returns. */
export interface Lane {
  readonly busy: boolean;
  readonly dueAt: MonoMs;
}

export type LaneName = 'renew' | 'watch' | 'beat' | 'hear' | 'wish';

/** What the lock directory has shown. */
export interface View {
  readonly name: LockName | undefined;
  /** `name` as text; the empty string if there is none. */
  readonly text: string;
  /** End of the listing that first showed this very name. */
  readonly firstSeenAt: MonoMs;
  /** Start of the latest listing that showed one well-formed name. */
  readonly askedAt: MonoMs;
}

/** (B) Whether this is the store we knew. */
export type Trust =
  | {readonly kind: 'fine'}
  | {readonly kind: 'doubted'; readonly reason: string; readonly since: MonoMs}
  | {readonly kind: 'wrong'; readonly reason: string; readonly since: MonoMs};

/** The lease as this instance holds it. */
export type Lease = {readonly kind: 'none'} | Owned | GivingAway;

export interface Owned {
  readonly kind: 'owned';
  /** The name we last made or saw as ours. */
  readonly name: HeldName;
  /** t0 of the last rename of ours that returned success under this epoch. */
  readonly renewedAt: MonoMs | undefined;
  /** A rename failed since: look before the next one. */
  readonly inDoubt: boolean;
  /** Since when nothing has been started, nor a start been under way. */
  readonly idleSince: MonoMs | undefined;
}

/** The guardian's deadline is zero; once nothing runs, the name is released. */
export interface GivingAway {
  readonly kind: 'givingAway';
  readonly name: HeldName;
  readonly inDoubt: boolean;
  readonly because: string;
  /** The attempt with which the guardian was told, to be used for the next release; undefined once it has been used. */
  readonly zeroed: number | undefined;
}

/** The guardian as the agent knows it. */
export type Link =
  | {readonly kind: 'absent'}
  | {readonly kind: 'starting'}
  | {readonly kind: 'connected'; readonly unacknowledged: Unacknowledged | undefined}
  /** Its channel closed, or it did not acknowledge: it is being killed and the service with it. */
  | {readonly kind: 'dying'};

/** The latest pair that the guardian has been told, and since when it owes an answer. */
export interface Unacknowledged {
  readonly epoch: Epoch;
  readonly attempt: number;
  readonly since: MonoMs;
}

/** The service as the agent knows it from the guardian. */
export type Supervision =
  | {readonly kind: 'down'}
  | {readonly kind: 'starting'; readonly run: number; readonly since: MonoMs}
  | {readonly kind: 'ready'; readonly run: number; readonly since: MonoMs}
  | {readonly kind: 'stopping'; readonly run: number; readonly because: string; readonly failed: boolean}
  /** Nothing runs; waiting before the next attempt. */
  | {readonly kind: 'backoff'; readonly until: MonoMs; readonly because: string}
  /** Its passive form failed, or its guardian died: what runs is not known until it is proven gone. */
  | {readonly kind: 'unproven'; readonly because: string};

export interface Peer {
  readonly report: NodeReport;
  /** When this node last saw (instanceId, seq) change; undefined until it has. */
  readonly changedAt: MonoMs | undefined;
}

/** Whether the record with this node's id is this instance's alone to write. */
export type OwnRecord =
  | {readonly kind: 'unread'}
  /** Another instance wrote it: it must stand still until then. */
  | {readonly kind: 'watched'; readonly found: ElderMark; readonly until: MonoMs}
  /** `rival`: another instance's record that was found in our place. */
  | {readonly kind: 'mine'; readonly before: ElderMark | undefined; readonly rival: RecordMark | undefined};

export type RecordMark = Pick<NodeReport, 'instanceId' | 'seq'>;

/** The same of an earlier instance of this node, and how often it wrote. */
export type ElderMark = Pick<NodeReport, 'instanceId' | 'seq' | 'heartbeatIntervalMs'>;

export interface AgentState {
  readonly self: Self;
  readonly settings: Settings;
  readonly uri: string | undefined;
  readonly startedAt: MonoMs;
  /** Attempts of any kind so far: k. */
  readonly attempt: number;
  /** Heartbeats written so far. */
  readonly seq: number;
  /** Starts of the service so far. */
  readonly run: number;
  readonly lanes: Readonly<Record<LaneName, Lane>>;
  /** The rename in flight. */
  readonly rename: RenameCall | undefined;
  /** The latest claim that failed: it may have happened all the same, or happen later. */
  readonly doubtful: RenameCall | undefined;
  /** The latest rename of ours was answered then: an older listing says nothing about our lease. */
  readonly renamedAt: MonoMs;
  readonly view: View;
  /** When the latest listing of any kind was answered. */
  readonly listedAt: MonoMs;
  /** Why that listing told nothing, a sentence. */
  readonly blind: string | undefined;
  readonly trust: Trust;
  /** The largest epoch known, and since when: a smaller one in an older listing is no evidence. */
  readonly known: {readonly epoch: Epoch; readonly learnedAt: MonoMs};
  readonly lease: Lease;
  readonly adoption: Adopted | undefined;
  readonly link: Link;
  /** When the guardian was first found to owe an acknowledgement or a stop. */
  readonly guardianDoubtedAt: MonoMs | undefined;
  readonly service: Supervision;
  /** Runs of the service that failed under the present lease. */
  readonly failures: number;
  readonly peers: Readonly<Record<string, Peer>>;
  /** Start of the latest reading of everybody's heartbeats that was answered. */
  readonly heardAt: MonoMs | undefined;
  readonly wishes: Wishes;
  /** Start of the latest reading of the wishes that was answered. */
  readonly wishedAt: MonoMs | undefined;
  /** When a wish last opened the way for everybody at once (a pause ended, an owner was stated dead): ranks wait from then on. */
  readonly openedAt: MonoMs;
  readonly proofs: readonly Proof[];
  readonly ownRecord: OwnRecord;
  /** When a heartbeat of ours last got out. */
  readonly beatAt: MonoMs | undefined;
  /** Nothing is claimed by election before this; undefined until the first heartbeat is out. */
  readonly listenUntil: MonoMs | undefined;
  /** Why the last rename of ours failed, a sentence; undefined if it did not. */
  readonly renameFault: string | undefined;
  /** How long the last rename that succeeded was under way, ms. */
  readonly renameTookMs: number;
  /** A listing has been under way for too long. */
  readonly storeSilent: boolean;
  readonly hintedUntil: MonoMs;
  readonly fit: {readonly ok: boolean; readonly because: string};
  /** Not elected at all before this. */
  readonly barredUntil: MonoMs;
  /** Elected only if nobody else can be, before this. */
  readonly coolingUntil: MonoMs;
  /** Whether mode `master` still insists: it has not been master yet. */
  readonly insists: boolean;
  readonly ending: {readonly keepService: boolean; readonly because: string; readonly since: MonoMs} | undefined;
  readonly ended: boolean;
  /** When the machine wants its next step at the latest: one that comes much later means that the agent itself was not running. */
  readonly wakeAt: MonoMs;
  /** Why the node does what it does, a sentence. */
  readonly because: string;
}

export interface RenameCall {
  readonly op: RenameOp;
  readonly from: string;
  readonly to: LockName;
  readonly basis: ClaimBasis | undefined;
  readonly detectedAt: MonoMs;
  /** It is in the history already: a listing showed its effect before its reply came. */
  readonly noted: boolean;
}

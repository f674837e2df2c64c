// Who may try first: a deterministic order among the nodes that are alive and eligible. Safety never depends on it.
import type {NodeId} from './words.ts';

export interface Candidate {
  readonly nodeId: NodeId;
  readonly priority: number;
  /** It gave up a lease that it could not use, and stands back for anybody else. */
  readonly cooling: boolean;
}

export interface Ballot {
  readonly me: Candidate;
  /** Alive and eligible, this node not among them. */
  readonly others: readonly Candidate[];
  /** The owner of the expired name, or the writer of the free one: it comes last. */
  readonly last: NodeId | undefined;
  /** The target of a switchover for this very release: it comes first. */
  readonly target: NodeId | undefined;
  /** This node's heartbeat has not got out for long: it ranks after all it sees. */
  readonly mute: boolean;
}

/** @returns how many candidates go before this node; undefined if it stands back altogether. */
export function rankOf(ballot: Ballot): number | undefined {
  const {me, others, target} = ballot;
  if (target === me.nodeId) return 0;
  if (me.cooling && others.some((other) => !other.cooling)) return undefined;
  const before = others.filter((other) => other.nodeId !== target && goesBefore(other, ballot)).length;
  // A target that is dead must cost no more than its turn, so it counts whether or not it is seen alive.
  return before + (target === undefined ? 0 : 1);
}

function goesBefore(other: Candidate, {me, last, mute}: Ballot): boolean {
  if (mute) return true;
  if (other.cooling !== me.cooling) return me.cooling;
  if ((other.nodeId === last) !== (me.nodeId === last)) return me.nodeId === last;
  if (other.priority !== me.priority) return other.priority > me.priority;
  return compareNatural(other.nodeId, me.nodeId) < 0;
}

/** Natural order: runs of digits compare as numbers (n2 before n10), all else by code point; a total order. */
export function compareNatural(a: string, b: string): number {
  const left = a.match(/\d+|\D+/g) ?? [];
  const right = b.match(/\d+|\D+/g) ?? [];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const order = compareRuns(left[i] ?? '', right[i] ?? '');
    if (order !== 0) return order;
  }
  return left.length - right.length || compareText(a, b);
}

function compareRuns(a: string, b: string): number {
  if (!/^\d/.test(a) || !/^\d/.test(b)) return compareText(a, b);
  const x = a.replace(/^0+(?=\d)/, '');
  const y = b.replace(/^0+(?=\d)/, '');
  return x.length - y.length || compareText(x, y);
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

// Who is master, by what the nodes said last: one or nobody, and never one of an epoch that is over.
import {ownNodeOf, type ClusterReport, type ReportedNode} from './cluster-report.ts';

export interface Master {
  readonly nodeId: string;
  /** Where its agent answers; undefined if it does not say. */
  readonly uri: string | undefined;
  /** Where its service answers; undefined if it does not say. */
  readonly serviceUri: string | undefined;
  /** The fencing token: larger with every change of owner. */
  readonly epoch: number;
}

/** What a node said, and when it was asked, ms. */
export interface Answer {
  readonly url: string;
  readonly report: ClusterReport;
  readonly askedAt: number;
}

export interface Verdict {
  /** The largest epoch that anybody has told of so far. */
  readonly epoch: number;
  readonly master: Master | undefined;
}

/**
 * A node that answers knows best what it is itself; of one that does not, the others' word counts.
 * @param epoch the largest one known before: what belongs to a smaller one is no longer true, whoever says it.
 */
export function judge(answers: readonly Answer[], epoch: number, now: number): Verdict {
  const newest = Math.max(epoch, ...answers.map(({report}) => report.epoch));
  const current = answers.filter(({report}) => report.epoch === newest).sort((a, b) => b.askedAt - a.askedAt);
  const holder = current.find(holdsAt(now));
  if (holder) return {epoch: newest, master: masterOf(ownNodeOf(holder.report), newest)};
  const answering = new Set(answers.map(({report}) => report.ownId));
  const heard = current.map(({report}) => othersWord(report, newest)).find((node) => node && !answering.has(node.nodeId));
  return {epoch: newest, master: masterOf(heard, newest)};
}

/** The time left is counted from before the question, so that it ends here no later than there. */
const holdsAt =
  (now: number) =>
  ({report, askedAt}: Answer): boolean =>
    ownNodeOf(report)?.state === 'MASTER' && (report.leaseLeftMs === undefined || askedAt + report.leaseLeftMs > now);

/** A heartbeat that is older than the lease tells of the reign before. */
const othersWord = ({nodes, masterId, ownId}: ClusterReport, epoch: number): ReportedNode | undefined =>
  nodes.find((node) => node.nodeId === masterId && node.nodeId !== ownId && node.state === 'MASTER' && node.epoch === epoch);

const masterOf = (node: ReportedNode | undefined, epoch: number): Master | undefined =>
  node && {nodeId: node.nodeId, uri: node.uri, serviceUri: node.serviceUri, epoch};

/** When, by the clock alone, the verdict may change: the end of the master's lease, ms. */
export const leaseEndOf = (answers: readonly Answer[], {nodeId}: Master): number =>
  Math.min(
    ...answers.flatMap(({report, askedAt}) =>
      report.ownId === nodeId && report.leaseLeftMs !== undefined ? [askedAt + report.leaseLeftMs] : [],
    ),
  );

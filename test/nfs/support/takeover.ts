// A master is lost, and what the protocol promises then is measured and asserted: its service ends in time, nobody claims before the silence is over.
import {expect} from 'chai';
import {eventually} from '../../support/eventually.ts';
import type {Timings} from '../../e2e/support/cluster.ts';
import type {Run} from '../../e2e/support/witness-log.ts';
import type {LabCluster} from './lab-cluster.ts';
import type {LabNode} from './lab-node.ts';
import type {LockWatch, Takeover} from './lock-watch.ts';
import {hostNs, nsOf, runsOf, seconds} from './trace.ts';

/** Shorter than the lab's own, because most scenarios wait for it: a master rides out 6 s. */
export const LEASE_MS = 8_000;
export const MARGIN_MS = 1_000;
export const SHORT_LEASE: Partial<Timings> = {leaseTimeout: '8s'};

/** For a finding: what the protocol promises. */
export const inTime = (leaseMs = LEASE_MS): string =>
  `its service ends before T - d = ${(leaseMs - MARGIN_MS) / 1_000} s after the last renewal, another node claims after ` +
  `T = ${leaseMs / 1_000} s and not before`;

/** How much later than T after the last renewal another node may claim: its polls, its rank, a loaded host, ms. */
const CLAIM_SLACK_MS = 12_000;
const SERVES_MS = 60_000;

export interface Loss {
  readonly next: LabNode;
  /** When it began to be taken away. */
  readonly faultNs: bigint;
  readonly takeover: Takeover;
  /** What it ran when that happened. */
  readonly lost: Run;
  /** What the next one runs. */
  readonly won: Run;
  /** For a finding. */
  readonly story: string;
}

/** `init`, then the first of these nodes as master, then the others as its standbys. */
export async function launchInTurn(cluster: LabCluster, first: LabNode): Promise<void> {
  await cluster.init();
  await first.launch();
  await cluster.awaitMaster(first.id);
  await Promise.all(cluster.others(first).map((node) => node.launch()));
  await Promise.all(cluster.others(first).map((node) => node.untilState('STANDBY')));
}

/** Takes the master away, and waits until another node serves. */
export async function loseMaster(
  cluster: LabCluster,
  watch: LockWatch,
  master: LabNode,
  fault: () => Promise<void>,
): Promise<Loss> {
  const [epoch, faultNs] = [watch.epoch, hostNs()];
  await fault();
  const takeover = await watch.awaitClaimAfter(epoch);
  const {renewed, claimed, leastNs, mostNs} = takeover;
  expect(renewed.name?.writer?.nodeId, watch.story()).to.equal(master.id);
  if (renewed.name?.kind !== 'held') throw new Error(`${master.id} has released the lock:\n${watch.story()}`);
  const {leaseTimeoutMs} = renewed.name;
  expect(mostNs >= nsOf(leaseTimeoutMs), `claimed ${seconds(mostNs)} after the last renewal`).to.equal(true);
  const slow = leastNs > nsOf(leaseTimeoutMs + CLAIM_SLACK_MS);
  expect(slow, `claimed only ${seconds(leastNs)} after the last renewal`).to.equal(false);
  const next = cluster.node(claimed.name?.writer?.nodeId ?? '');
  const won = await eventually(
    async () => (await runsOf(cluster)).find((run) => run.node === next.id && run.epoch === claimed.name?.epoch),
    SERVES_MS,
    `${next.id} does not serve`,
  );
  const lost = (await runsOf(cluster)).findLast((run) => run.node === master.id && run.epoch === epoch);
  if (!lost) throw new Error(`${master.id} has never served under epoch ${epoch}`);
  // t0, from which the lease counts, is the moment before the renewal was issued.
  const outlived = lost.to - renewed.seenNs;
  expect(outlived < nsOf(leaseTimeoutMs - MARGIN_MS), `the service ended ${seconds(outlived)} after the last renewal`).to.equal(
    true,
  );
  const story =
    `its service ended ${seconds(outlived > 0n ? outlived : 0n)} after the last renewal; ` +
    `${next.id} claimed ${seconds(mostNs)} and served ${seconds(won.from - renewed.seenNs)} after it`;
  return {next, faultNs, takeover, lost, won, story};
}

/** The cluster has one master, this one; the others follow it, and it stays so. @returns when the last of them followed */
export async function settles(cluster: LabCluster, watch: LockWatch, master: LabNode): Promise<bigint> {
  const followed = async (node: LabNode): Promise<boolean> => (await node.untilState('STANDBY')).masterId === master.id;
  for (const node of cluster.others(master))
    await eventually(() => followed(node), SERVES_MS, `${node.id} does not follow ${master.id}`);
  const sinceNs = hostNs();
  await watch.awaitRenewals(10);
  expect(watch.ownersSince(sinceNs)).to.deep.equal([`${master.id} ${watch.epoch}`]);
  await cluster.awaitMaster(master.id);
  return sinceNs;
}

// One step of the ladder of delays: what a cluster does while the storage network is slow, and how long its calls take then.
import {setTimeout as sleep} from 'node:timers/promises';
import type {NodeState} from '../../../lib/protocol/heartbeat.ts';
import type {LabCluster} from './lab-cluster.ts';
import type {LabNode} from './lab-node.ts';
import {hostNs, nsOf} from './trace.ts';

/** What has been seen of a step so far. */
export interface DelayStep {
  /** How long each renewal of the owner took that was issued under the delay, as the owner measured it, ms. */
  readonly renewalsMs: readonly number[];
  /** States of the owner. */
  readonly states: ReadonlySet<NodeState>;
  /** How long the owner saw no heartbeat of each of the others, at most, ms. */
  readonly unseenMs: ReadonlyMap<string, number>;
  /** Sentences of each node. */
  readonly said: ReadonlyMap<string, ReadonlySet<string>>;
  /** Phases of the nodes that are not the owner. */
  readonly phases: ReadonlySet<string>;
  /** Epochs that any node knows. */
  readonly epochs: ReadonlySet<number>;
  /** Until when the owner's last lease lasted at least, and at most, on this host's clock, ns. */
  readonly leaseEndNs: {readonly from: bigint; readonly to: bigint};
}

const POLL_MS = 150;
const STEP_MS = 90_000;

interface Counted {
  readonly renewals: number;
  readonly tookMs: number;
}

/**
 * Looks at every node until `enough` says so.
 * @param owner whose renewals are counted
 * @throws Error if that takes too long
 */
export async function watchStep(
  cluster: LabCluster,
  owner: LabNode,
  enough: (step: DelayStep) => boolean,
  what: string,
): Promise<DelayStep> {
  const watched = new Watched(owner);
  for (const end = performance.now() + STEP_MS; ; await sleep(POLL_MS)) {
    await watched.look(cluster);
    if (enough(watched)) return watched;
    if (performance.now() > end) throw new Error(`${what} within ${STEP_MS / 1000} s: ${watched.describe()}`);
  }
}

/** For a finding: the quickest and the slowest renewal. */
export const latencyOf = ({renewalsMs}: DelayStep): string =>
  renewalsMs.length === 0
    ? 'no renewal came back before the service had stopped'
    : `renewals take ${Math.round(Math.min(...renewalsMs))} to ${Math.round(Math.max(...renewalsMs))} ms`;

/** The longest time between the issue of a renewal and the answer to the one after it: so old a lease becomes. */
export const longestPairMs = ({renewalsMs}: DelayStep, heartbeatMs: number): number =>
  Math.max(...renewalsMs.slice(1).map((ms, index) => Math.max(renewalsMs[index] ?? 0, heartbeatMs) + ms));

class Watched implements DelayStep {
  readonly renewalsMs: number[] = [];
  readonly states = new Set<NodeState>();
  readonly unseenMs = new Map<string, number>();
  readonly said = new Map<string, Set<string>>();
  readonly phases = new Set<string>();
  readonly epochs = new Set<number>();
  leaseEndNs = {from: 0n, to: 0n};
  private readonly owner: LabNode;
  private counted: Counted | undefined;
  private skipped = false;

  constructor(owner: LabNode) {
    this.owner = owner;
  }

  async look(cluster: LabCluster): Promise<void> {
    await this.countRenewals();
    await Promise.all(cluster.nodes.filter(({isRunning}) => isRunning).map((node) => this.lookAt(node)));
  }

  describe(): string {
    const said = [...this.said].map(([id, sentences]) => `${id} said ${[...sentences].join(', ')}`);
    return `${this.renewalsMs.length} renewals; ${said.join('; ')}`;
  }

  /** Only one that was issued after the first look was under way under the delay from its beginning. */
  private async countRenewals(): Promise<void> {
    const {status, text} = await this.owner.get('/v1/server/ha/metrics');
    if (status !== 200) throw new Error(`${this.owner.id} answers ${status}: ${text}`);
    const {lease} = JSON.parse(text) as {lease: {renewals: number; lastRenewalMs: number | null}};
    const now = {renewals: lease.renewals, tookMs: lease.lastRenewalMs ?? 0};
    if (this.counted && now.renewals > this.counted.renewals) {
      if (this.skipped) this.renewalsMs.push(now.tookMs);
      this.skipped = true;
    }
    this.counted = now;
  }

  private async lookAt(node: LabNode): Promise<void> {
    const askedNs = hostNs();
    const view = await node.state();
    const answeredNs = hostNs();
    const said = this.said.get(node.id) ?? new Set();
    this.said.set(node.id, said.add(view.because));
    this.epochs.add(view.epoch);
    if (node !== this.owner) {
      this.phases.add(view.phase);
      return;
    }
    this.states.add(view.state);
    for (const [id, {lastSeenMs}] of Object.entries(view.nodes))
      this.unseenMs.set(id, Math.max(lastSeenMs ?? 0, this.unseenMs.get(id) ?? 0));
    if (view.leaseLeftMs === null || view.leaseLeftMs === 0) return;
    const leftNs = nsOf(view.leaseLeftMs);
    this.leaseEndNs = {from: askedNs + leftNs, to: answeredNs + leftNs};
  }
}

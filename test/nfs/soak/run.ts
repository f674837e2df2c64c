// A soak: rounds of faults on a cluster in the lab, each healed and audited, until the time is over. What fails is told with its seed.
import {setTimeout as sleep} from 'node:timers/promises';
import Table from 'cli-table3';
import type {Lab} from '../../../scripts/nfs-lab/lab.ts';
import {eventually} from '../../support/eventually.ts';
import {LabCluster} from '../support/lab-cluster.ts';
import type {LabNode} from '../support/lab-node.ts';
import {historyGaps, idleWords, inspect, storeContent, type Usage} from './audit.ts';
import {begin, nodeOf, type Begun} from './faults.ts';
import {describeRound, planOf, type Fault, type Round} from './plan.ts';
import {UsageBook} from './usage-book.ts';

export interface SoakOptions {
  readonly seed: number;
  readonly durationMs: number;
  readonly say: (line: string) => void;
}

export interface SoakResult {
  readonly rounds: number;
  readonly epoch: number;
  /** Names of temporary files of killed processes that are still in the store. */
  readonly leftovers: readonly string[];
  readonly summary: string;
}

const CONVERGED_MS = 180_000;
const AUDIT_MS = 60_000;
const POLL_MS = 300;
const PAUSE_MS = 500;
/** How much of a lease is left that is being renewed, even on a busy machine. */
const RENEWED = 0.75;
/** A witness writes every 20 ms, and its machine may be busy, ns. */
const ACTIVE_NS = 3_000_000_000n;

/** @throws Error with seed, plan and stories at the first thing that is not as it should be */
export async function soak(lab: Lab, options: SoakOptions): Promise<SoakResult> {
  const cluster = new LabCluster(lab, {});
  const run = new Soak(cluster, options);
  try {
    await run.prepare();
    return await run.rounds();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const tale = [`seed ${options.seed}`, ...run.told, reason, await cluster.story()].join('\n');
    throw new Error(tale, {cause: error});
  } finally {
    await cluster.remove();
  }
}

/** A fault that is under way. */
interface Under extends Begun {
  readonly fault: Fault;
  readonly atMs: number;
}

class Soak {
  readonly told: string[] = [];
  private readonly cluster: LabCluster;
  private readonly options: SoakOptions;
  private readonly idle = new Map<string, ReadonlySet<string>>();
  private readonly usage = new UsageBook();
  private readonly healedMs = new Map<string, number[]>();
  private leftovers: readonly string[] = [];
  private epoch = 0;

  constructor(cluster: LabCluster, options: SoakOptions) {
    this.cluster = cluster;
    this.options = options;
  }

  async prepare(): Promise<void> {
    const {cluster} = this;
    await cluster.prepare();
    for (const node of cluster.nodes) this.idle.set(node.id, await idleWords(cluster, node));
    await cluster.up();
    await this.audit(await this.converged());
  }

  async rounds(): Promise<SoakResult> {
    const end = performance.now() + this.options.durationMs;
    let rounds = 0;
    for (const round of planOf(this.options.seed)) {
      if (performance.now() > end) break;
      await this.play(round);
      rounds += 1;
    }
    await this.cluster.stop();
    await this.cluster.witnessed();
    this.usage.assertFlat();
    return {rounds, epoch: this.epoch, leftovers: this.leftovers, summary: this.summarize()};
  }

  private async play(round: Round): Promise<void> {
    this.tell(describeRound(round));
    const owner = await this.cluster.awaitMaster();
    const touched = round.faults.flatMap(({role}) => (role === undefined ? [] : [nodeOf(this.cluster, owner, role)]));
    const untouched = this.cluster.nodes.find((node) => !touched.includes(node)) ?? owner;
    const begun: Under[] = [];
    for (const [index, fault] of round.faults.entries()) {
      if (index > 0) await sleep(round.apartMs);
      const {what, heal} = await begin(this.cluster, fault, owner, untouched);
      begun.push({fault, what, heal, atMs: performance.now()});
    }
    // What all need is healed first: a machine cannot mount what is not served.
    const order = begun.toSorted((a, b) => Number(isShared(b)) - Number(isShared(a)));
    for (const {fault, atMs, heal} of order) {
      await sleep(Math.max(0, atMs + fault.holdMs - performance.now()));
      await heal();
    }
    const healed = performance.now();
    for (const node of this.cluster.nodes.filter(({isRunning}) => !isRunning)) await node.launch();
    const master = await this.converged();
    const tookMs = performance.now() - healed;
    for (const {kind} of round.faults) this.healedMs.set(kind, [...(this.healedMs.get(kind) ?? []), tookMs]);
    await this.audit(master);
    const what = begun.map(({what: each}) => each).join(' and ');
    this.tell(
      `   ${what}: ${master.id} serves under epoch ${this.epoch} ${(tookMs / 1000).toFixed(1)} s after healing (${(await master.state()).because})`,
    );
    await sleep(PAUSE_MS);
  }

  /** @returns the one master, once all others are its standbys. */
  private async converged(): Promise<LabNode> {
    let seen = 'nothing';
    return eventually(
      async () => {
        await sleep(POLL_MS);
        const views = await Promise.all(this.cluster.nodes.map(async (node) => ({node, view: await node.state()})));
        seen = views.map(({node, view}) => `${node.id} is ${view.state} (${view.because})`).join(', ');
        const [master, another] = views.filter(({view}) => view.state === 'MASTER');
        const others = views.filter(({view}) => view.phase === 'standby' && view.masterId === master?.node.id && !view.paused);
        if (!master || another || others.length !== views.length - 1) return false;
        // Until a renewal has come back it may only be riding out what has just been healed.
        if ((master.view.leaseLeftMs ?? 0) < RENEWED * master.view.leaseTimeoutMs) return false;
        this.epoch = master.view.epoch;
        return master.node;
      },
      CONVERGED_MS,
      'the cluster does not converge',
    ).catch((error: unknown) => {
      throw new Error(`the cluster does not converge: ${seen}; ${String(error)}`, {cause: error});
    });
  }

  /** Short-lived helpers may be about to end, and the history is written behind what happens. */
  private async audit(master: LabNode): Promise<void> {
    let found: readonly string[] = [];
    await eventually(
      async () => {
        found = await this.faultsFound(master);
        if (found.length > 0) await sleep(POLL_MS);
        return found.length === 0;
      },
      AUDIT_MS,
      'the audit fails',
    ).catch((error: unknown) => {
      throw new Error(`the audit fails: ${found.join('; ')}`, {cause: error});
    });
  }

  private async faultsFound(master: LabNode): Promise<string[]> {
    const {cluster} = this;
    await Promise.all(cluster.nodes.map((node) => node.witness.flush()));
    const {runs} = await cluster.witnessed();
    const now = process.hrtime.bigint();
    const active = runs.filter(({to}) => now - to < ACTIVE_NS);
    const faults: string[] = [];
    if (active.length !== 1 || active[0]?.node !== master.id || active[0].epoch !== this.epoch) {
      faults.push(`active are ${active.map(({node, epoch}) => `${node} under ${epoch}`).join(', ') || 'none'}`);
    }
    const content = await storeContent(cluster);
    this.leftovers = content.leftovers;
    faults.push(...content.strange.map((each) => `${each} does not belong into the store`));
    faults.push(...content.wishes.map((each) => `the wish ${each} is left`));
    if (content.locks.length !== 1) faults.push(`the locks are ${content.locks.join(', ')}`);
    faults.push(...historyGaps(await cluster.history(master), runs, content.locks));
    const inspected = await Promise.all(
      cluster.nodes.map((node) => inspect(cluster, node, this.idle.get(node.id) ?? new Set<string>())),
    );
    faults.push(...inspected.flatMap(({strays}) => strays));
    if (faults.length === 0) this.usage.note(inspected.flatMap(({usage}): readonly Usage[] => usage));
    return faults;
  }

  private tell(line: string): void {
    this.told.push(line);
    this.options.say(line);
  }

  private summarize(): string {
    const table = new Table({head: ['fault', 'times', 'converged after healing, median', 'longest']});
    for (const [kind, times] of [...this.healedMs].sort()) {
      const sorted = times.toSorted((a, b) => a - b);
      const [median = 0, longest = 0] = [sorted[Math.floor(sorted.length / 2)], sorted.at(-1)];
      table.push([kind, times.length, `${(median / 1000).toFixed(1)} s`, `${(longest / 1000).toFixed(1)} s`]);
    }
    return `${table.toString()}\n${this.usage.describe()}\nleft over by killed processes: ${this.leftovers.length}`;
  }
}

const isShared = ({fault}: Under): boolean => fault.role === undefined;

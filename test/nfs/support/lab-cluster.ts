// A cluster of the real command line on the machines of a lab, for one scenario: each node on a client, the store on the NFS share.
import path from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import type {EpochRecord} from '../../../lib/store/contract.ts';
import type {RunResult} from '../../../scripts/nfs-lab/guest.ts';
import type {Lab} from '../../../scripts/nfs-lab/lab.ts';
import {MOUNT_POINT, OWN_DISK} from '../../../scripts/nfs-lab/plan.ts';
import type {Timings} from '../../e2e/support/cluster.ts';
import {commandLine, type User} from '../../e2e/support/command.ts';
import {assertNoOverlap, describeRuns, readWitnessLog, type WitnessReport} from '../../e2e/support/witness-log.ts';
import {witness, type ServiceOf} from '../../e2e/support/witness.ts';
import {eventually} from '../../support/eventually.ts';
import {LabNode} from './lab-node.ts';

/** Two cores for five kernels: nodes launched at once must hear of each other while they listen, for three polls. */
const TIMINGS: Timings = {
  leaseTimeout: '12s',
  stopTimeout: '1s',
  safetyMargin: '1s',
  heartbeatInterval: '500ms',
  pollInterval: '1s',
};

export interface LabClusterOptions {
  /** How many, each on a client of its own: `n1` on `c1` and so on; all clients if not given. */
  readonly nodes?: number;
  readonly timings?: Partial<Timings>;
  /** A witness with a health check if not given. */
  readonly service?: ServiceOf;
  /** Who runs a node; root if not given. */
  readonly userOf?: (id: string) => User;
  /** More options for every launch. */
  readonly args?: readonly string[];
}

const CLI_MS = 120_000;
const MASTER_MS = 90_000;
const REMOVE_MS = 30_000;
const POLL_MS = 100;
let scenarios = 0;

/**
 * Runs `scenario` on a new cluster, whose store exists only after `init`. Afterwards the lab is healed and every agent that lives ended by
 * SIGTERM; the test fails if two runs of the service overlapped. On a failure the logs are printed. The lab is as new for the next one.
 */
export async function withLabCluster(
  lab: Lab,
  options: LabClusterOptions,
  scenario: (cluster: LabCluster) => Promise<void>,
): Promise<void> {
  const cluster = new LabCluster(lab, options);
  try {
    await cluster.prepare();
    await scenario(cluster);
    await cluster.stop();
    await cluster.witnessed();
  } catch (error) {
    process.stderr.write(`${await cluster.story()}\n`);
    throw error;
  } finally {
    await cluster.remove();
  }
}

export class LabCluster {
  readonly lab: Lab;
  readonly persistenceDir: string;
  readonly nodes: readonly LabNode[];

  constructor(lab: Lab, {nodes = lab.clients.length, timings, service = witness(), userOf, args = []}: LabClusterOptions) {
    scenarios += 1;
    const name = `scenario-${scenarios}`;
    this.lab = lab;
    this.persistenceDir = path.join(MOUNT_POINT, name);
    const given = Object.entries({...TIMINGS, ...timings}).flatMap(([key, value]) => [`--${key}`, value]);
    this.nodes = lab.clients.slice(0, nodes).map((machine, index) => {
      const places = {
        stateDir: path.join(OWN_DISK, name),
        scratchDir: path.join('/tmp', name),
        persistenceDir: this.persistenceDir,
      };
      const id = `n${index + 1}`;
      return new LabNode({lab, machine, id, ...places, service, user: userOf?.(id), args: [...given, ...args]});
    });
  }

  async prepare(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.prepare()));
    await this.lab.must(this.first.machine, ['mkdir', this.persistenceDir]);
  }

  /** `ha-agent init` */
  async init(): Promise<void> {
    const {status, stderr} = await this.cli('init', '--persistenceDir', this.persistenceDir);
    if (status !== 0) throw new Error(`init ended with ${status}: ${stderr}`);
  }

  /** `init`, launches every node at once, and waits until one is master and the others are its standbys. */
  async up(...args: readonly string[]): Promise<LabNode> {
    await this.init();
    await Promise.all(this.nodes.map((node) => node.launch(...args)));
    const master = await this.awaitMaster();
    await Promise.all(this.others(master).map((node) => node.untilState('STANDBY')));
    return master;
  }

  node(id: string): LabNode {
    const found = this.nodes.find((node) => node.id === id);
    if (!found) throw new Error(`there is no node ${id}`);
    return found;
  }

  /** The nodes but this one. */
  others(node: LabNode): readonly LabNode[] {
    return this.nodes.filter((each) => each !== node);
  }

  /** Who answers 200 on /master now, all that do. */
  async masters(): Promise<readonly LabNode[]> {
    const answers = await Promise.all(this.nodes.map(async (node) => ((await node.isMaster()) ? [node] : [])));
    return answers.flat();
  }

  /** Waits until one node, or this very one, is the only master. */
  async awaitMaster(id?: string, timeoutMs = MASTER_MS): Promise<LabNode> {
    return eventually(
      async () => {
        await sleep(POLL_MS);
        const [master, another] = await this.masters();
        return another === undefined && (id === undefined || master?.id === id) && master;
      },
      timeoutMs,
      id === undefined ? 'no node is master' : `${id} is not master`,
    );
  }

  /** Powers the machine of a node on again, with its own disk as it was; its agent is not launched by that. */
  async boot(node: LabNode): Promise<void> {
    await this.lab.boot(node.machine);
    await node.prepare();
  }

  /** Runs a command of the command line to its end, as root on the first node's machine if not told otherwise. */
  async cli(...args: readonly string[]): Promise<RunResult> {
    return this.cliOn(this.first, ...args);
  }

  async cliBy(user: User | undefined, ...args: readonly string[]): Promise<RunResult> {
    return this.cliOf(this.first, user, args);
  }

  async cliOn(node: LabNode, ...args: readonly string[]): Promise<RunResult> {
    return this.cliOf(node, undefined, args);
  }

  private async cliOf({machine}: LabNode, user: User | undefined, args: readonly string[]): Promise<RunResult> {
    const [program, rest] = commandLine(user, args);
    return this.lab.run(machine, [program, ...rest], {timeoutMs: CLI_MS});
  }

  /** What the owners wrote about themselves, by epoch. */
  async history(node = this.first): Promise<readonly EpochRecord[]> {
    const {status, stdout, stderr} = await this.cliOn(node, 'history', '--json', '--persistenceDir', this.persistenceDir);
    if (status !== 0) throw new Error(`history ended with ${status}: ${stderr}`);
    return JSON.parse(stdout) as EpochRecord[];
  }

  /** Heals what is cut or frozen, and ends every agent that lives; machines that are off stay off. */
  async stop(): Promise<void> {
    await this.lab.heal();
    const on = await this.machinesOn();
    for (const node of this.nodes.filter(({machine, isRunning}) => isRunning && on.includes(machine))) {
      await node.signal('SIGCONT', 'agent');
      await node.terminate();
    }
  }

  /** What the witnesses have written so far, on this host's clock; of a machine that is off or frozen, what came before. @throws Error on an overlap */
  async witnessed(): Promise<WitnessReport> {
    const {nodes} = await this.lab.status();
    const answering = nodes.filter(({state}) => state === 'on').map(({node}) => node);
    await Promise.all(this.nodes.filter(({machine}) => answering.includes(machine)).map((node) => node.witness.flush()));
    return assertNoOverlap(this.witnessLog());
  }

  /** Everything that helps to understand a failure. */
  async story(): Promise<string> {
    const {runs, faults} = readWitnessLog(this.witnessLog());
    const stories = await Promise.all(this.nodes.map((node) => node.story()));
    const status = await this.lab.status();
    return [...stories, '----- witnessed', describeRuns(runs), ...faults, '----- the lab', JSON.stringify(status)].join('\n');
  }

  /** Ends whatever is left on the clients, undoes all that was done to the lab, and removes the store. */
  async remove(): Promise<void> {
    for (const node of this.nodes) node.witness.release();
    await this.lab.reset();
    const places = this.nodes.map(({machine, plan}) => this.lab.must(machine, ['rm', '-rf', plan.stateDir, plan.scratchDir]));
    await Promise.all(places);
    // The kernel may still be sending what a process that was killed had asked for.
    await eventually(
      () => this.lab.must(this.first.machine, ['rm', '-rf', this.persistenceDir]),
      REMOVE_MS,
      `${this.persistenceDir} cannot be removed`,
    );
  }

  private get first(): LabNode {
    const [first] = this.nodes;
    if (!first) throw new Error('a cluster has at least one node');
    return first;
  }

  /** Thaws what is frozen. */
  private async machinesOn(): Promise<string[]> {
    const {nodes} = await this.lab.status();
    for (const {node} of nodes.filter(({state}) => state === 'frozen')) await this.lab.thaw(node);
    return nodes.filter(({state}) => state !== 'off').map(({node}) => node);
  }

  private witnessLog(): string {
    return this.nodes.map((node) => node.witness.text()).join('');
  }
}

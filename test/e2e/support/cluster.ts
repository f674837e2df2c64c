// A cluster of real processes for one test: set up, watched by its witnesses, ended by number, and removed in any case.
import {chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {createServer} from 'node:net';
import {join} from 'node:path';
import {signal} from '../../../lib/guardian/proc.ts';
import type {EpochRecord} from '../../../lib/store/contract.ts';
import {eventually} from '../../support/eventually.ts';
import {makeTempDir, removeTempDir} from '../../support/temp-dir.ts';
import {runCommand, type CommandResult, type User} from './command.ts';
import {TestNode, type Launch, type Within} from './node.ts';
import {describeProcesses, killAll, processesOf} from './processes.ts';
import {assertNoOverlap, describeRuns, readWitnessLog, type WitnessReport} from './witness-log.ts';
import {witness, type ServiceOf} from './witness.ts';

export interface Timings {
  readonly leaseTimeout: string;
  readonly stopTimeout: string;
  readonly safetyMargin: string;
  readonly heartbeatInterval: string;
  readonly pollInterval: string;
}

/** As quick as a noisy machine allows: one that stands still for a few seconds costs no service. Who waits for no silence takes a longer lease. */
const QUICK: Timings = {
  leaseTimeout: '6s',
  stopTimeout: '500ms',
  safetyMargin: '500ms',
  heartbeatInterval: '200ms',
  pollInterval: '200ms',
};

/**
 * For tests in which a certain one of several nodes has to follow, and nobody waits for a silence. Such a node has to be heard within five
 * heartbeats, not to miss three of its polls, and the next in order waits two polls longer: a busy machine may stand still for more than that
 * where they are quick.
 */
export const CALM = {leaseTimeout: '60s', heartbeatInterval: '1s', pollInterval: '1s'} as const satisfies Partial<Timings>;

export interface ClusterOptions {
  readonly nodes: readonly string[];
  /** `config`: those of the config file. */
  readonly timings?: Partial<Timings> | 'config';
  /** A witness with a health check if not given. */
  readonly service?: ServiceOf;
  readonly containment?: 'namespace' | 'group';
  /** Who runs all of it, if not whoever runs the tests. */
  readonly user?: User;
  /** Who runs a node, if not `user`. */
  readonly userOf?: (id: string) => User;
  /** More options for every launch. */
  readonly args?: readonly string[];
  /** Where each node runs, if not where the tests do. */
  readonly within?: (id: string) => Within;
  /** More variables for every process. */
  readonly env?: NodeJS.ProcessEnv;
}

/** For whatever ends by itself once its agent is told to, ms. */
const END_MS = 60_000;
const TOLD_MS = 30_000;

/**
 * Runs `scenario` on a new cluster, whose store exists only after `init`. Afterwards every agent that lives is ended by SIGTERM; the test
 * fails if any process of the cluster is left then, or if two runs of the service overlapped. On a failure the logs are printed.
 */
export async function withCluster(options: ClusterOptions, scenario: (cluster: Cluster) => Promise<void>): Promise<void> {
  const cluster = await Cluster.create(options);
  try {
    await scenario(cluster);
    await cluster.stop();
    cluster.assertNothingLeft();
    cluster.witnessed();
  } catch (error) {
    process.stderr.write(`${cluster.story()}\n`);
    throw error;
  } finally {
    await cluster.remove();
  }
}

export class Cluster {
  readonly root: string;
  readonly persistenceDir: string;
  /** What all witnesses append to. */
  readonly logFile: string;
  readonly nodes: readonly TestNode[];
  private readonly options: ClusterOptions;
  private readonly closers: (() => Promise<void>)[] = [];

  private constructor(root: string, options: ClusterOptions, ports: readonly number[]) {
    this.root = root;
    this.options = options;
    this.persistenceDir = join(root, 'store');
    this.logFile = join(root, 'logs', 'witness.log');
    this.nodes = options.nodes.map((id, index) => this.makeNode(id, ports[index] ?? 0));
  }

  static async create(options: ClusterOptions): Promise<Cluster> {
    const root = await makeTempDir();
    const ports: number[] = [];
    while (ports.length < options.nodes.length) ports.push(await freePort(ports));
    const cluster = new Cluster(root, options, ports);
    chmodSync(root, 0o755);
    writeFileSync(join(root, 'note'), 'a cluster of the end-to-end tests\n');
    for (const name of ['store', 'logs']) cluster.makeDirectory(join(root, name), options.user);
    for (const {id, plan} of cluster.nodes) cluster.makeDirectory(join(root, id), plan.user);
    return cluster;
  }

  /** `ha-agent init` */
  async init(): Promise<void> {
    const {code, stderr} = await this.cli('init', '--persistenceDir', this.persistenceDir);
    if (code !== 0) throw new Error(`init ended with ${code}: ${stderr}`);
  }

  /** `init`, then launches every node and waits until one is master, the lowest id unless it was slow, and the others follow and are counted. */
  async up(...args: readonly string[]): Promise<TestNode> {
    await this.init();
    await Promise.all(this.nodes.map((node) => node.launch(...args)));
    const master = await this.untilMaster();
    await Promise.all(this.others(master).map((node) => node.untilState('STANDBY')));
    for (const {id} of this.others(master)) await this.untilCounted(master, id);
    return master;
  }

  /** `up` of two nodes. */
  async upAsPair(...args: readonly string[]): Promise<{readonly master: TestNode; readonly other: TestNode}> {
    const master = await this.up(...args);
    const [other, ...more] = this.others(master);
    if (!other || more.length > 0) throw new Error('two nodes are a pair');
    return {master, other};
  }

  /**
   * Waits until this node may follow `owner` at once: it has listened, and `owner` has heard it twice, and that it can serve. A switchover
   * before that is refused, and after a release another one may come first.
   */
  async untilCounted(owner: TestNode, id: string): Promise<void> {
    await eventually(
      async () => {
        const seen = (await owner.state()).nodes[id];
        const {phase} = await this.node(id).state();
        return typeof seen?.lastSeenMs === 'number' && seen.eligible && phase !== 'listening';
      },
      END_MS,
      `${owner.id} does not count ${id} among those that could follow`,
    );
  }

  async launch(id: string, ...args: readonly string[]): Promise<Launch> {
    return this.node(id).launch(...args);
  }

  node(id: string): TestNode {
    const found = this.nodes.find((node) => node.id === id);
    if (!found) throw new Error(`there is no node ${id}`);
    return found;
  }

  /** The nodes but this one. */
  others(node: TestNode): readonly TestNode[] {
    return this.nodes.filter((each) => each !== node);
  }

  /** Who answers 200 on /master now, if it is one node alone. */
  async master(): Promise<TestNode | undefined> {
    const masters: TestNode[] = [];
    const launched = this.nodes.filter((node) => node.wasLaunched);
    for (const node of launched) if (await node.isMaster()) masters.push(node);
    return masters.length === 1 ? masters[0] : undefined;
  }

  /** Waits until one node, or this very one, is the only master. */
  async untilMaster(id?: string, timeoutMs = 60_000): Promise<TestNode> {
    return eventually(
      async () => {
        const master = await this.master();
        return (id === undefined || master?.id === id) && master;
      },
      timeoutMs,
      `${id ?? 'no node'} is ${id === undefined ? '' : 'not '}master`,
    );
  }

  /** Runs a command of the command line to its end, as the user of the cluster. */
  async cli(...args: readonly string[]): Promise<CommandResult> {
    return runCommand(args, {cwd: this.root, env: this.environment(), user: this.options.user});
  }

  /** What the owners wrote about themselves, by epoch. */
  async history(): Promise<readonly EpochRecord[]> {
    const {code, stdout, stderr} = await this.cli('history', '--json', '--persistenceDir', this.persistenceDir);
    if (code !== 0) throw new Error(`history ended with ${code}: ${stderr}`);
    return JSON.parse(stdout) as EpochRecord[];
  }

  /** Waits until the history is as `check` expects it: an epoch and its end are written a moment after they were to be seen. */
  async untilTold(check: (records: readonly EpochRecord[]) => void): Promise<readonly EpochRecord[]> {
    return eventually(
      async () => {
        const records = await this.history();
        check(records);
        return records;
      },
      TOLD_MS,
      'the history is not as expected',
    );
  }

  /** Called before the check that nothing is left, last one first. */
  atEnd(close: () => Promise<void>): void {
    this.closers.push(close);
  }

  /** Thaws everything, ends every agent that lives, and waits until every process of the cluster has gone. */
  async stop(): Promise<void> {
    const running = this.nodes.filter((node) => node.wasLaunched && node.isRunning());
    for (const each of processesOf(this.root)) signal(each, 'SIGCONT');
    for (const node of running) node.signal('SIGTERM', 'agent');
    for (const node of running) await node.exit();
    for (let close = this.closers.pop(); close; close = this.closers.pop()) await close();
    await eventually(
      () => {
        this.assertNothingLeft();
        return true;
      },
      END_MS,
      'the cluster has not ended',
    );
  }

  assertNothingLeft(): void {
    const left = processesOf(this.root);
    if (left.length > 0) throw new Error(`left behind:\n${describeProcesses(left)}`);
  }

  /** What the witnesses have written so far. @throws Error on an overlap */
  witnessed(): WitnessReport {
    return assertNoOverlap(this.witnessLog());
  }

  /** Everything that helps to understand a failure. */
  story(): string {
    const {runs, faults} = readWitnessLog(this.witnessLog());
    const left = describeProcesses(processesOf(this.root));
    return [
      ...this.nodes.map((node) => node.story()),
      '----- witnessed',
      describeRuns(runs),
      ...faults,
      '----- running',
      left,
    ].join('\n');
  }

  /** Kills what is left and removes all directories. */
  async remove(): Promise<void> {
    for (let close = this.closers.pop(); close; close = this.closers.pop()) {
      // After a failure this may fail too, and the first one is the one that counts.
      await close().catch((error: unknown) => process.stderr.write(`${String(error)}\n`));
    }
    await killAll(this.root);
    await removeTempDir(this.root);
  }

  private witnessLog(): string {
    return readFileSync(this.logFile, {encoding: 'utf8', flag: 'a+'});
  }

  private makeNode(id: string, port: number): TestNode {
    const {root, persistenceDir, logFile, options} = this;
    const {containment, user, service = witness(), args = []} = options;
    const place = {nodeId: id, logFile, port};
    const given: Partial<Timings> = options.timings === 'config' ? {} : {...QUICK, ...options.timings};
    const timings = Object.entries(given).flatMap(([key, value]) => [`--${key}`, value]);
    const held = containment ? ['--containment', containment] : [];
    const all = [...timings, ...held, '--port', '0', ...args];
    return new TestNode({
      id,
      root,
      persistenceDir,
      place,
      service: service(place),
      args: all,
      env: this.environment(),
      user: options.userOf?.(id) ?? user,
      within: options.within?.(id),
    });
  }

  /** What every process of the cluster gets: by it they are found again. */
  environment(): NodeJS.ProcessEnv {
    return {PATH: process.env['PATH'], LANG: 'C', HOME: this.root, HA_E2E: this.root, ...this.options.env};
  }

  private makeDirectory(directory: string, user: User | undefined): void {
    mkdirSync(directory, {mode: 0o755});
    if (user) chownSync(directory, user.uid, user.gid);
  }
}

/** A port that nobody is given by chance: below the range for outgoing connections. */
export async function freePort(taken: readonly number[] = []): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    if (!taken.includes(port) && (await isFree(port))) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

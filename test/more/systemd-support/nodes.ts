// Nodes of one cluster as units of one systemd, made by `ha-agent service install`, with witnesses as their services.
import {mkdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import type {SummaryView} from '../../../lib/http/views.ts';
import type {EpochRecord} from '../../../lib/store/contract.ts';
import {eventually} from '../../support/eventually.ts';
import {makeTempDir, removeTempDir} from '../../support/temp-dir.ts';
import {ask} from '../../e2e/support/ask.ts';
import {freePort} from '../../e2e/support/cluster.ts';
import type {CommandResult} from '../../e2e/support/command.ts';
import {describeProcesses, killAll, processesOf, type FoundProcess} from '../../e2e/support/processes.ts';
import type {Served} from '../../e2e/support/node.ts';
import {WITNESS, type WitnessMode} from '../../e2e/support/witness.ts';
import {assertNoOverlap, describeRuns, readWitnessLog, type WitnessReport} from '../../e2e/support/witness-log.ts';
import type {SystemdMachine} from './machine.ts';

/** As quick as a noisy machine allows; a lease that nobody waits out unless the test wants that. */
const TIMINGS = {
  leaseTimeout: '60s',
  stopTimeout: '5s',
  safetyMargin: '500ms',
  heartbeatInterval: '200ms',
  pollInterval: '200ms',
};
const END_MS = 60_000;
const TOLD_MS = 30_000;

export interface UnitNodesOptions {
  readonly nodes: readonly string[];
  readonly timings?: Partial<typeof TIMINGS>;
  /** `systemd`: the witness is a unit of its own. */
  readonly kind?: 'exec' | 'systemd';
  readonly witness?: readonly WitnessMode[];
  /** Lines for the [Service] section of the witness's unit. */
  readonly unitLines?: readonly string[];
  /** More options of the launch. */
  readonly args?: readonly string[];
}

/** Runs `scenario` with new nodes, whose store exists; afterwards nothing of them may be left, and no two witnesses may have overlapped. */
export async function withUnitNodes(
  machine: SystemdMachine,
  options: UnitNodesOptions,
  scenario: (nodes: UnitNodes) => Promise<void>,
): Promise<void> {
  const nodes = await UnitNodes.create(machine, options);
  try {
    await scenario(nodes);
    await nodes.stop();
    nodes.witnessed();
  } catch (error) {
    process.stderr.write(`${await nodes.story()}\n`);
    throw error;
  } finally {
    await nodes.remove();
  }
}

export class UnitNode {
  readonly id: string;
  /** The unit of the agent. */
  readonly unit: string;
  /** The unit of the service, where it is one. */
  readonly serviceUnit: string;
  readonly directory: string;
  readonly port: number;
  readonly servicePort: number;

  constructor(id: string, name: string, directory: string, ports: readonly [number, number]) {
    this.id = id;
    this.unit = `ha-agent-${name}-${id}.service`;
    this.serviceUnit = `witness-${name}@${id}.service`;
    this.directory = directory;
    [this.port, this.servicePort] = ports;
  }

  async isMaster(): Promise<boolean> {
    return ask(`http://127.0.0.1:${this.port}/master`, {timeoutMs: 1_000}).then(
      ({status}) => status === 200,
      () => false,
    );
  }

  async state(): Promise<SummaryView> {
    const {status, text} = await ask(`http://127.0.0.1:${this.port}/v1/server/ha/states`);
    if (status !== 200) throw new Error(`${this.id} answers ${status}: ${text}`);
    return JSON.parse(text) as SummaryView;
  }

  async untilState(state: string): Promise<SummaryView> {
    return eventually(
      async () => {
        const view = await this.state();
        if (view.state !== state) throw new Error(`it is ${view.state}, because ${view.because}`);
        return view;
      },
      60_000,
      `${this.id} is not ${state}`,
    );
  }

  /** What its witness answers as soon as it serves. */
  served(): Promise<Served> {
    const look = async (): Promise<Served> => JSON.parse((await ask(`http://127.0.0.1:${this.servicePort}/`)).text) as Served;
    return eventually(look, 45_000, `no witness of ${this.id} serves`);
  }

  log(): string {
    return readFileSync(join(this.directory, 'agent.log'), {encoding: 'utf8', flag: 'a+'});
  }
}

export class UnitNodes {
  readonly machine: SystemdMachine;
  readonly root: string;
  readonly nodes: readonly UnitNode[];
  private readonly options: UnitNodesOptions;

  private constructor(machine: SystemdMachine, root: string, options: UnitNodesOptions, ports: readonly number[]) {
    this.machine = machine;
    this.root = root;
    this.options = options;
    const name = root.slice(-6).replaceAll(/[^A-Za-z0-9]/g, '0');
    this.nodes = options.nodes.map(
      (id, index) => new UnitNode(id, name, join(root, id), [ports[2 * index] ?? 0, ports[2 * index + 1] ?? 0]),
    );
  }

  static async create(machine: SystemdMachine, options: UnitNodesOptions): Promise<UnitNodes> {
    const root = await makeTempDir();
    const ports: number[] = [];
    while (ports.length < 2 * options.nodes.length) ports.push(await freePort(ports));
    const nodes = new UnitNodes(machine, root, options, ports);
    for (const {directory} of nodes.nodes) mkdirSync(directory);
    mkdirSync(nodes.store);
    await machine.must(machine.cli('init', '--persistenceDir', nodes.store));
    return nodes;
  }

  get store(): string {
    return join(this.root, 'store');
  }

  node(id: string): UnitNode {
    const found = this.nodes.find((node) => node.id === id);
    if (!found) throw new Error(`there is no node ${id}`);
    return found;
  }

  /** `ha-agent service install`, and the unit of the witness where there is one. */
  async install(node: UnitNode, ...more: readonly string[]): Promise<CommandResult> {
    const {kind = 'exec', args = []} = this.options;
    if (kind === 'systemd') await this.addWitness(node);
    const timings = Object.entries({...TIMINGS, ...this.options.timings}).map(([key, value]) => `--${key}=${value}`);
    const own = [`--unit=${node.unit}`, `--persistenceDir=${this.store}`, `--nodeId=${node.id}`, `--port=${node.port}`];
    const place = [`--stateDir=${node.directory}`, `--logFile=${join(node.directory, 'agent.log')}`];
    const service = kind === 'systemd' ? [`--systemdUnit=${node.serviceUnit}`] : ['--', ...this.witnessOf(node)];
    return this.machine.cli('service', 'install', ...own, ...place, ...timings, ...args, ...more, ...service);
  }

  /** Installs and starts every node and waits until the first is master and the others follow. */
  async up(): Promise<readonly [master: UnitNode, other: UnitNode]> {
    for (const node of this.nodes) {
      await this.machine.must(this.install(node));
      await this.machine.must(this.machine.systemctl('start', node.unit));
    }
    const master = await this.untilMaster();
    const others = this.nodes.filter((node) => node !== master);
    // Its passive form has run: the gate of its unit is in place.
    for (const node of others) await eventually(async () => (await node.state()).eligible, 60_000, `${node.id} is not eligible`);
    const [other = master] = others;
    return [master, other];
  }

  async untilMaster(wanted?: UnitNode): Promise<UnitNode> {
    return eventually(
      async () => {
        const masters: UnitNode[] = [];
        for (const node of this.nodes) if (await node.isMaster()) masters.push(node);
        const [master] = masters;
        return masters.length === 1 && (!wanted || master === wanted) && master;
      },
      60_000,
      `${wanted?.id ?? 'no node'} is ${wanted ? 'not ' : ''}master`,
    );
  }

  async history(): Promise<readonly EpochRecord[]> {
    return JSON.parse(
      await this.machine.must(this.machine.cli('history', '--json', '--persistenceDir', this.store)),
    ) as EpochRecord[];
  }

  /** Waits until the history is as `check` expects it: an epoch and its end are written a moment after they were to be seen. */
  async untilTold(check: (records: readonly EpochRecord[]) => void): Promise<void> {
    await eventually(
      async () => {
        check(await this.history());
        return true;
      },
      TOLD_MS,
      'the history is not as expected',
    );
  }

  /** Living witnesses of this node. */
  witnesses(node: UnitNode): FoundProcess[] {
    return processesOf(`--node=${node.id}`).filter(({words}) => words[1] === WITNESS && words.includes(`--log=${this.logFile}`));
  }

  /** What the witness of this node has left behind, with `--escape`. */
  escapees = (node: UnitNode): FoundProcess[] => this.witnesses(node).filter(({words}) => words[2] === 'escapee');

  witnessed(): WitnessReport {
    return assertNoOverlap(this.witnessLog());
  }

  /** Stops every agent; nothing of them may be left then. */
  async stop(): Promise<void> {
    for (const node of this.nodes) await this.machine.systemctl('stop', node.unit);
    await eventually(() => this.assertNothingLeft(), END_MS, 'something is left behind');
  }

  async story(): Promise<string> {
    const units = this.nodes.flatMap(({unit, serviceUnit}) => [unit, serviceUnit]);
    const {stdout} = await this.machine.systemctl('status', '--lines=0', '--full', ...units);
    const {runs, faults} = readWitnessLog(this.witnessLog());
    const logs = this.nodes.flatMap((node) => [`----- ${node.id}`, lastLines(node.log()), ...this.guardianLog(node)]);
    return [...logs, '----- systemd', this.machine.story(), stdout, '----- witnessed', describeRuns(runs), ...faults].join('\n');
  }

  async remove(): Promise<void> {
    for (const {unit, serviceUnit} of this.nodes) {
      await this.machine.systemctl('kill', '--signal=KILL', unit, serviceUnit);
      await this.machine.systemctl('disable', unit);
      await this.machine.systemctl('stop', unit, serviceUnit);
    }
    await killAll(this.root);
    await removeTempDir(this.root);
  }

  /** The witness as an operator's unit, as a template: what is not enabled cannot start at boot. */
  private async addWitness({serviceUnit, ...node}: UnitNode): Promise<void> {
    const lines = ['[Service]', `ExecStart=${this.witnessOf(node).join(' ')}`, ...(this.options.unitLines ?? [])];
    await this.machine.addUnit(serviceUnit, `${lines.join('\n')}\n`);
  }

  private witnessOf({id, servicePort}: Pick<UnitNode, 'id' | 'servicePort'>): string[] {
    const own = [`--log=${this.logFile}`, `--node=${id}`, `--port=${servicePort}`];
    return [process.execPath, WITNESS, ...own, ...(this.options.witness ?? [])];
  }

  private get logFile(): string {
    return join(this.root, 'witness.log');
  }

  private witnessLog(): string {
    return readFileSync(this.logFile, {encoding: 'utf8', flag: 'a+'});
  }

  private guardianLog(node: UnitNode): string[] {
    const text = readFileSync(join(node.directory, 'guardian.log'), {encoding: 'utf8', flag: 'a+'});
    return [`----- ${node.id}, guardian`, lastLines(text)];
  }

  private assertNothingLeft(): true {
    const left = processesOf(this.root);
    if (left.length > 0) throw new Error(describeProcesses(left));
    return true;
  }
}

const lastLines = (text: string, lines = 60): string => text.trimEnd().split('\n').slice(-lines).join('\n');

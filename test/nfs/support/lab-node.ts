// One node of a cluster in the lab: agent, guardian and service on a machine of their own, and what they answer over the management network.
import path from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import type {SummaryView} from '../../../lib/http/views.ts';
import type {LabAnswer, LabFetchOptions} from '../../../scripts/nfs-lab/fetch.ts';
import type {LabProcess, ProcessEnd} from '../../../scripts/nfs-lab/guest.ts';
import type {Lab} from '../../../scripts/nfs-lab/lab.ts';
import {managementAddress} from '../../../scripts/nfs-lab/plan.ts';
import type {Part} from '../../e2e/support/node.ts';
import {commandLine, type User} from '../../e2e/support/command.ts';
import {lastLines, saysMaster, stateOf, untilState} from '../../e2e/support/node-answers.ts';
import type {ServiceOf} from '../../e2e/support/witness.ts';
import {eventually} from '../../support/eventually.ts';
import {WitnessStream} from './witness-stream.ts';

export interface LabNodePlan {
  readonly lab: Lab;
  readonly id: string;
  readonly machine: string;
  /** On the share. */
  readonly persistenceDir: string;
  /** On the machine's own disk, which survives a power cut: the agent's local state and its pid file. */
  readonly stateDir: string;
  /** On the machine's memory: configuration and the witness's log. */
  readonly scratchDir: string;
  readonly service: ServiceOf;
  /** Root if not given. */
  readonly user: User | undefined;
  /** Options of every launch, before those of the launch itself. */
  readonly args: readonly string[];
}

const AGENT_PORT = 8081;
const SERVICE_PORT = 8090;
const PROMISE_MS = 60_000;
const STATE_MS = 60_000;
const END_MS = 60_000;
/** The lab shares two cores, and each question costs a machine some ms. */
const POLL_MS = 100;
const LOG_CHARS_MAX = 400_000;

export class LabNode {
  readonly plan: LabNodePlan;
  readonly id: string;
  readonly machine: string;
  readonly witness: WitnessStream;
  /** What all launches wrote to standard error, the last of it. */
  log = '';
  private readonly lab: Lab;
  private agent: {readonly process: LabProcess; stdout: string; end: ProcessEnd | undefined} | undefined;

  constructor(plan: LabNodePlan) {
    this.plan = plan;
    this.id = plan.id;
    this.machine = plan.machine;
    this.lab = plan.lab;
    this.witness = new WitnessStream(plan.lab, plan.machine, this.witnessFile);
  }

  /** Makes its directories and begins to listen to its witness; again after each boot of the machine. */
  async prepare(): Promise<void> {
    const {stateDir, scratchDir, user} = this.plan;
    await this.lab.must(this.machine, ['mkdir', '-p', stateDir, scratchDir]);
    if (user) await this.lab.must(this.machine, ['chown', `${user.uid}:${user.gid}`, stateDir, scratchDir]);
    const {config} = this.service;
    if (config) await this.lab.must(this.machine, ['tee', this.configFile], {input: JSON.stringify(config)});
    await this.witness.follow();
  }

  /** Starts an agent and waits for the promise line. @throws Error if it ends before */
  async launch(...args: readonly string[]): Promise<void> {
    await this.start(...args);
    const {agent} = this;
    await eventually(
      () => (agent?.stdout.includes('\n') ?? false) || agent?.end !== undefined,
      PROMISE_MS,
      `${this.id} prints no promise line`,
    );
    if (agent?.end) throw new Error(`${this.id} ended at once with ${JSON.stringify(agent.end)}: ${this.log}`);
  }

  /** Starts an agent that may also refuse to, or hang: the share need not answer. */
  async start(...args: readonly string[]): Promise<void> {
    const launch: {stdout: string; end: ProcessEnd | undefined} = {stdout: '', end: undefined};
    const process = await this.lab.start(this.machine, this.commandLine(args), {
      cwd: this.plan.stateDir,
      onStdout: (piece) => (launch.stdout += piece.toString()),
      onStderr: (piece) => (this.log = (this.log + piece.toString()).slice(-LOG_CHARS_MAX)),
    });
    const agent = Object.assign(launch, {process});
    this.agent = agent;
    void process.exit.then((end) => (agent.end = end));
  }

  get wasLaunched(): boolean {
    return this.agent !== undefined;
  }

  get isRunning(): boolean {
    return this.agent !== undefined && this.agent.end === undefined;
  }

  /** What the promise line and whatever follows it said. */
  get stdout(): string {
    return this.agent?.stdout ?? '';
  }

  /** As the machine numbers it. */
  async pid(part: Part): Promise<number> {
    if (part === 'agent') {
      if (!this.agent) throw new Error(`${this.id} was never launched`);
      return this.agent.process.pid;
    }
    const text = await this.lab.must(this.machine, ['cat', path.join(this.plan.stateDir, 'guardian.json')]);
    return (JSON.parse(text) as {record: {guardian: {pid: number}}}).record.guardian.pid;
  }

  async signal(signal: NodeJS.Signals, ...parts: readonly Part[]): Promise<void> {
    const pids = await Promise.all(parts.map((part) => this.pid(part)));
    await this.lab.must(this.machine, ['kill', '-s', signal.replace('SIG', ''), ...pids.map(String)]);
  }

  /** kill -9, and waits until they are gone. */
  async kill(...parts: readonly Part[]): Promise<void> {
    const pids = await Promise.all(parts.map((part) => this.pid(part)));
    await this.signal('SIGKILL', ...parts);
    await eventually(
      async () => {
        await sleep(POLL_MS);
        const {status} = await this.lab.run(this.machine, ['kill', '-0', ...pids.map(String)]);
        return status !== 0;
      },
      END_MS,
      `${parts.join(' and ')} of ${this.id} do not die of SIGKILL`,
    );
  }

  async end(timeoutMs = END_MS): Promise<ProcessEnd> {
    return eventually(() => this.agent?.end, timeoutMs, `the agent of ${this.id} has not ended`);
  }

  /** SIGTERM to the agent, then waits for its end. */
  async terminate(): Promise<ProcessEnd> {
    await this.signal('SIGTERM', 'agent');
    return this.end();
  }

  async get(url: string, options?: LabFetchOptions): Promise<LabAnswer> {
    return this.lab.fetch(this.machine, AGENT_PORT, url, options);
  }

  /** What /v1/server/ha/states says: the whole view of this node. */
  async state(): Promise<SummaryView> {
    return stateOf(this);
  }

  /** Whether a proxy would send users here; who does not answer is no master. */
  async isMaster(): Promise<boolean> {
    if (!this.isRunning) return false;
    return saysMaster(this, {timeoutMs: 2_000});
  }

  async untilState(state: string, timeoutMs = STATE_MS): Promise<SummaryView> {
    return untilState(this, state, {timeoutMs, pauseMs: POLL_MS});
  }

  /** Everything that helps to understand a failure; the machine may be gone. */
  async story(lines = 60): Promise<string> {
    const file = path.join(this.plan.stateDir, 'guardian.log');
    const guardian = await this.lab.run(this.machine, ['tail', '-n', String(lines), file], {timeoutMs: 5_000}).then(
      ({stdout, stderr}) => stdout || stderr,
      (error: unknown) => String(error),
    );
    const head = `----- agent of ${this.id} on ${this.machine}`;
    return [head, lastLines(this.log, lines), `----- its ${file}`, lastLines(guardian, lines)].join('\n');
  }

  private get witnessFile(): string {
    return path.join(this.plan.scratchDir, 'witness.log');
  }

  private get configFile(): string {
    return path.join(this.plan.scratchDir, 'config.json');
  }

  private get service(): ReturnType<ServiceOf> {
    return this.plan.service({nodeId: this.id, logFile: this.witnessFile, port: SERVICE_PORT});
  }

  private commandLine(args: readonly string[]): string[] {
    const {persistenceDir, stateDir, user} = this.plan;
    const address = managementAddress(this.machine);
    const {config, command} = this.service;
    const [program, words] = commandLine(user, [
      ...['launch', '--persistenceDir', persistenceDir, '--stateDir', stateDir, '--nodeId', this.id],
      ...['--pidFile', path.join(stateDir, 'pid.txt'), '--bindAddress', address, '--port', String(AGENT_PORT), '--insecure'],
      ...['--uri', `http://${address}:${AGENT_PORT}/`],
      ...this.plan.args,
      ...(config ? ['--config', this.configFile] : []),
      ...args,
      ...(command ? ['--', ...command] : []),
    ]);
    return [program, ...words];
  }
}

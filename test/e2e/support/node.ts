// One node of a test cluster: its agent, guardian and service as processes, and what it answers.
import {spawn, type ChildProcess} from 'node:child_process';
import {closeSync, openSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {isStopped} from '../../../lib/agent/process-look.ts';
import {hasCode, identityOf, isAlive, signal, type ProcessIdentity} from '../../../lib/guardian/proc.ts';
import type {SummaryView} from '../../../lib/http/views.ts';
import {eventually} from '../../support/eventually.ts';
import {ask, type Answer, type AskOptions} from './ask.ts';
import {commandLine, type User} from './command.ts';
import {lastLines, saysMaster, stateOf, untilState} from './node-answers.ts';
import {processesOf, untilGone} from './processes.ts';
import {WITNESS, type Service, type ServicePlace} from './witness.ts';

export type Part = 'agent' | 'guardian';

/** What a node is made of; its directories exist. */
export interface NodePlan {
  readonly id: string;
  readonly root: string;
  readonly persistenceDir: string;
  readonly service: Service;
  readonly place: ServicePlace;
  /** Options of every launch, before those of the launch itself. */
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly user: User | undefined;
  /** Where it runs, if not where the tests do. */
  readonly within: Within | undefined;
}

/** Another network namespace. */
export interface Within {
  /** What a command is started through; its process becomes the command. */
  readonly prefix: readonly string[];
  /** An HTTP request made from there. */
  readonly ask: (url: string, options?: AskOptions) => Promise<Answer>;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What a witness answers; `pid` as it sees itself. */
export interface Served {
  readonly node: string;
  readonly epoch: string;
  readonly family: string;
  readonly pid: number;
  /** Whether all that it was to print has been read. */
  readonly printed: boolean;
}

/** One start of the agent. */
export interface Launch {
  readonly child: ChildProcess;
  readonly agent: ProcessIdentity;
  readonly exit: Promise<Exit>;
  exited: Exit | undefined;
}

const PROMISE_MS = 60_000;

export class TestNode {
  readonly plan: NodePlan;
  readonly id: string;
  readonly stateDir: string;
  readonly pidFile: string;
  private readonly launches: Launch[] = [];

  constructor(plan: NodePlan) {
    this.plan = plan;
    this.id = plan.id;
    this.stateDir = join(plan.root, plan.id);
    this.pidFile = join(this.stateDir, 'pid.txt');
  }

  /** Starts an agent and waits for the promise line. @throws Error if it ends before */
  async launch(...args: readonly string[]): Promise<Launch> {
    const launch = this.start(...args);
    const promise = await eventually(
      () => (launch.exited ? 'none' : this.stdout().includes('\n') && 'printed'),
      PROMISE_MS,
      `${this.id} prints no promise line`,
    );
    if (promise === 'none') throw new Error(`${this.id} ended at once with ${JSON.stringify(launch.exited)}: ${this.log()}`);
    return launch;
  }

  /** Starts an agent that may also refuse to. It leads a process group of its own. */
  start(...args: readonly string[]): Launch {
    const {persistenceDir, service, env, user, within} = this.plan;
    const config = service.config && ['--config', this.writeConfig(service.config)];
    const own = ['--persistenceDir', persistenceDir, '--stateDir', this.stateDir, '--pidFile', this.pidFile, '--nodeId', this.id];
    const command = service.command ? ['--', ...service.command] : [];
    const [program, rest] = commandLine(user, ['launch', ...own, ...this.plan.args, ...(config ?? []), ...args, ...command]);
    const [first = '', ...others] = [...(within?.prefix ?? []), program, ...rest];
    this.launches.push(this.spawn(first, others, {...env, HA_E2E_NODE: this.id}));
    return this.current;
  }

  /** The launch that came last. */
  get current(): Launch {
    const last = this.launches.at(-1);
    if (!last) throw new Error(`${this.id} was never launched`);
    return last;
  }

  get wasLaunched(): boolean {
    return this.launches.length > 0;
  }

  get agentPid(): number {
    return this.current.agent.pid;
  }

  /** The guardian that the state directory names. */
  get guardian(): ProcessIdentity {
    const {record} = JSON.parse(readFileSync(join(this.stateDir, 'guardian.json'), 'utf8')) as {
      record: {guardian: ProcessIdentity};
    };
    return record.guardian;
  }

  get guardianPid(): number {
    return this.guardian.pid;
  }

  /** Every witness of this node as the host numbers them, also those that have left everything behind. */
  get servicePids(): number[] {
    const {logFile} = this.plan.place;
    return processesOf(`--node=${this.id}`)
      .filter(({words}) => words[1] === WITNESS && words.includes(`--log=${logFile}`))
      .map(({pid}) => pid);
  }

  isRunning(part: Part = 'agent'): boolean {
    return isAlive(this.identity(part));
  }

  /** Sends each of them a signal, without waiting for what follows. */
  signal(name: NodeJS.Signals, ...parts: readonly Part[]): void {
    const targets = parts.map((part) => this.identity(part));
    for (const target of targets) signal(target, name);
  }

  /** kill -9, and waits until they are gone. */
  async kill(...parts: readonly Part[]): Promise<void> {
    const targets = parts.map((part) => [part, this.identity(part)] as const);
    // At one moment: the guardian would begin to release while its agent is dead and it is not.
    for (const name of ['SIGSTOP', 'SIGKILL'] as const) for (const [, target] of targets) signal(target, name);
    for (const [part, target] of targets) await untilGone(target, `the ${part} of ${this.id}`);
  }

  /** kill -9 of the agent's whole process group. */
  async killGroup(): Promise<void> {
    const {agent} = this.current;
    process.kill(-agent.pid, 'SIGKILL');
    await untilGone(agent, `the agent of ${this.id}`);
  }

  freeze(...parts: readonly Part[]): void {
    this.signal('SIGSTOP', ...parts);
  }

  thaw(...parts: readonly Part[]): void {
    this.signal('SIGCONT', ...parts);
  }

  /** SIGTERM to the agent, then waits for its end. */
  async terminate(): Promise<Exit> {
    this.signal('SIGTERM', 'agent');
    return this.exit();
  }

  async exit(timeoutMs = 60_000): Promise<Exit> {
    const {current} = this;
    return eventually(() => current.exited, timeoutMs, `the agent of ${this.id} has not ended`);
  }

  /** Where the agent that runs now answers. */
  url(): string {
    const {url, pid} = JSON.parse(readFileSync(join(this.stateDir, 'agent.json'), 'utf8')) as {url: string | null; pid: number};
    if (url === null || pid !== this.agentPid) throw new Error(`${this.id} does not listen yet`);
    return url;
  }

  async get(path: string, options?: AskOptions): Promise<Answer> {
    return (this.plan.within?.ask ?? ask)(new URL(path, this.url()).href, options);
  }

  /** What /v1/server/ha/states says: the whole view of this node. */
  async state(): Promise<SummaryView> {
    return stateOf(this);
  }

  /** Whether a proxy would send users here; an agent that does not answer is no master, and one that is stopped does not. */
  async isMaster(): Promise<boolean> {
    if (!this.isRunning() || (await isStopped(this.agentPid))) return false;
    return saysMaster(this);
  }

  /** Waits until it is a standby and sees that this one owns the lease. */
  async untilFollows(owner: TestNode, timeoutMs = 60_000): Promise<void> {
    const follows = async (): Promise<boolean> => {
      const {state, masterId} = await this.state();
      return state === 'STANDBY' && masterId === owner.id;
    };
    await eventually(follows, timeoutMs, `${this.id} does not follow ${owner.id}`);
  }

  async untilState(state: string, timeoutMs = 60_000): Promise<SummaryView> {
    return untilState(this, state, {timeoutMs});
  }

  /** What the witness of this node answers. @throws where none serves */
  async served(): Promise<Served> {
    const {text} = await (this.plan.within?.ask ?? ask)(`http://127.0.0.1:${this.plan.place.port}/`);
    return JSON.parse(text) as Served;
  }

  /** Where the last launch, or the one of this number from 1, writes standard error (`log`) or standard output. */
  logFile(kind: 'log' | 'out', launch = this.launches.length): string {
    return join(this.plan.root, 'logs', `${this.id}.${launch}.${kind}`);
  }

  /** What the last launch wrote to standard error. */
  log(): string {
    return readIfThere(this.logFile('log'));
  }

  stdout(): string {
    return readIfThere(this.logFile('out'));
  }

  /** Logs of all launches and of the guardian, the last lines of each. */
  story(lines = 60): string {
    const files = this.launches.map((_, index) => this.logFile('log', index + 1));
    return [...files, join(this.stateDir, 'guardian.log')]
      .map((file) => `----- ${file}\n${lastLines(readIfThere(file), lines)}`)
      .join('\n');
  }

  private identity(part: Part): ProcessIdentity {
    return part === 'agent' ? this.current.agent : this.guardian;
  }

  private writeConfig(config: object): string {
    const file = join(this.stateDir, 'config.json');
    writeFileSync(file, JSON.stringify(config), {mode: 0o644});
    return file;
  }

  /** Output goes to files: a pipe would end with the test, or fill up. */
  private spawn(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Launch {
    const [out, log] = (['out', 'log'] as const).map((kind) =>
      openSync(this.logFile(kind, this.launches.length + 1), 'a', 0o666),
    );
    const child = spawn(program, args, {env, cwd: this.stateDir, detached: true, stdio: ['ignore', out, log]});
    for (const fd of [out, log]) if (fd !== undefined) closeSync(fd);
    const agent = child.pid === undefined ? undefined : identityOf(child.pid);
    if (!agent) throw new Error(`${program} could not be started`);
    const exit = new Promise<Exit>((resolve) => child.once('exit', (code, name) => resolve({code, signal: name})));
    const launch: Launch = {child, agent, exit, exited: undefined};
    void exit.then((how) => (launch.exited = how));
    return launch;
  }
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return '';
    throw error;
  }
}

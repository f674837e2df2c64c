// The tests' hold on a driver process, and what they need to look at processes and files.
import {spawn, type ChildProcess} from 'node:child_process';
import {readFileSync} from 'node:fs';
import path from 'node:path';
import {createInterface} from 'node:readline';
import type {Containment} from '../../lib/guardian/containment.ts';
import {identityOf, isAlive, type ProcessIdentity} from '../../lib/guardian/proc.ts';
import type {GuardianRecord} from '../../lib/guardian/record.ts';
import type {SpawnOptions} from '../../lib/guardian/spawn.ts';
import type {GuardianOrder, GuardianReport} from '../../lib/protocol/guardian-machine.ts';
import {epoch} from '../../lib/protocol/words.ts';
import type {DriverCommand} from '../fixtures/guardian-driver.ts';
import {eventually} from '../support/eventually.ts';
import {buildRoot, repoRoot} from '../support/paths.ts';

/** For an answer that may take the start of a process, ms. */
const LIMIT_MS = 30_000;

export const isRoot = process.getuid?.() === 0;
export const fixture = (name: string): string => path.join(repoRoot, 'test', 'fixtures', name);
/** Drops root, for what an ordinary user meets. */
export const AS_NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'];

/** What the driver tells of an attempt to adopt. */
export interface ConnectAnswer {
  readonly kind: string;
  readonly because?: string;
  readonly adopted?: unknown;
  readonly left?: unknown;
}

export interface Heard {
  readonly what: string;
  readonly value: unknown;
}

export class Driver {
  readonly heard: Heard[] = [];
  readonly child: ChildProcess;
  record: GuardianRecord | undefined;
  private hellos = 0;
  private readonly started: ProcessIdentity[] = [];

  constructor(prefix: readonly string[] = []) {
    const script = path.join(buildRoot, 'test', 'fixtures', 'guardian-driver.js');
    const argv: readonly string[] = [...prefix, process.execPath, script];
    const [program = '', ...rest] = argv;
    // Its own group, as a shell would give it one: kill -9 of the group must spare the guardian.
    this.child = spawn(program, rest, {stdio: ['pipe', 'pipe', 'inherit'], detached: true, cwd: '/'});
    if (this.child.stdout)
      createInterface({input: this.child.stdout}).on('line', (line) => this.heard.push(JSON.parse(line) as Heard));
    this.child.stdin?.on('error', () => undefined);
  }

  tell(command: DriverCommand): void {
    this.child.stdin?.write(`${JSON.stringify(command)}\n`);
  }

  order(...orders: readonly GuardianOrder[]): void {
    this.tell({do: 'order', orders});
  }

  /** A lease from now on, then a start under it. */
  async startRun(run: number, leftMs: number, under = 1): Promise<void> {
    this.tell({do: 'lease', epoch: epoch(under), attempt: run, leftMs});
    this.order({type: 'start', run, epoch: epoch(under)});
    await this.report('started', run);
  }

  /** Another end of the lease, which the guardian knows when this resolves; `attempt` is larger than any before. */
  async renew(attempt: number, leftMs: number, under = 1): Promise<void> {
    this.tell({do: 'lease', epoch: epoch(under), attempt, leftMs});
    const knows = (each: GuardianReport): boolean => each.type === 'acknowledged' && each.attempt === attempt;
    await eventually(() => this.reports().some(knows), LIMIT_MS, `no acknowledgement of attempt ${attempt}`);
  }

  /** Waits until it obeys: the start of its process is not part of what follows. */
  async ready(): Promise<void> {
    this.tell({do: 'record'});
    await this.hear('record');
  }

  async spawnGuardian(stateDirectory: string, setup: SpawnOptions['setup'], instanceId = '0000000a'): Promise<GuardianRecord> {
    const count = this.heard.filter((each) => each.what === 'spawned').length + 1;
    this.tell({do: 'spawn', stateDirectory, instanceId, setup});
    const {value} = await this.hear('spawned', count);
    this.record = value as GuardianRecord;
    this.started.push(this.record.guardian);
    return this.record;
  }

  /** Comes as the next agent. While the guardian still sees to the death of the earlier one it says no; that passes. */
  async connect(record: GuardianRecord, instanceId: string): Promise<ConnectAnswer> {
    const early = ['another agent is connected', 'the earlier agent is not yet seen dead'];
    for (let count = this.heard.filter(({what}) => what === 'connected').length + 1; ; count += 1) {
      this.tell({do: 'connect', record, instanceId});
      const answer = (await this.hear('connected', count)).value as ConnectAnswer;
      if (!early.includes(answer.because ?? '')) return answer;
    }
  }

  hear(what: string, count = 1, timeoutMs = LIMIT_MS): Promise<Heard> {
    return eventually(() => this.heard.filter((each) => each.what === what)[count - 1], timeoutMs, `no ${what} from the driver`);
  }

  /** The answer to the `hello` that was told last. */
  async lastAnswer(): Promise<string> {
    this.hellos += 1;
    return JSON.stringify((await this.hear('answer', this.hellos)).value);
  }

  reports(): GuardianReport[] {
    return this.heard.filter((each) => each.what === 'report').map((each) => each.value as GuardianReport);
  }

  report(type: GuardianReport['type'], run?: number, timeoutMs = LIMIT_MS): Promise<GuardianReport> {
    const matches = (each: GuardianReport): boolean =>
      each.type === type && (run === undefined || ('run' in each && each.run === run));
    return eventually(
      () => this.reports().find(matches),
      timeoutMs,
      `no report ${type} of run ${run}, but ${JSON.stringify(this.reports())}`,
    );
  }

  /** SIGKILL to the driver's whole process group. */
  killGroup(): void {
    if (this.child.pid !== undefined) process.kill(-this.child.pid, 'SIGKILL');
  }

  guardianAlive(): boolean {
    return this.record !== undefined && isAlive(this.record.guardian);
  }

  /** Ends what is left of driver and guardian. */
  async end(): Promise<void> {
    if (this.child.pid !== undefined && identityOf(this.child.pid)) this.child.kill('SIGKILL');
    for (const guardian of this.started) {
      if (isAlive(guardian)) process.kill(guardian.pid, 'SIGKILL');
      await eventually(() => !isAlive(guardian));
    }
  }
}

export function setupFor(
  service: SpawnOptions['setup']['service'],
  other: {stopTimeoutMs?: number; safetyMarginMs?: number; agentLossGraceMs?: number; lockDirectory?: string} = {},
): SpawnOptions['setup'] {
  const {stopTimeoutMs = 1_000, safetyMarginMs = 300, agentLossGraceMs = 0, lockDirectory} = other;
  return {
    config: {timing: {stopTimeoutMs, safetyMarginMs}, agentLossGraceMs},
    service,
    cwd: '/',
    environment: {HA_APP: 'app', HA_NODE_ID: 'n1', HA_URI: 'http://u', HA_PERSISTENCE_DIR: '/p'},
    lockDirectory,
  };
}

export const execOf = (containment: Containment, ...command: string[]): SpawnOptions['setup']['service'] => ({
  kind: 'exec',
  command,
  containment,
});

/** The text of a file, empty if it is not there. */
export function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
}

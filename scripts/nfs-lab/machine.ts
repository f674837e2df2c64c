// One machine of the lab, as the keeper sees it: a user-mode-linux process with a pid namespace of its own, to boot, freeze and end.
import {spawn, type ChildProcess} from 'node:child_process';
import {createWriteStream, type WriteStream} from 'node:fs';
import {appendFile, chmod, readFile, rm, writeFile} from 'node:fs/promises';
import path from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {
  BUILD_ROOT,
  consoleLogOf,
  exportLine,
  LabError,
  machineIdOf,
  managementAddress,
  numberOf,
  REPO_ROOT,
  RUNNER_PORT,
  STORAGE_NET,
  storageAddress,
  type LabPlan,
  type NodeName,
} from './plan.ts';

export type MachineState = 'off' | 'booting' | 'on' | 'frozen';

const BOOT_MS = 90_000;
const SIGNAL_MS = 10_000;
const POLL_MS = 10;
/** How many lines of the console an error shows. */
const TAIL_LINES = 15;

export class Machine {
  readonly node: NodeName;
  private readonly plan: LabPlan;
  private readonly log: string;
  private running: {readonly child: ChildProcess; ready: boolean; frozen: boolean} | undefined;

  constructor(plan: LabPlan, node: NodeName) {
    this.plan = plan;
    this.node = node;
    this.log = consoleLogOf(plan, node);
  }

  get state(): MachineState {
    if (!this.running) return 'off';
    if (this.running.frozen) return 'frozen';
    return this.running.ready ? 'on' : 'booting';
  }

  /** Powers it on and waits until its runner listens. @throws LabError if it does not get that far */
  async boot(): Promise<void> {
    if (this.running) throw new LabError(`${this.node} is on already`);
    const begun = performance.now();
    await appendFile(this.log, `----- boot of ${this.node}\n`);
    const child = spawn('unshare', ['--pid', '--fork', '--kill-child=KILL', '--', 'linux.uml', ...(await this.kernelArgs())], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {...process.env, TMPDIR: path.join(this.plan.directory, 'ram')},
    });
    const running = {child, ready: false, frozen: false};
    this.running = running;
    const verdict = await this.watch(child);
    if (verdict === 'ready') {
      running.ready = true;
      await appendFile(this.log, `----- ready after ${Math.round(performance.now() - begun)} ms\n`);
      return;
    }
    await this.crash();
    throw new LabError(`${this.node} ${verdict}; the end of ${this.log}:\n${await this.tail()}`);
  }

  /** Stops the whole machine where it is: it answers nothing, and knows nothing of the time that passes. */
  async freeze(): Promise<void> {
    await this.signal('SIGSTOP', (state) => state === 'T');
    if (this.running) this.running.frozen = true;
  }

  async thaw(): Promise<void> {
    await this.signal('SIGCONT', (state) => state !== 'T');
    if (this.running) this.running.frozen = false;
  }

  /** A power cut; nothing happens to a machine that is off. */
  async crash(): Promise<void> {
    const {running} = this;
    if (!running) return;
    const gone = new Promise<void>((resolve) => {
      if (running.child.exitCode !== null || running.child.signalCode !== null) resolve();
      else running.child.once('exit', () => resolve());
    });
    // All else that the machine consists of ends with its first process, and unshare after that.
    process.kill((await this.kernelPid()) ?? running.child.pid ?? 0, 'SIGKILL');
    const late = new AbortController();
    const limit = sleep(SIGNAL_MS, 'late', {signal: late.signal}).catch(() => 'in time');
    if ((await Promise.race([gone, limit])) === 'late') throw new LabError(`${this.node} does not end: see ${this.log}`);
    late.abort();
    this.running = undefined;
  }

  /** The kernel's process; unshare is its parent. */
  async kernelPid(): Promise<number | undefined> {
    const pid = this.running?.child.pid;
    if (pid === undefined) return undefined;
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
    return children.trim() === '' ? undefined : Number(children.trim().split(' ')[0]);
  }

  async tail(): Promise<string> {
    const text = await readFile(this.log, 'utf8');
    return text.trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
  }

  private async signal(name: 'SIGSTOP' | 'SIGCONT', arrived: (state: string | undefined) => boolean): Promise<void> {
    const pid = await this.kernelPid();
    if (pid === undefined) throw new LabError(`${this.node} is off`);
    process.kill(pid, name);
    for (const end = performance.now() + SIGNAL_MS; ; await sleep(POLL_MS)) {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
      if (arrived(stat.slice(stat.lastIndexOf(')') + 2)[0])) return;
      if (performance.now() > end) throw new LabError(`${this.node} takes no notice of ${name}`);
    }
  }

  /** Keeps the console in the log, and waits for what the machine says of itself there. */
  private watch(child: ChildProcess): Promise<string> {
    const log = createWriteStream(this.log, {flags: 'a'});
    return new Promise((resolve) => {
      const limit = setTimeout(() => resolve(`is not ready after ${BOOT_MS / 1000} s`), BOOT_MS);
      const settle = (verdict: string): void => {
        clearTimeout(limit);
        resolve(verdict);
      };
      this.follow(child, log, settle);
      child.once('error', (error) => {
        this.running = undefined;
        settle(`could not be started: ${error.message}`);
      });
      child.once('exit', (code, signal) => {
        if (this.running?.child === child) this.running = undefined;
        settle(`went off by itself (${signal ?? `status ${code}`})`);
      });
      child.once('close', () => log.end());
    });
  }

  private follow(child: ChildProcess, log: WriteStream, settle: (verdict: string) => void): void {
    let line = '';
    child.stderr?.on('data', (piece: Buffer) => log.write(piece));
    child.stdout?.on('data', (piece: Buffer) => {
      log.write(piece);
      const lines = (line + piece.toString('latin1')).split('\n');
      line = lines.pop() ?? '';
      for (const each of lines) {
        const [, said] = /^nfs-lab: \S+ (ready|failed: .*?)\r?$/.exec(each) ?? [];
        if (said !== undefined) settle(said);
      }
    });
  }

  private async kernelArgs(): Promise<string[]> {
    const {plan, node} = this;
    const init = path.join(plan.directory, `${node}.init`);
    await writeFile(init, this.initScript());
    await chmod(init, 0o755);
    await rm(path.join(plan.directory, 'uml', node), {recursive: true, force: true});
    const number = numberOf(node).toString(16).padStart(2, '0');
    const network = (index: number, kind: 'st' | 'mg'): string =>
      `vec${index}:transport=tap,ifname=${node}-${kind},depth=128,gro=1,mac=02:00:00:00:0${index}:${number}`;
    return [
      ...[`mem=${plan.ramMib}M`, 'root=/dev/root', 'rootfstype=hostfs', 'rootflags=/', 'ro', 'quiet', 'panic=1'],
      ...[`uml_dir=${path.join(plan.directory, 'uml')}`, `umid=${node}`, 'con0=null,fd:1', 'con=null', 'ssl=null'],
      ...disksOf(plan, node).map(({file}, index) => `ubd${index}=${file}`),
      ...[network(0, 'st'), network(1, 'mg'), `init=${init}`],
    ];
  }

  private initScript(): string {
    const {plan, node} = this;
    const variables = {
      LAB_NODE: node,
      LAB_ROLE: node === 'server' ? 'server' : 'client',
      LAB_VERS: plan.vers,
      LAB_STORAGE_IP: storageAddress(node),
      LAB_MANAGEMENT_IP: managementAddress(node),
      LAB_CLIENTS: `${STORAGE_NET}.0/24`,
      LAB_EXPORT: exportLine(plan, 'rw'),
      LAB_GRACE_S: String(plan.graceS ?? ''),
      LAB_MACHINE_ID: machineIdOf(plan, node),
      LAB_PORT: String(RUNNER_PORT),
      LAB_NODE_BIN: process.execPath,
      LAB_RUNNER: path.join(BUILD_ROOT, 'scripts', 'nfs-lab', 'runner.js'),
      LAB_SHARES: [REPO_ROOT, BUILD_ROOT, path.dirname(process.execPath), ...plan.share].join('\n'),
    };
    const exported = Object.entries(variables).map(([name, value]) => `export ${name}=${quote(value)}`);
    const script = path.join(REPO_ROOT, 'scripts', 'nfs-lab', 'guest-init.sh');
    return ['#!/bin/sh', ...exported, `exec /bin/sh ${quote(script)}`, ''].join('\n');
  }
}

/** The disks of a machine in the order in which it sees them; the server has the exported one beside its own. */
export function disksOf(plan: LabPlan, node: NodeName): {readonly file: string; readonly mib: number}[] {
  const own = {file: path.join(plan.directory, `${node}.disk`), mib: 64};
  return node === 'server' ? [own, {file: path.join(plan.directory, 'export.disk'), mib: plan.diskMib}] : [own];
}

const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

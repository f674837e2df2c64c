// A program of a test that runs in the foreground, is found by the cluster's directory, and ends with the cluster.
import {spawn, type ChildProcess} from 'node:child_process';
import {closeSync, openSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import type {Cluster} from '../../e2e/support/cluster.ts';

export class Daemon {
  readonly child: ChildProcess;
  private readonly logFile: string;
  private readonly name: string;

  /** Output goes to `logs/<name>.log`; whatever it still runs at the end of the cluster is ended by SIGTERM. */
  constructor(cluster: Cluster, name: string, command: readonly string[]) {
    const [program = '', ...args] = command;
    this.name = name;
    this.logFile = join(cluster.root, 'logs', `${name}.log`);
    const fd = openSync(this.logFile, 'a');
    this.child = spawn(program, args, {
      cwd: cluster.root,
      env: {...cluster.environment(), PATH: `${process.env['PATH']}:/usr/sbin:/sbin`},
      stdio: ['ignore', fd, fd],
    });
    closeSync(fd);
    this.child.once('error', (error) => process.stderr.write(`${name}: ${error.message}\n`));
    cluster.atEnd(() => this.end());
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  log(): string {
    return readFileSync(this.logFile, 'utf8');
  }

  async end(): Promise<void> {
    if (!this.isRunning) return;
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 10_000);
    await gone;
    clearTimeout(timer);
  }

  /** @throws Error with what it said, if it has ended. */
  assertRuns(): void {
    if (!this.isRunning) throw new Error(`${this.name} has ended: ${this.log()}`);
  }
}

// A watchdog made of a named pipe and a process that plays the device, and what it saw.
import {execFileSync, spawn, type ChildProcess} from 'node:child_process';
import {readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {eventually} from './eventually.ts';
import {repoRoot} from './paths.ts';

export interface WatchdogEvent {
  /** On the steady clock of the host, ms. */
  readonly atMs: number;
  readonly what: 'ready' | 'armed' | 'fed' | 'disarmed' | 'reset';
}

export class TestWatchdog {
  readonly device: string;
  readonly timeoutMs: number;
  private readonly logFile: string;
  private readonly victimsFile: string;
  private readonly child: ChildProcess;

  private constructor(directory: string, timeoutMs: number, name: string) {
    this.device = path.join(directory, name);
    this.timeoutMs = timeoutMs;
    this.logFile = path.join(directory, `${name}.log`);
    this.victimsFile = path.join(directory, `${name}.victims`);
    execFileSync('mkfifo', [this.device]);
    const script = path.join(repoRoot, 'test', 'fixtures', 'watchdog-device.mjs');
    const argv = [script, this.device, String(timeoutMs), this.logFile, this.victimsFile];
    this.child = spawn(process.execPath, argv, {stdio: ['ignore', 'inherit', 'inherit']});
  }

  /** It fires `timeoutMs` after its last feed, later where the machine stands still meanwhile, until it is ended. */
  static async create(directory: string, timeoutMs: number, name = 'watchdog'): Promise<TestWatchdog> {
    const watchdog = new TestWatchdog(directory, timeoutMs, name);
    await eventually(() => watchdog.seen('ready') > 0);
    return watchdog;
  }

  events(): WatchdogEvent[] {
    const lines = readIfThere(this.logFile).split('\n').slice(0, -1);
    return lines.map((line) => {
      const [at, what] = line.split(' ');
      return {atMs: Number(at), what: what as WatchdogEvent['what']};
    });
  }

  /** How often that happened. */
  seen(what: WatchdogEvent['what']): number {
    return this.events().filter((event) => event.what === what).length;
  }

  async until(what: WatchdogEvent['what'], times = 1, timeoutMs = 40_000): Promise<void> {
    await eventually(() => this.seen(what) >= times, timeoutMs, `the watchdog is not ${what} ${times} times`).catch(
      (error: unknown) => {
        throw new Error(
          `${String(error)}; it saw ${this.events()
            .map((event) => event.what)
            .join(' ')}`,
          {cause: error},
        );
      },
    );
  }

  /** These processes go with the host that it resets. */
  willKill(pids: readonly number[]): void {
    writeFileSync(this.victimsFile, pids.join('\n'));
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await gone;
  }
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
}

// The doctor's side of its probe: every call has a time limit, and one that does not come back costs the probe its life.
import {fork, type ChildProcess} from 'node:child_process';
import {extname} from 'node:path';
import {fileURLToPath} from 'node:url';
import type {CallName, Calls, Outcome} from './calls.ts';

export interface Question<K extends CallName> {
  readonly id: number;
  readonly name: K;
  readonly args: Calls[K]['args'];
}

export interface Answer {
  readonly id: number;
  readonly result?: Calls[CallName]['result'];
  readonly failed?: {readonly errno: string; readonly reason: string};
}

const SCRIPT = fileURLToPath(new URL(`./probe-main${extname(import.meta.url)}`, import.meta.url));
/** Calls of a race must not wait for a thread. */
const THREADS = '16';
/** How long the probe may take to remove its directory and end, ms. */
const END_MS = 3_000;
/** The same after SIGKILL: one that hangs in the kernel takes longer, and is left to it. */
const KILLED_MS = 500;

export class Probe {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (outcome: Outcome<Calls[CallName]['result']>) => void>();
  readonly #gone: Promise<void>;
  #lastId = 0;
  #silent = false;

  constructor(script = SCRIPT) {
    const env = {...process.env, UV_THREADPOOL_SIZE: THREADS};
    this.#child = fork(script, [], {env, execArgv: [], cwd: '/', stdio: ['ignore', 'ignore', 'pipe', 'ipc']});
    // Not its own: whoever reads the doctor's output would wait for a probe that hangs.
    this.#child.stderr?.on('data', (text: Buffer) => process.stderr.write(text));
    this.#gone = new Promise((resolve) => {
      this.#child.once('exit', () => resolve());
      this.#child.once('error', () => resolve());
    });
    this.#child.on('message', (answer: Answer) => this.#settle(answer));
    void this.#gone.then(() => this.#settleAll({kind: 'failed', errno: 'EPIPE', reason: 'the process that measures has ended'}));
  }

  /**
   * After a call that did not return in time nothing is tried any more. Never rejects.
   * @param silenceMs how long the store may keep it waiting beyond what it plans to take.
   * @param plannedMs what it plans to take itself.
   */
  async call<K extends CallName>(
    name: K,
    args: Calls[K]['args'],
    silenceMs: number,
    plannedMs = 0,
  ): Promise<Outcome<Calls[K]['result']>> {
    if (this.#silent) return {kind: 'notTried'};
    if (!this.#child.connected) return {kind: 'failed', errno: 'EPIPE', reason: 'the process that measures has ended'};
    const id = ++this.#lastId;
    const answered = new Promise<Outcome<Calls[CallName]['result']>>((resolve) => this.#waiting.set(id, resolve));
    const timer = setTimeout(() => {
      this.#silent = true;
      this.#settleAll({kind: 'silent', waitedMs: silenceMs});
      this.#kill();
    }, plannedMs + silenceMs);
    this.#child.send({id, name, args} satisfies Question<K>);
    const outcome = await answered;
    clearTimeout(timer);
    return outcome;
  }

  /** Ends it, which removes its directory; one that cannot end is killed and not waited for. */
  async close(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    if (await settlesWithin(this.#gone, END_MS)) return;
    this.#kill();
    await settlesWithin(this.#gone, KILLED_MS);
  }

  /** This process does not wait for its end. */
  #kill(): void {
    this.#child.kill('SIGKILL');
    this.#child.stderr?.destroy();
    this.#child.unref();
  }

  #settle({id, result, failed}: Answer): void {
    const resolve = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (failed) resolve?.({kind: 'failed', ...failed});
    else if (result !== undefined) resolve?.({kind: 'measured', value: result});
  }

  #settleAll(outcome: Outcome<never>): void {
    for (const resolve of this.#waiting.values()) resolve(outcome);
    this.#waiting.clear();
  }
}

/** @returns false if the time was over first. */
async function settlesWithin(work: Promise<void>, limitMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), limitMs);
  });
  const settled = await Promise.race([work.then(() => true), over]);
  clearTimeout(timer);
  return settled;
}

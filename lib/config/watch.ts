// Takes over what changed in the config file while the agent runs; a bad file is reported in full and the last good one kept.
import {stat, statfs} from 'node:fs/promises';
import {dirname, relative} from 'node:path';
import type {FSWatcher} from 'chokidar';
import {HaError, isHaError, reasonOf, systemCode} from '../errors.ts';
import {applyChanges, type Changes} from './changes.ts';
import type {Around, Config} from './config.ts';
import {readText} from './file.ts';

export type ReloadReport =
  /** At least one key differs; `pending` ones wait for a restart. */
  | {readonly kind: 'changed'; readonly config: Config; readonly changes: Changes}
  | {readonly kind: 'unchanged'; readonly config: Config}
  /** The last good configuration stays. */
  | {readonly kind: 'refused'; readonly error: HaError<'config.invalid'>}
  /** The file has disappeared; the last good configuration stays. */
  | {readonly kind: 'gone'; readonly file: string}
  /** Only reload() looks at the file. */
  | {readonly kind: 'notWatched'; readonly file: string; readonly because: string};

export interface ConfigWatch {
  /** What counts now. */
  config(): Config;
  /** Reads the file again at once (SIGHUP); the outcome is also reported. */
  reload(): Promise<ReloadReport>;
  close(): Promise<void>;
}

export interface WatchPorts {
  /** The same load with the same command line and environment, which win as before. */
  readonly load: () => Promise<Config>;
  readonly around: Around;
  /** Told of every reload that was asked for or that found something. */
  readonly report: (report: ReloadReport) => void;
  /** How often the file is looked at, ms; default 5000. */
  readonly intervalMs?: number;
}

/** Writers are given this long after the last sign of change, ms: a file may be written in several steps. */
const SETTLE_MS = 100;
/** NFS and SMB: a look at them may never return. */
const NETWORK_FILE_SYSTEMS: ReadonlySet<number> = new Set([0x6969, 0xff53_4d42, 0xfe53_4d42, 0x517b]);

/** @param config what is in force; a change made since it was loaded is noticed too. */
export async function watchConfig(config: Config, ports: WatchPorts): Promise<ConfigWatch> {
  const {file} = config;
  const reloader = new Reloader(config, ports);
  if (file === undefined) return reloader;
  const because = await reasonNotToWatch(file, config.persistenceDir);
  if (because === undefined) await reloader.arm(file);
  else ports.report({kind: 'notWatched', file, because});
  return reloader;
}

async function reasonNotToWatch(file: string, persistenceDir: string | undefined): Promise<string | undefined> {
  if (persistenceDir !== undefined && !relative(persistenceDir, file).startsWith('..')) return 'it lies in the shared directory';
  try {
    const {type} = await statfs(dirname(file));
    return NETWORK_FILE_SYSTEMS.has(type) ? 'it lies on a network file system' : undefined;
  } catch (error) {
    if (systemCode(error) !== undefined) return `its directory cannot be examined (${reasonOf(error)})`;
    throw error;
  }
}

class Reloader implements ConfigWatch {
  readonly #ports: WatchPorts;
  #config: Config;
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #text: string | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(config: Config, ports: WatchPorts) {
    this.#config = config;
    this.#ports = ports;
  }

  config(): Config {
    return this.#config;
  }

  reload(): Promise<ReloadReport> {
    return this.#inTurn(() => this.#load());
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#watcher?.close();
    await this.#queue;
  }

  /** Polling, because inotify sees neither a swapped symlink nor a file that comes back; one stat per interval. */
  async arm(file: string): Promise<void> {
    const {watch} = await import('chokidar');
    if (this.#closed) return;
    const watcher = watch(file, {usePolling: true, interval: this.#intervalMs(), ignoreInitial: true});
    this.#watcher = watcher;
    // 'raw' comes with any difference in the stat, 'change' only with a newer time or another size.
    watcher.on('raw', () => this.#settle(file));
    watcher.on('change', () => this.#settle(file));
    watcher.on('unlink', () => this.#settle(file));
    watcher.on('error', () => this.#settle(file));
    await new Promise<void>((resolve) => watcher.once('ready', resolve));
    this.#settle(file);
  }

  #intervalMs(): number {
    return this.#ports.intervalMs ?? 5_000;
  }

  #settle(file: string): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#inTurn(() => this.#look(file)), SETTLE_MS);
  }

  async #look(file: string): Promise<void> {
    if (!(await exists(file))) return this.#lost(file);
    const text = await readText(file).catch((error: unknown) => `unreadable: ${String(error)}`);
    if (text === this.#text || this.#closed) return;
    const first = this.#text === undefined;
    this.#text = text;
    await this.#load(first);
  }

  /** chokidar gives a vanished file up for good: a new watcher is made when it is back. */
  async #lost(file: string): Promise<void> {
    await this.#watcher?.close();
    if (this.#closed) return;
    if (this.#watcher !== undefined) this.#ports.report({kind: 'gone', file});
    this.#watcher = undefined;
    this.#text = '';
    this.#timer = setTimeout(() => void this.#inTurn(() => this.#comeBack(file)), this.#intervalMs());
  }

  async #comeBack(file: string): Promise<void> {
    if (await exists(file)) await this.arm(file);
    else await this.#lost(file);
  }

  async #load(quiet = false): Promise<ReloadReport> {
    const report = await this.#compare();
    if (!quiet || report.kind !== 'unchanged') this.#ports.report(report);
    return report;
  }

  async #compare(): Promise<ReloadReport> {
    let next: Config;
    try {
      await this.#refuseEmpty();
      next = await this.#ports.load();
    } catch (error) {
      if (isHaError(error, 'config.invalid')) return {kind: 'refused', error};
      throw error;
    }
    const {config, changes} = applyChanges(this.#config, next, this.#ports.around);
    this.#config = config;
    const same = changes.applied.length === 0 && changes.pending.length === 0;
    return same ? {kind: 'unchanged', config} : {kind: 'changed', config, changes};
  }

  /** Whoever writes a file begins with an empty one: it is not a wish for all defaults. @throws HaError config.invalid */
  async #refuseEmpty(): Promise<void> {
    const {file} = this.#config;
    if (file === undefined || (await readText(file).catch(() => 'unreadable')).trim() !== '') return;
    const problem = {key: '(file)', where: file, found: 'an empty file', expected: 'keys with values'};
    const text = {message: 'the configuration has a fault', hint: 'write the whole file; until then the last good one stays'};
    throw new HaError('config.invalid', {problems: [problem]}, text);
  }

  /** One at a time; a bug in one ends the process as an unhandled rejection, not the queue. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(work);
    this.#queue = turn.catch(() => undefined);
    return turn;
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(systemCode(error) ?? '')) return false;
    if (systemCode(error) !== undefined) return true;
    throw error;
  }
}

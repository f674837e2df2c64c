// The optional log file: rotated by size, opened again when somebody moved it away, and alive again when a full disk has space.
import {constants} from 'node:fs';
import {open, rename, rm, stat, type FileHandle} from 'node:fs/promises';
import {HaError, reasonOf, systemCode} from '../errors.ts';
import {lostLine, QUEUE_MAX, within, type Sink} from './sink.ts';

export interface LogFile extends Sink {
  close(): Promise<void>;
}

export interface LogFileOptions {
  readonly file: string;
  readonly maxSizeBytes: number;
  /** FILE, FILE.1 (newer) … FILE.<maxFiles - 1>. */
  readonly maxFiles: number;
  /** Told once when writing begins to fail, and once when it works again. */
  readonly complain: (sentence: string) => void;
}

const RETRY_MS = 1_000;
/** How often it is checked that the open file is still the one with this name. */
const CHECK_MS = 1_000;
const CHUNK_MAX = 64 * 1_024;

/** @throws HaError 'log.unusable' if it is no regular file, or cannot be made or opened. */
export async function openLogFile(options: LogFileOptions): Promise<LogFile> {
  try {
    return new RotatingFile(options, await openRegular(options.file));
  } catch (error) {
    if (systemCode(error) === undefined && !(error instanceof NotRegular)) throw error;
    const reason = systemCode(error) === 'ENXIO' ? new NotRegular().message : reasonOf(error);
    const text = {
      message: `cannot write the log file ${options.file}: ${reason}`,
      hint: 'make its directory, or choose another --logFile',
      cause: error,
    };
    throw new HaError('log.unusable', {file: options.file, reason}, text);
  }
}

interface OpenFile {
  readonly handle: FileHandle;
  readonly inode: string;
  size: number;
}

class NotRegular extends Error {
  constructor() {
    super('it is not a regular file');
  }
}

/** A named pipe would hold a thread for ever without O_NONBLOCK. */
async function openRegular(file: string): Promise<OpenFile> {
  const {O_APPEND, O_CREAT, O_WRONLY, O_NONBLOCK} = constants;
  const handle = await open(file, O_APPEND | O_CREAT | O_WRONLY | O_NONBLOCK, 0o640);
  const stats = await handle.stat();
  if (stats.isFile()) return {handle, inode: `${stats.dev}:${stats.ino}`, size: stats.size};
  await handle.close();
  throw new NotRegular();
}

class RotatingFile implements LogFile {
  readonly #options: LogFileOptions;
  #open: OpenFile | undefined;
  #queue: string[] = [];
  #queued = 0;
  #lost = 0;
  /** A write failed in the middle: the next one begins on a line of its own. */
  #torn = false;
  #failing = false;
  #checkedAt = performance.now();
  #pumping: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: LogFileOptions, file: OpenFile) {
    this.#options = options;
    this.#open = file;
  }

  write(line: string): void {
    if (this.#closed || this.#queued + line.length > QUEUE_MAX) {
      this.#lost += 1;
      return;
    }
    this.#queue.push(line);
    this.#queued += line.length;
    if (this.#retry === undefined) this.#start();
  }

  async flush(timeoutMs: number): Promise<void> {
    this.#start();
    await within(timeoutMs, this.#pumping ?? Promise.resolve());
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    await within(RETRY_MS, this.#pumping ?? Promise.resolve());
    const {handle} = this.#open ?? {};
    this.#open = undefined;
    await handle?.close().catch(expected);
  }

  #start(): void {
    this.#pumping ??= this.#pump().finally(() => {
      this.#pumping = undefined;
    });
  }

  async #pump(): Promise<void> {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    while (this.#queue.length > 0) {
      try {
        await this.#writeSome();
        this.#recovered();
      } catch (error) {
        await this.#failed(error);
        return;
      }
    }
  }

  async #writeSome(): Promise<void> {
    const file = await this.#current();
    let chunk = (this.#torn ? '\n' : '') + (this.#lost > 0 ? lostLine(this.#lost) : '');
    let count = 0;
    let bytes = Buffer.byteLength(chunk);
    for (const line of this.#queue) {
      const more = Buffer.byteLength(line);
      if (count > 0 && (bytes + more > CHUNK_MAX || file.size + bytes + more > this.#options.maxSizeBytes)) break;
      chunk += line;
      bytes += more;
      count += 1;
    }
    if (file.size > 0 && file.size + bytes > this.#options.maxSizeBytes) {
      await this.#rotate();
      return;
    }
    const preface = Buffer.byteLength(chunk) - sum(this.#queue.slice(0, count));
    await this.#append(file, Buffer.from(chunk), preface, count);
  }

  /** A disk that fills up takes a part: what it took whole is not written again. */
  async #append(file: OpenFile, chunk: Buffer, preface: number, count: number): Promise<void> {
    let written = 0;
    try {
      while (written < chunk.length) {
        const {bytesWritten} = await file.handle.write(chunk, written);
        written += bytesWritten;
      }
    } finally {
      file.size += written;
      let whole = preface;
      let lines = 0;
      for (; lines < count; lines++) {
        const next = whole + Buffer.byteLength(this.#queue[lines] ?? '');
        if (next > written) break;
        whole = next;
      }
      for (const line of this.#queue.splice(0, lines)) this.#queued -= line.length;
      if (written >= preface) this.#lost = 0;
      if (written > 0) this.#torn = written < preface || written > whole;
    }
  }

  /** The open file, if it still has our name; whoever moved or removed it wants a new one. */
  async #current(): Promise<OpenFile> {
    if (this.#open !== undefined && performance.now() - this.#checkedAt >= CHECK_MS) {
      this.#checkedAt = performance.now();
      const found = await stat(this.#options.file).catch(expected);
      if (found === undefined || `${found.dev}:${found.ino}` !== this.#open.inode) await this.#drop();
    }
    return (this.#open ??= await openRegular(this.#options.file));
  }

  async #rotate(): Promise<void> {
    await this.#drop();
    const {file, maxFiles} = this.#options;
    for (let n = maxFiles - 1; n >= 1; n--) await rename(n === 1 ? file : `${file}.${n - 1}`, `${file}.${n}`).catch(missing);
    if (maxFiles === 1) await rm(file, {force: true});
  }

  async #drop(): Promise<void> {
    const file = this.#open;
    this.#open = undefined;
    this.#torn = false;
    await file?.handle.close().catch(expected);
  }

  async #failed(error: unknown): Promise<void> {
    if (systemCode(error) === undefined && !(error instanceof NotRegular)) throw error;
    const torn = this.#torn;
    await this.#drop();
    this.#torn = torn;
    if (!this.#failing)
      this.#options.complain(
        `the log file cannot be written: ${reasonOf(error)}; entries are kept for a while, and lost after that`,
      );
    this.#failing = true;
    if (!this.#closed) this.#retry = setTimeout(() => this.#start(), RETRY_MS).unref();
  }

  #recovered(): void {
    if (this.#failing) this.#options.complain('the log file is written again');
    this.#failing = false;
  }
}

const sum = (lines: readonly string[]): number => lines.reduce((total, line) => total + Buffer.byteLength(line), 0);

/** Errors of the file system are what this file is about; anything else is a bug. */
function expected(error: unknown): undefined {
  if (systemCode(error) === undefined) throw error;
  return undefined;
}

function missing(error: unknown): undefined {
  if (systemCode(error) !== 'ENOENT') throw error;
  return undefined;
}

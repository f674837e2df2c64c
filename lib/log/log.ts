// What the rest of the program says to the log. Every decision says why, once, when it changes; nothing here ever throws.
import {Writable} from 'node:stream';
import winston from 'winston';
import {formatEntry, type Entry, type LogFormat, type LogLevel} from './entry.ts';
import {openLogFile, type LogFile} from './log-file.ts';
import {boundedStream, type Sink} from './sink.ts';

export type Fields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  error(message: string, fields?: Fields): void;
  /** The same log with fields that every entry gets. */
  child(fields: Fields): Log;
}

/** The log itself, for whoever made it. */
export interface RootLog extends Log {
  setLevel(level: LogLevel): void;
  /** Resolves when all that was said is written, or after `timeoutMs` (default 2000). Call it before the process ends. */
  flush(timeoutMs?: number): Promise<void>;
  /** Flushes and closes the file; nothing is written to it afterwards. */
  close(): Promise<void>;
}

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** A file beside the console; absolute. */
  readonly file?: string | undefined;
  /** The file is rotated before it exceeds this; at least 64 KiB; default 10 MiB. */
  readonly maxSizeBytes?: number;
  /** How many files are kept, the current one included; at least 1; default 5. */
  readonly maxFiles?: number;
  /** Where people look: standard error by default, because standard output is for results; 'none' for tests of files. */
  readonly console?: Writable | 'none';
}

const LEVELS: Readonly<Record<LogLevel, number>> = {error: 0, warn: 1, info: 2, debug: 3};

/** Where winston puts the finished line. */
const MESSAGE = Symbol.for('message');

/** @throws HaError 'log.unusable' if the file cannot be written to now; what happens to it later is only reported. */
export async function createLogger(options: LogOptions): Promise<RootLog> {
  const consoleStream = options.console ?? process.stderr;
  const consoleSink = consoleStream === 'none' ? undefined : boundedStream(consoleStream);
  const sinks: Sink[] = consoleSink ? [consoleSink] : [];
  let file: LogFile | undefined;
  if (options.file !== undefined) {
    const complain = (sentence: string): void => {
      const entry: Entry = {level: 'error', message: sentence, fields: {file: options.file}, time: new Date()};
      consoleSink?.write(`${formatEntry(entry, options.format)}\n`);
    };
    const {maxSizeBytes = 10 * 1_024 ** 2, maxFiles = 5} = options;
    file = await openLogFile({file: options.file, maxSizeBytes, maxFiles, complain});
    sinks.push(file);
  }
  return makeRoot(sinks, file, options);
}

function makeRoot(sinks: readonly Sink[], file: LogFile | undefined, options: LogOptions): RootLog {
  let arrived = 0;
  let said = 0;
  let level = options.level;
  const logger = winston.createLogger({
    levels: LEVELS,
    level: 'debug',
    format: winston.format.printf((info) => String(info.message)),
  });
  // To winston every stream that it is piped to is a transport.
  for (const sink of sinks) logger.pipe(transportTo(sink, () => arrived++));
  const say = (entry: Entry): void => {
    if (sinks.length === 0 || LEVELS[entry.level] > LEVELS[level]) return;
    said += sinks.length;
    logger.log(entry.level, formatEntry(entry, options.format));
  };
  const flush = async (timeoutMs = 2_000): Promise<void> => {
    const end = performance.now() + timeoutMs;
    // winston hands entries on in its own time.
    while (arrived < said && performance.now() < end) await new Promise((resolve) => setImmediate(resolve));
    await Promise.all(sinks.map((sink) => sink.flush(Math.max(0, end - performance.now()))));
  };
  return {
    ...speaker(say, {}),
    setLevel: (next) => {
      level = next;
    },
    flush,
    close: async () => {
      await flush();
      logger.silent = true;
      await file?.close();
    },
  };
}

function speaker(say: (entry: Entry) => void, common: Fields): Log {
  const at =
    (level: LogLevel) =>
    (message: string, fields: Fields = {}): void =>
      say({level, message, fields: {...common, ...fields}, time: new Date()});
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => speaker(say, {...common, ...fields}),
  };
}

/** Hands each line on at once, and counts, so that flush() knows when everything has come through. */
function transportTo(sink: Sink, count: () => void): Writable {
  return new Writable({
    objectMode: true,
    write: (info: {readonly [MESSAGE]?: unknown}, _encoding, done) => {
      if (typeof info[MESSAGE] === 'string') sink.write(`${info[MESSAGE]}\n`);
      count();
      done();
    },
  });
}

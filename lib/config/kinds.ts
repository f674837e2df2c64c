// The kinds of values that a key may have: how each is read from what stands in a file, the environment or on the command line.
import {resolve} from 'node:path';
import {formatDuration, formatSize, parseDuration, parseSize} from './units.ts';
import {joinWords, splitWords} from './words.ts';

/** A value as it was found. */
export interface Raw {
  /** A string from the environment and the command line; any YAML value from a file. */
  readonly value: unknown;
  /** As it is written there: `007` where YAML makes a 7 of it. */
  readonly text: string;
  /** What a relative path starts from: the file's directory, or the working directory. */
  readonly baseDir: string;
}

/** Something wrong inside a value: `path` is empty for the value itself, and says where in a list or map else. */
export interface Fault {
  readonly path: readonly (string | number)[];
  /** What would be right. */
  readonly expected: string;
}

export type Read<T> = {readonly ok: true; readonly value: T} | {readonly ok: false; readonly faults: readonly Fault[]};

export interface Kind<T> {
  /** For the help: `DURATION`; undefined for a flag, which takes no value. */
  readonly placeholder: string | undefined;
  readonly read: (raw: Raw) => Read<T> | Promise<Read<T>>;
  /** For people, and for comparing. */
  readonly show: (value: T) => string;
}

const good = <T>(value: T): Read<T> => ({ok: true, value});
const bad = (expected: string): Read<never> => ({ok: false, faults: [{path: [], expected}]});

/** Text that a pattern accepts; a number in a file counts as the text that is written there. */
export function text<T extends string = string>(
  placeholder: string,
  accepts: (text: string) => text is T,
  expected: string,
): Kind<T> {
  const read = (raw: Raw): Read<T> => {
    const found = typeof raw.value === 'string' || typeof raw.value === 'number' ? raw.text : undefined;
    return found !== undefined && accepts(found) ? good(found) : bad(expected);
  };
  return {placeholder, read, show: (value) => value};
}

export function choice<const T extends string>(...words: readonly T[]): Kind<T> {
  const read = (raw: Raw): Read<T> => {
    const word = words.find((candidate) => candidate === raw.value);
    return word === undefined ? bad(`one of ${words.join(', ')}`) : good(word);
  };
  return {placeholder: words.join('|'), read, show: (value) => value};
}

const FLAG_WORDS: Readonly<Record<string, boolean>> = {true: true, false: false, '1': true, '0': false, yes: true, no: false};

export const flag: Kind<boolean> = {
  placeholder: undefined,
  read: ({value}) => {
    if (typeof value === 'boolean') return good(value);
    const word = typeof value === 'string' && Object.hasOwn(FLAG_WORDS, value) ? FLAG_WORDS[value] : undefined;
    return word === undefined ? bad('true or false') : good(word);
  },
  show: String,
};

export function whole(min: number, max: number): Kind<number> {
  const expected =
    min === Number.MIN_SAFE_INTEGER
      ? 'a whole number'
      : max === Number.MAX_SAFE_INTEGER
        ? `a whole number of at least ${min}`
        : `a whole number from ${min} to ${max}`;
  const read = ({value}: Raw): Read<number> => {
    const number = typeof value === 'string' && /^[+-]?\d{1,16}$/.test(value.trim()) ? Number(value) : value;
    return typeof number === 'number' && Number.isSafeInteger(number) && number >= min && number <= max
      ? good(number)
      : bad(expected);
  };
  return {placeholder: 'N', read, show: String};
}

/** Milliseconds, written with a unit. */
export function duration(minMs: number, maxMs: number): Kind<number> {
  const expected = `a duration with a unit (ms, s, m, h) from ${formatDuration(minMs)} to ${formatDuration(maxMs)}, such as 30s`;
  const read = ({value}: Raw): Read<number> => {
    const ms = typeof value === 'string' ? parseDuration(value) : undefined;
    return ms !== undefined && ms >= minMs && ms <= maxMs ? good(ms) : bad(expected);
  };
  return {placeholder: 'DURATION', read, show: formatDuration};
}

/** Bytes, written with a unit. */
export function size(minBytes: number): Kind<number> {
  const expected = `a size with a unit (B, kB, MB, GB, KiB, MiB, GiB) of at least ${formatSize(minBytes)}, such as 10MiB`;
  const read = ({value}: Raw): Read<number> => {
    const bytes = typeof value === 'string' ? parseSize(value) : undefined;
    return bytes !== undefined && bytes >= minBytes ? good(bytes) : bad(expected);
  };
  return {placeholder: 'SIZE', read, show: formatSize};
}

/** An absolute path; a relative one in a file starts from the directory of that file. */
export function path(placeholder: 'FILE' | 'DIR'): Kind<string> {
  const expected = placeholder === 'FILE' ? 'the path of a file' : 'the path of a directory';
  const read = (raw: Raw): Read<string> => {
    const found = typeof raw.value === 'string' || typeof raw.value === 'number' ? raw.text : '';
    return found.trim() !== '' && !found.includes('\0') ? good(resolve(raw.baseDir, found)) : bad(expected);
  };
  return {placeholder, read, show: (value) => value};
}

/** Program and arguments: a list of strings, or one string that is split into words. */
export const command: Kind<readonly string[]> = {
  placeholder: 'COMMAND',
  read: ({value}) => readCommand(value),
  show: joinWords,
};

export function readCommand(value: unknown): Read<readonly string[]> {
  const expected = 'a program with its arguments, as a list of strings or as one string';
  if (Array.isArray(value)) {
    const words: readonly unknown[] = value;
    if (!words.every((word) => typeof word === 'string')) return bad(`${expected} (quote what is not a string)`);
    return usable(words) ? good(words) : bad(expected);
  }
  if (typeof value !== 'string') return bad(expected);
  const split = splitWords(value);
  if ('fault' in split) return bad(split.fault);
  return usable(split.words) ? good(split.words) : bad(expected);
}

const usable = (words: readonly string[]): boolean =>
  words[0] !== undefined && words[0] !== '' && !words.some((word) => word.includes('\0'));

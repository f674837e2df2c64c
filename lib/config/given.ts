// What was given, where: the command line and the environment as candidates for each key.
import type {ConfigProblem} from '../errors.ts';
import type {Raw} from './kinds.ts';
import {flagOf, KEYS, OPTIONS, otherNames, type Key} from './options.ts';

/** One value that somebody gave for a key. */
export interface Given {
  readonly raw: Raw;
  /** 3 command line, 2 environment, 1 file: the larger wins. */
  readonly rank: 1 | 2 | 3;
  /** `ha.yaml:12`, `environment variable HA_AGENT_PORT`, `option --port`; for something inside the value, where that is. */
  readonly where: (path: readonly (string | number)[]) => string;
}

export type Candidates = ReadonlyMap<Key, readonly Given[]>;

/** One source, read: what it gives, and what is wrong with it as a whole. */
export interface Source {
  readonly given: Candidates;
  readonly problems: readonly ConfigProblem[];
  /** Sentences for the log. */
  readonly warnings?: readonly string[];
  /** HAL's or PROM's file: our timings adapt to its timeout. */
  readonly legacy?: true;
}

/**
 * @param argv as yargs parsed it: its camelCase keys count, aliases hold the same value.
 * @param command what followed `--`; undefined or empty if nothing did.
 */
export function fromCommandLine(
  argv: Readonly<Record<string, unknown>>,
  command: readonly string[] | undefined,
  cwd: string,
): Source {
  const given = new Map<Key, Given[]>();
  const problems: ConfigProblem[] = [];
  for (const key of KEYS) {
    const flag = flagOf(key);
    if (flag === undefined) continue;
    const name = [flag, ...OPTIONS[key].aliases].find((candidate) => isGiven(argv[candidate]));
    if (name === undefined) continue;
    const where = `option ${name.length === 1 ? '-' : '--'}${name}`;
    const value = argv[name];
    if (Array.isArray(value))
      problems.push({key, where, found: JSON.stringify(value), expected: 'one value: give the option once'});
    else add(given, key, {raw: {value, text: String(value), baseDir: cwd}, rank: 3, where: () => where});
  }
  if (command !== undefined && command.length > 0) {
    const raw = {value: command, text: JSON.stringify(command), baseDir: cwd};
    add(given, 'service.command', {raw, rank: 3, where: () => 'command line after --'});
  }
  return {given, problems};
}

/** An empty variable counts as not set; unknown ones with our prefix are nobody's business. */
export function fromEnvironment(env: Readonly<Record<string, string | undefined>>, cwd: string): Source {
  const given = new Map<Key, Given[]>();
  for (const key of KEYS) {
    if (OPTIONS[key].fileOnly === true) continue;
    for (const name of [key, ...otherNames(key)].map(variableOf)) {
      const value = env[name];
      if (value === undefined || value === '') continue;
      add(given, key, {raw: {value, text: value, baseDir: cwd}, rank: 2, where: () => `environment variable ${name}`});
    }
  }
  return {given, problems: []};
}

/** `service.startTimeout` -> `HA_AGENT_SERVICE_START_TIMEOUT`. */
export const variableOf = (name: string): string =>
  `HA_AGENT_${name
    .replaceAll('.', '_')
    .replace(/[A-Z]/g, (letter) => `_${letter}`)
    .toUpperCase()}`;

export function add(given: Map<Key, Given[]>, key: Key, value: Given): void {
  given.set(key, [...(given.get(key) ?? []), value]);
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

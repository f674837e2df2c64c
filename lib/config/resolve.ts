// From everything that was given to one value per key: the highest source wins, and every faulty value is reported, winner or not.
import type {ConfigProblem} from '../errors.ts';
import type {Candidates, Given, Source} from './given.ts';
import type {Fault} from './kinds.ts';
import {KEYS, OPTIONS, type Key, type Option, type Values} from './options.ts';

export interface Resolved {
  /** Faulty keys have their default. */
  readonly values: Values;
  /** Who gave the value that counts; no entry for a default. */
  readonly winners: ReadonlyMap<Key, Given>;
  readonly problems: readonly ConfigProblem[];
}

export async function resolveValues(sources: readonly Source[]): Promise<Resolved> {
  const problems = sources.flatMap((source) => source.problems);
  const winners = new Map<Key, Given>();
  const values: {-readonly [K in Key]?: Values[K]} = {};
  const put = async <K extends Key>(key: K): Promise<void> => {
    const option: Option<Values[K]> = OPTIONS[key];
    values[key] = option.initial;
    for (const given of candidatesOf(
      sources.map((source) => source.given),
      key,
    )) {
      const read = await option.kind.read(given.raw);
      if (!read.ok) problems.push(...read.faults.map((fault) => problemOf(key, given, fault)));
      else if ((winners.get(key)?.rank ?? 0) < given.rank) {
        winners.set(key, given);
        values[key] = read.value;
      }
    }
  };
  for (const key of KEYS) await put(key);
  return {values: values as Values, winners, problems};
}

const candidatesOf = (given: readonly Candidates[], key: Key): readonly Given[] =>
  given.flatMap((source) => source.get(key) ?? []);

function problemOf(key: Key, given: Given, fault: Fault): ConfigProblem {
  const inside = fault.path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('');
  return {key: key + inside, where: given.where(fault.path), found: foundText(given, fault.path), expected: fault.expected};
}

/** The value as it stands there; whole for a scalar, the part in question for something inside. */
export function foundText(given: Given, path: readonly (string | number)[] = []): string | undefined {
  let value: unknown = given.raw.value;
  for (const step of path)
    value = typeof value === 'object' && value !== null && step in value ? Reflect.get(value, step) : undefined;
  if (value === undefined || value === null) return undefined;
  const shown = typeof value === 'string' || path.length > 0 ? JSON.stringify(value) : given.raw.text;
  return withoutPassword(shown.length > 200 ? `${shown.slice(0, 200)}…` : shown);
}

/** `http://user:secret@host` -> `http://***@host`. */
const withoutPassword = (text: string): string => text.replace(/(\/\/)[^/@\s"]*@/g, '$1***@');

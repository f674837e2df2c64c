// HAL's or PROM's config.json as one of our sources: its keys translated, and ours, which those daemons pass over, as they stand there.
import {isLegacyKey} from '../compat/keys.ts';
import type {JsonEntry, JsonObject} from '../compat/lenient-json.ts';
import {translate, type Circumstances, type Fault, type Translated} from '../compat/translate.ts';
import type {ConfigProblem} from '../errors.ts';
import {add, type Given, type Source} from './given.ts';
import type {Key} from './options.ts';
import {GROUPS, SPELLINGS} from './spellings.ts';

/** Which file, for messages and for relative paths. */
export interface FilePlace {
  readonly baseDir: string;
  readonly shown: string;
}

export function legacySource(keys: JsonObject, place: FilePlace, around: Circumstances): Source {
  const own = ownKeys(keys);
  const ownGiven = new Set(own.found.map(({key}) => key));
  const isGiven = (key: Key): boolean => ownGiven.has(key) || around.isGiven(key);
  const ownId = own.found.find(({key}) => key === 'nodeId')?.entry.value;
  const isText = typeof ownId === 'string' || typeof ownId === 'number';
  const nodeId = isText && !around.isGiven('nodeId') ? String(ownId) : around.nodeId;
  const {daemon, options, warnings, faults} = translate(keys, {...around, nodeId, isGiven});
  const given = new Map<Key, Given[]>();
  for (const {key, entry} of own.found) add(given, key, givenBy(plain(entry.value), entry.line, place));
  for (const option of options.filter(({key}) => !ownGiven.has(key))) add(given, option.key, translated(option, place));
  const unknown = own.unknown.length === 0 ? [] : [`${own.unknown.join(', ')}: unknown, no effect`];
  return {
    given,
    problems: faults.map((fault) => problemOf(fault, place)),
    warnings: [
      `${place.shown} is read as ${daemon}'s`,
      ...[...warnings, ...unknown].map((warning) => `${place.shown}: ${warning}`),
    ],
    legacy: true,
  };
}

interface OwnKey {
  readonly key: Key;
  readonly entry: JsonEntry;
}

function ownKeys(keys: JsonObject): {readonly found: readonly OwnKey[]; readonly unknown: readonly string[]} {
  const found: OwnKey[] = [];
  const unknown: string[] = [];
  for (const [name, entry] of [...keys].filter(([key]) => !isLegacyKey(key))) {
    const inner = GROUPS.has(name) && entry.value instanceof Map ? (entry.value as JsonObject) : undefined;
    const named = inner ? [...inner].map(([part, value]) => [`${name}.${part}`, value] as const) : [[name, entry] as const];
    for (const [path, value] of named) {
      const key = SPELLINGS.get(path);
      if (key === undefined) unknown.push(path);
      else found.push({key, entry: value});
    }
  }
  return {found, unknown};
}

const givenBy = (value: unknown, line: number, {shown, baseDir}: FilePlace): Given => ({
  raw: {value, text: typeof value === 'string' ? value : JSON.stringify(value), baseDir},
  rank: 1,
  where: () => `${shown}:${line}`,
});

/** Where a value of ours came from is said with the key that stands there. */
const translated = ({value, from, line}: Translated, place: FilePlace): Given => {
  const given = givenBy(value, line, place);
  return {...given, where: () => `${place.shown}:${line}, ${from}`};
};

const problemOf = ({key, line, found, expected}: Fault, {shown}: FilePlace): ConfigProblem => ({
  key,
  where: line === undefined ? shown : `${shown}:${line}`,
  found,
  expected,
});

/** As JSON.parse would have given it. */
function plain(value: JsonEntry['value']): unknown {
  if (value instanceof Map) {
    return Object.fromEntries([...(value as JsonObject)].map(([key, inner]) => [key, plain(inner.value)]));
  }
  return Array.isArray(value) ? (value as readonly JsonEntry['value'][]).map(plain) : value;
}

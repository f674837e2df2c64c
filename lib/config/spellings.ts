// What a person may write as a key in a config file.
import {nearest} from './nearest.ts';
import {KEYS, otherNames, type Key} from './options.ts';

/** As paths of keys: `service.attempts`, `nodeId`, and its other name `id`. */
export const SPELLINGS: ReadonlyMap<string, Key> = new Map(
  KEYS.flatMap((key) => [key, ...otherNames(key)].map((name) => [name, key] as const)),
);

/** Keys that hold keys: `service`. */
export const GROUPS: ReadonlySet<string> = new Set(
  KEYS.filter((key) => key.includes('.')).map((key) => key.slice(0, key.indexOf('.'))),
);

/** What was probably meant by an unknown one. */
export const nearestKey = (name: string): string | undefined => nearest(name, [...SPELLINGS.keys()]);

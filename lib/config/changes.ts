// What differs between two configurations, and which of it may take effect while the agent runs.
import {isDeepStrictEqual} from 'node:util';
import type {Around, Config} from './config.ts';
import {withValues} from './load.ts';
import {LAUNCH_KEYS, OPTIONS, type Key, type Option, type Values} from './options.ts';

export interface Change {
  readonly key: Key;
  /** For people; `none` where there is no value. */
  readonly from: string;
  readonly to: string;
}

export interface Changes {
  /** Taken over. */
  readonly applied: readonly Change[];
  /** Waiting for a restart. */
  readonly pending: readonly Change[];
}

/** @returns the running configuration with those keys of `next` that may change, and the differences by name. */
export function applyChanges(
  running: Config,
  next: Config,
  around: Around,
): {readonly config: Config; readonly changes: Changes} {
  const values: {-readonly [K in Key]: Values[K]} = {...running.values};
  const applied: Change[] = [];
  const pending: Change[] = [];
  const compare = <K extends Key>(key: K): void => {
    if (isDeepStrictEqual(running.values[key], next.values[key])) return;
    const change = {key, from: show(key, running.values[key]), to: show(key, next.values[key])};
    // A service of another kind is another service.
    const otherKind = key.startsWith('service.') && next.service.kind !== running.service.kind;
    if (OPTIONS[key].change === 'restart' || otherKind) {
      pending.push(change);
      return;
    }
    applied.push(change);
    values[key] = next.values[key];
  };
  for (const key of LAUNCH_KEYS) compare(key);
  return {config: applied.length === 0 ? running : withValues(running, values, around), changes: {applied, pending}};
}

/** `leaseTimeout: 30s -> 60s`. */
export const describeChange = (change: Change): string => `${change.key}: ${change.from} -> ${change.to}`;

function show<K extends Key>(key: K, value: Values[K]): string {
  const option: Option<Values[K]> = OPTIONS[key];
  return isPresent(value) ? option.kind.show(value) : (option.initialText ?? 'none');
}

const isPresent = <T>(value: T): value is Exclude<T, undefined> => value !== undefined;

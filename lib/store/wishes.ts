// The operator's wishes are the names in the control directory; what the files hold is for people who look there.
import {unlink} from 'node:fs/promises';
import {join} from 'node:path';
import type {Wishes} from '../protocol/agent-state.ts';
import {epoch, isNodeId, type Epoch, type NodeId} from '../protocol/words.ts';
import {readdir} from './calls.ts';
import {errnoOf} from './errno.ts';
import type {StorePaths} from './paths.ts';
import {createFile} from './small-file.ts';

export type Wish =
  | {readonly kind: 'paused'}
  /** The owner of this epoch gives the lease to `to`, or to whoever is next. */
  | {readonly kind: 'switchover'; readonly epoch: Epoch; readonly to: NodeId | undefined}
  /** The owner of this epoch is dead. */
  | {readonly kind: 'statement'; readonly epoch: Epoch; readonly owner: NodeId};

const PAUSED = 'paused';
const SWITCHOVER = /^switchover\.(\d{10})\.(-|[A-Za-z0-9][A-Za-z0-9_-]{0,62})$/;
const STATEMENT = /^dead\.(\d{10})\.([A-Za-z0-9][A-Za-z0-9_-]{0,62})$/;

/** @returns undefined for a name that is no wish: it is ignored. */
export function parseWish(name: string): Wish | undefined {
  if (name === PAUSED) return {kind: 'paused'};
  const switchover = SWITCHOVER.exec(name);
  if (switchover) {
    const to = switchover[2];
    return {kind: 'switchover', epoch: epoch(Number(switchover[1])), to: to !== undefined && isNodeId(to) ? to : undefined};
  }
  const statement = STATEMENT.exec(name);
  const owner = statement?.[2];
  return statement && owner !== undefined && isNodeId(owner)
    ? {kind: 'statement', epoch: epoch(Number(statement[1])), owner}
    : undefined;
}

export function formatWish(wish: Wish): string {
  switch (wish.kind) {
    case 'paused':
      return PAUSED;
    case 'switchover':
      return `switchover.${digits(wish.epoch)}.${wish.to ?? '-'}`;
    case 'statement':
      return `dead.${digits(wish.epoch)}.${wish.owner}`;
    default:
      return wish satisfies never;
  }
}

/** One READDIR. @throws the system's error. */
export async function readWishes(paths: StorePaths): Promise<Wishes> {
  const wishes = (await readdir(paths.controlDir)).sort().flatMap((name) => parseWish(name) ?? []);
  return {
    paused: wishes.some((wish) => wish.kind === 'paused'),
    switchovers: wishes.flatMap((wish) => (wish.kind === 'switchover' ? [{epoch: wish.epoch, to: wish.to}] : [])),
    statements: wishes.flatMap((wish) => (wish.kind === 'statement' ? [{epoch: wish.epoch, owner: wish.owner}] : [])),
  };
}

/**
 * @param by who wishes it, for people who look into the file.
 * @returns false if the very same wish was there already.
 * @throws the system's error.
 */
export async function placeWish(paths: StorePaths, wish: Wish, by: string): Promise<boolean> {
  const text = `${JSON.stringify({by, at: new Date().toISOString()})}\n`;
  try {
    await createFile(join(paths.controlDir, formatWish(wish)), text);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Removes the wishes that `chosen` picks. @returns how many. @throws the system's error. */
export async function removeWishes(paths: StorePaths, chosen: (wish: Wish) => boolean): Promise<number> {
  let removed = 0;
  for (const name of await readdir(paths.controlDir)) {
    const wish = parseWish(name);
    if (!wish || !chosen(wish)) continue;
    try {
      await unlink(join(paths.controlDir, name));
      removed++;
    } catch (error) {
      // Somebody else was quicker: it is gone, which is all that was wanted.
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }
  return removed;
}

const digits = (value: Epoch): string => String(value).padStart(10, '0');

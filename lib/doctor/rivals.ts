// Rename as compare-and-swap: of several that rename one name, exactly one may win, and its target is what is there afterwards.
import {readdir, rename, unlink, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {errnoOf} from '../store/errno.ts';
import type {Amount, RivalTally} from './calls.ts';

/** Stands in for the file system's own where a test needs one that is broken. */
export type Rename = (from: string, to: string) => Promise<void>;

/** One round as it was seen from the outside. */
export interface Round {
  /** Who was told that its rename succeeded. */
  readonly winners: readonly string[];
  /** Whose targets are there. */
  readonly targets: readonly string[];
  readonly sourceIsLeft: boolean;
}

/** Rivals of one host: several calls in flight at once, as threads of one process. */
export async function rivalRounds(
  directory: string,
  {rounds, budgetMs, rivals}: Amount & {readonly rivals: number},
  move: Rename = rename,
): Promise<RivalTally> {
  const done: Round[] = [];
  const limit = performance.now() + budgetMs;
  const names = Array.from({length: rivals}, (_, rival) => `rival${rival + 1}`);
  while (done.length < rounds && performance.now() < limit) {
    const source = join(directory, 'lock');
    await writeFile(source, '', {flag: 'wx', mode: 0o600});
    const outcomes = await Promise.all(names.map((name) => attempt(move, source, `${source}.${name}`)));
    const left = await readdir(directory);
    const winners = names.filter((_, rival) => outcomes[rival] === '');
    done.push({
      winners,
      targets: names.filter((name) => left.includes(`lock.${name}`)),
      sourceIsLeft: left.includes('lock'),
    });
    for (const name of left) await unlink(join(directory, name));
  }
  return tally(done);
}

/** @returns the error's name; empty if the rename succeeded. */
export async function attempt(move: Rename, from: string, to: string): Promise<string> {
  try {
    await move(from, to);
    return '';
  } catch (error) {
    return errnoOf(error);
  }
}

export function tally(rounds: readonly Round[]): RivalTally {
  const wins: Record<string, number> = {};
  let [once, unheard, broken] = [0, 0, 0];
  let example: string | null = null;
  for (const round of rounds) {
    const {winners, targets, sourceIsLeft} = round;
    for (const winner of winners) wins[winner] = (wins[winner] ?? 0) + 1;
    const oneIsThere = targets.length === 1 && !sourceIsLeft;
    if (oneIsThere && winners.length === 1 && winners[0] === targets[0]) once++;
    else if (oneIsThere && winners.length === 0) unheard++;
    else {
      broken++;
      example ??= describe(round);
    }
  }
  return {rounds: rounds.length, once, unheard, broken, example, wins};
}

function describe({winners, targets, sourceIsLeft}: Round): string {
  const list = (names: readonly string[]): string => (names.length === 0 ? 'nobody' : names.join(' and '));
  return `told that it had won: ${list(winners)}; there afterwards: ${[...targets, ...(sourceIsLeft ? ['the source too'] : [])].join(' and ') || 'nothing'}`;
}

// Rivals on two hosts: both rename the same names at the same instants, and one of them lists what is left.
import {readdir, rename, utimes, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {setImmediate as yieldTurn, setTimeout as sleep} from 'node:timers/promises';
import {bootNow} from '../guardian/clock.ts';
import type {RaceOrder, RivalTally} from './calls.ts';
import {attempt, tally, type Round} from './rivals.ts';

/** Timers come late by as much; the rest of a wait is spent looking at the clock, ms. */
const SPIN_MS = 3;

export async function prepareRace(directory: string, count: number): Promise<void> {
  for (let round = 0; round < count; round++) await writeFile(join(directory, `${round}`), '', {flag: 'wx', mode: 0o600});
}

/** @returns the error's name of each round; empty text where this host won. */
export async function race(directory: string, {count, startAtMs, periodMs}: RaceOrder, who: string): Promise<string[]> {
  const outcomes: string[] = [];
  for (let round = 0; round < count; round++) {
    await until(startAtMs + round * periodMs);
    outcomes.push(await attempt(rename, join(directory, `${round}`), join(directory, `${round}.${who}`)));
  }
  return outcomes;
}

async function until(atMs: number): Promise<void> {
  const waitMs = atMs - bootNow() - SPIN_MS;
  if (waitMs > 0) await sleep(waitMs);
  while (bootNow() < atMs) await yieldTurn();
}

/** What is left, as the server has it: setting its times makes the client forget what it knows of a directory. */
export async function listAfresh(directory: string): Promise<string[]> {
  const now = new Date();
  await utimes(directory, now, now);
  return await readdir(directory);
}

/** @param left the names in the directory after both have ended. */
export function judgeRace(here: readonly string[], there: readonly string[], left: readonly string[]): RivalTally {
  const names = new Set(left);
  const rounds = here.map((outcome, round): Round => {
    const outcomes = {here: outcome, there: there[round]};
    return {
      winners: Object.entries(outcomes).flatMap(([who, each]) => (each === '' ? [who] : [])),
      targets: Object.keys(outcomes).filter((who) => names.has(`${round}.${who}`)),
      sourceIsLeft: names.has(`${round}`),
    };
  });
  return tally(rounds);
}

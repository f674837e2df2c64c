// How long the calls take that the agents make: rename, a block in place, fsync, a listing.
import {open, readdir, rename, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {HEARTBEAT_BYTES} from '../store/codec.ts';
import {heartbeatIo} from '../store/heartbeats.ts';
import type {Amount, Latencies} from './calls.ts';
import {summarize, type Samples} from './percentiles.ts';

/** Kinds of calls that share the budget. */
const KINDS = 4;
/** As much as a record of the history has. */
const SMALL = Buffer.alloc(1_024, 'x');

/** The directories exist and are empty: renames and listings in one, whatever is opened in the other, as in a store. */
export async function measureLatency(lockDir: string, nodesDir: string, {rounds, budgetMs}: Amount): Promise<Latencies> {
  const amount = {rounds, budgetMs: budgetMs / KINDS};
  let refusesDirect: string | null = null;
  const io = heartbeatIo((reason) => {
    refusesDirect = reason;
  });
  const block = Buffer.alloc(HEARTBEAT_BYTES, ' ');
  await io.exchange(join(nodesDir, 'beat'), block);
  await writeFile(join(lockDir, '0'), '', {flag: 'wx', mode: 0o600});
  const nameOf = (round: number): string => join(lockDir, String(round));
  return {
    rename: await repeat(amount, (round) => rename(nameOf(round), nameOf(round + 1))),
    write: await repeat(amount, () => io.exchange(join(nodesDir, 'beat'), block)),
    fsync: await repeat(amount, (round) => writeThrough(join(nodesDir, `small${round % 2}`))),
    list: await repeat(amount, () => readdir(lockDir)),
    refusesDirect,
  };
}

async function writeThrough(path: string): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
    await file.write(SMALL, 0, SMALL.length, 0);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** At least once, then until rounds or time are used up. */
async function repeat({rounds, budgetMs}: Amount, act: (round: number) => Promise<unknown>): Promise<Samples> {
  const durationsMs: number[] = [];
  const limit = performance.now() + budgetMs;
  do {
    const begun = performance.now();
    await act(durationsMs.length);
    durationsMs.push(performance.now() - begun);
  } while (durationsMs.length < rounds && performance.now() < limit);
  return summarize(durationsMs);
}

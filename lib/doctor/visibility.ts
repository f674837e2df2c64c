// When a change made by another host is seen here: a rename in a listing, a block in a read, as the agents look.
import {readdir, rename, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {bootNow} from '../guardian/clock.ts';
import {HEARTBEAT_BYTES} from '../store/codec.ts';
import {errnoOf} from '../store/errno.ts';
import {heartbeatIo} from '../store/heartbeats.ts';
import type {Changed, Seen} from './calls.ts';

/** Between two looks, ms. */
const LOOK_MS = 20;

export interface Places {
  readonly lockDir: string;
  readonly nodesDir: string;
}

const blockOf = (index: number): Buffer => Buffer.alloc(HEARTBEAT_BYTES, String(index).padEnd(16));
const beatIn = ({nodesDir}: Places): string => join(nodesDir, 'seen');
const lockOf = (index: number): string => `seen.${index}`;

export async function prepareChange(places: Places): Promise<void> {
  await writeFile(join(places.lockDir, lockOf(0)), '', {flag: 'wx', mode: 0o600});
  await heartbeatIo(() => undefined).exchange(beatIn(places), blockOf(0));
}

/** @param index counts from 1. */
export async function change(places: Places, index: number): Promise<Changed> {
  await rename(join(places.lockDir, lockOf(index - 1)), join(places.lockDir, lockOf(index)));
  const renamedAtMs = bootNow();
  await heartbeatIo(() => undefined).exchange(beatIn(places), blockOf(index));
  return {renamedAtMs, wroteAtMs: bootNow()};
}

/** Looks until both are seen, or the time is over. */
export async function watchChange(places: Places, index: number, limitMs: number): Promise<Seen> {
  const limit = bootNow() + limitMs;
  const io = heartbeatIo(() => undefined);
  const wanted = String(index).padEnd(16);
  let [listedAtMs, readAtMs]: [number | null, number | null] = [null, null];
  while ((listedAtMs === null || readAtMs === null) && bootNow() < limit) {
    if (listedAtMs === null && (await readdir(places.lockDir)).includes(lockOf(index))) listedAtMs = bootNow();
    if (readAtMs === null && (await firstOf(() => io.read(beatIn(places)))) === wanted) readAtMs = bootNow();
    await sleep(LOOK_MS);
  }
  return {listedAtMs, readAtMs};
}

/** A handle that another host's change made stale is a look that saw nothing. */
async function firstOf(read: () => Promise<Buffer>): Promise<string> {
  try {
    return (await read()).toString('latin1', 0, 16);
  } catch (error) {
    if (errnoOf(error) !== 'ESTALE') throw error;
    return '';
  }
}

// What the services of a benchmark wrote about themselves, one run each, and whether two of them were ever active at once.
import fs from 'node:fs/promises';
import {systemCode} from '../lib/errors.ts';

/** One process of the service; instants in ms of the host's monotonic clock, undefined where it did not come so far. */
export interface ServiceRun {
  readonly node: string;
  readonly epoch: number;
  readonly begin: number;
  readonly listening: number | undefined;
  /** The first answer to a client. */
  readonly answer: number | undefined;
  /** SIGTERM came. */
  readonly term: number | undefined;
  /** It ended by itself. */
  readonly end: number | undefined;
  /** The last sign of life of any kind, at most 10 ms before its death. */
  readonly last: number;
}

const LINE = /^(\d+) (begin|listening|answer|alive|term|end) (\S+) (\d+) ([0-9a-f]{8})$/;

/** Now, on the clock of the runs. */
export const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** @returns the runs in the order in which they began; none before the first service has begun. @throws Error for a line that is not the service's, unless it is the last. */
export async function readRuns(file: string): Promise<readonly ServiceRun[]> {
  const lines = (await fs.readFile(file, 'utf8').catch(emptyIfMissing)).split('\n');
  // The last one is being written, or empty.
  lines.pop();
  const runs = new Map<string, ServiceRun>();
  for (const line of lines) {
    const [, ns, what = '', node = '', epoch, id = ''] = LINE.exec(line) ?? [];
    if (ns === undefined) throw new Error(`${file} holds a line that no service wrote: ${line}`);
    const at = Number(ns) / 1e6;
    const run = runs.get(id) ?? newRun(node, Number(epoch), at);
    runs.set(id, {...run, last: Math.max(run.last, at), ...(what !== 'alive' && {[what]: at})});
  }
  return [...runs.values()].sort((a, b) => a.begin - b.begin);
}

function emptyIfMissing(error: unknown): string {
  if (systemCode(error) === 'ENOENT') return '';
  throw error;
}

const newRun = (node: string, epoch: number, at: number): ServiceRun => {
  return {node, epoch, begin: at, last: at, listening: undefined, answer: undefined, term: undefined, end: undefined};
};

/** @returns the longest time, ms, for which two runs were active at once; 0 if there was none. */
export function overlapMs(runs: readonly ServiceRun[]): number {
  const pairs = runs.flatMap((later, index) =>
    runs.slice(0, index).map((earlier) => Math.min(earlier.last, later.last) - later.begin),
  );
  return Math.max(0, ...pairs);
}

// What a node costs that has nothing to do: processor, memory, and calls to the store, for a small and for a larger cluster.
import {spawn} from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {parseKept} from '../lib/agent/kept-guardians.ts';
import {readLocalState} from '../lib/agent/local-state.ts';
import {agentPid, closeCluster, openCluster, settle, type BenchCluster, type BenchNode} from './bench-cluster.ts';
import type {Bench} from './bench-failures.ts';
import {figuresOf, type Row} from './bench-result.ts';

const SIZES = [3, 6] as const;
/** What happens in the first minute is starting, not idling. */
const WARM_UP_MS = 60_000;
/** One run. A collection of garbage falls into some minutes and not into others. */
const WATCH_MS = 60_000;
const TRACE_MS = 30_000;

export async function measureIdle(bench: Bench): Promise<readonly Row[]> {
  const rows: Row[] = [];
  try {
    for (const size of SIZES) rows.push(...(await measureSize(bench, size)));
  } catch (error) {
    if (!bench.signal.aborted) throw error;
  }
  return rows;
}

async function measureSize(bench: Bench, size: number): Promise<readonly Row[]> {
  const cluster = await openCluster(size, []);
  try {
    const master = await settle(cluster, bench.signal);
    bench.say(`${size} nodes: waiting for a minute, then watching for ${bench.runs} of them`);
    await sleep(WARM_UP_MS, undefined, {signal: bench.signal});
    const standby = cluster.nodes.find((node) => node !== master) ?? master;
    const masters: Cost[] = [];
    const standbys: Cost[] = [];
    while (masters.length < bench.runs) {
      const [first, second] = await watchCost([master, standby], bench.signal);
      if (first) masters.push(first);
      if (second) standbys.push(second);
    }
    const of = `of ${size} nodes`;
    const rows = [...costRows(`master ${of}`, masters), ...costRows(`standby ${of}`, standbys)];
    const calls = await countStoreCalls(cluster, standby, bench);
    if (calls !== undefined)
      rows.push(rowOf(`standby ${of}: calls to the store`, 'at most 20 calls/s', 'calls/s', [calls], (found) => found <= 20));
    return rows;
  } finally {
    await closeCluster(cluster, new AbortController().signal);
  }
}

interface Cost {
  readonly cpuPercent: number;
  readonly megabytes: number | undefined;
}

function costRows(who: string, costs: readonly Cost[]): readonly Row[] {
  const percents = costs.map(({cpuPercent}) => cpuPercent);
  const megabytes = costs.flatMap((cost) => cost.megabytes ?? []);
  const cpu = rowOf(`${who}: agent + guardian`, 'under 0.5 % of a core', '% of a core', percents, (median) => median < 0.5);
  const memory = rowOf(`${who}: agent + guardian, PSS`, 'under 110 MB', 'MB', megabytes, (median) => median < 110);
  return megabytes.length > 0 ? [cpu, memory] : [cpu];
}

/** @param isReached by the median. */
function rowOf(
  what: string,
  wanted: string,
  unit: Row['unit'],
  values: readonly number[],
  isReached: (median: number) => boolean,
): Row {
  return {what, wanted, unit, values, reached: isReached(figuresOf(values).median), overlapMs: undefined};
}

async function watchCost(nodes: readonly BenchNode[], signal: AbortSignal): Promise<readonly Cost[]> {
  const pids = await Promise.all(nodes.map(agentAndGuardian));
  const before = await Promise.all(pids.map(cpuMs));
  const begunAt = performance.now();
  await sleep(WATCH_MS, undefined, {signal});
  const after = await Promise.all(pids.map(cpuMs));
  const watchedMs = performance.now() - begunAt;
  return Promise.all(
    pids.map(async (each, index) => {
      const cpuPercent = (100 * ((after[index] ?? 0) - (before[index] ?? 0))) / watchedMs;
      return {cpuPercent, megabytes: await proportionalMegabytes(each)};
    }),
  );
}

async function agentAndGuardian(node: BenchNode): Promise<readonly number[]> {
  const record = parseKept(await readLocalState(node.stateDir).guardian())[0]?.record;
  if (!record) throw new Error(`${node.nodeId} has no guardian`);
  return [await agentPid(node), record.guardian.pid];
}

/** The time that all their threads have run, ms, to the nanosecond: the ticks of /proc/PID/stat are too coarse for so little. */
async function cpuMs(pids: readonly number[]): Promise<number> {
  let ns = 0;
  for (const pid of pids) {
    for (const thread of await fs.readdir(`/proc/${pid}/task`)) {
      const text = await fs.readFile(`/proc/${pid}/task/${thread}/schedstat`, 'latin1');
      ns += Number(text.split(' ')[0]);
    }
  }
  return ns / 1e6;
}

/** @returns undefined where the kernel does not tell it. */
async function proportionalMegabytes(pids: readonly number[]): Promise<number | undefined> {
  let kilobytes = 0;
  for (const pid of pids) {
    const text = await fs.readFile(`/proc/${pid}/smaps_rollup`, 'latin1').catch(() => '');
    const [, found] = /^Pss: +(\d+) kB$/m.exec(text) ?? [];
    if (found === undefined) return undefined;
    kilobytes += Number(found);
  }
  return kilobytes / 1_000;
}

/** Counts what strace shows with a name or a descriptor below the store. @returns undefined, and says why, where strace does not work. */
async function countStoreCalls(cluster: BenchCluster, node: BenchNode, bench: Bench): Promise<number | undefined> {
  const output = path.join(cluster.directory, 'strace.txt');
  const pid = await agentPid(node);
  const seconds = String(TRACE_MS / 1_000);
  const trace = ['strace', '-f', '-y', '-qq', '-e', 'trace=%file,%desc', '-o', output, '-p', String(pid)];
  const failure = await runFor(['timeout', '--signal=INT', seconds, ...trace], bench.signal);
  if (failure !== undefined) {
    bench.say(`calls to the store are not counted: ${failure}`);
    return undefined;
  }
  const lines = (await fs.readFile(output, 'utf8')).split('\n');
  // A call that is cut in two by another thread's shows its names in the first half.
  const calls = lines.filter((line) => line.includes(cluster.store) && !line.includes('resumed>'));
  return calls.length / (TRACE_MS / 1_000);
}

/** @returns what kept it from running. */
function runFor([program = '', ...words]: readonly string[], signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, words, {stdio: ['ignore', 'ignore', 'pipe'], signal});
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (piece: string) => (said += piece));
    child.once('error', (error) => resolve(error.message));
    // timeout(1) ends with 124 after having done what it was asked to.
    child.once('close', (code) => resolve(code === 124 ? undefined : said.trim() || `exit status ${code ?? 'unknown'}`));
  });
}

// The same failures of what a user would write instead: on each node a loop over proper-lockfile that runs the service while it has the lock.
import {spawn, type ChildProcess} from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {childrenOf} from '../lib/guardian/proc.ts';
import {randomPort, SERVICE} from './bench-cluster.ts';
import type {Bench} from './bench-failures.ts';
import {untilAnswered} from './bench-http.ts';
import type {Row} from './bench-result.ts';
import {nowMs, overlapMs, readRuns, type ServiceRun} from './bench-witness.ts';
import {freePorts, ROOT} from './cluster-places.ts';

const LOOP = path.join(ROOT, 'scripts', 'bench-lockfile-loop.mjs');
const LIMIT_MS = 60_000;
/** For how long an old service that nobody ended is watched beside the new one, ms. */
const WATCH_OLD_MS = 1_000;

interface Loops {
  readonly directory: string;
  readonly witness: string;
  readonly ports: readonly number[];
  readonly running: Map<number, ChildProcess>;
}

export async function measureLockfile(bench: Bench): Promise<readonly Row[]> {
  return [
    await measureCase(bench, false, 'proper-lockfile loop, kill -9 of the loop: until the service answers elsewhere'),
    await measureCase(bench, true, 'proper-lockfile loop, loop and service killed at once: until the service answers elsewhere'),
  ];
}

/** @param withService whether the service is killed too, or lives on without its loop. */
async function measureCase(bench: Bench, withService: boolean, what: string): Promise<Row> {
  const directory = await fs.mkdtemp(path.join(os.tmpdir(), 'ha-agent-bench-'));
  const loops: Loops = {
    directory,
    witness: path.join(directory, 'witness.log'),
    ports: await freePorts(randomPort(), 2),
    running: new Map(),
  };
  await fs.mkdir(path.join(directory, 'store'));
  const values: number[] = [];
  try {
    for (const port of loops.ports) startLoop(loops, port);
    while (values.length < bench.runs) {
      values.push(await killHolder(bench, loops, withService));
      bench.say(`run ${values.length} of ${bench.runs}: ${((values.at(-1) ?? 0) / 1_000).toFixed(2)} s`);
    }
  } catch (error) {
    if (!bench.signal.aborted) throw error;
  } finally {
    await endAll(loops);
  }
  const overlap = overlapMs(await readRuns(loops.witness));
  await fs.rm(directory, {recursive: true, force: true});
  return {what, wanted: '', unit: 's', values: values.map((ms) => ms / 1_000), reached: undefined, overlapMs: overlap};
}

function startLoop({directory, witness, ports, running}: Loops, port: number): void {
  const node = `n${ports.indexOf(port) + 1}`;
  const service = [process.execPath, SERVICE, '--log', witness, '--node', node, '--port', String(port)];
  const child = spawn(process.execPath, [LOOP, path.join(directory, 'store'), ...service], {cwd: ROOT, stdio: 'ignore'});
  running.set(port, child);
}

async function killHolder(bench: Bench, loops: Loops, withService: boolean): Promise<number> {
  const {signal} = bench;
  await untilAnswered(loops.ports.map(urlOf), LIMIT_MS, signal);
  // Somewhere between two touches of the lock, which come every 5 s.
  await sleep(1_000 + 5_000 * Math.random(), undefined, {signal});
  const [port, holder] =
    [...loops.running].find(([, child]) => child.pid !== undefined && childrenOf(child.pid).length > 0) ?? [];
  if (port === undefined || holder?.pid === undefined) throw new Error('no loop holds the lock');
  const services = childrenOf(holder.pid).map(({pid}) => pid);
  const killedAt = nowMs();
  holder.kill('SIGKILL');
  if (withService) for (const pid of services) process.kill(pid, 'SIGKILL');
  try {
    await untilAnswered(loops.ports.filter((other) => other !== port).map(urlOf), LIMIT_MS, signal);
    const next = await runSince(loops, killedAt, signal);
    if (!withService) await sleep(WATCH_OLD_MS, undefined, {signal});
    return (next.answer ?? next.last) - killedAt;
  } finally {
    if (!withService) for (const pid of services) process.kill(pid, 'SIGKILL');
    startLoop(loops, port);
  }
}

async function runSince({witness}: Loops, since: number, signal: AbortSignal): Promise<ServiceRun> {
  for (;;) {
    const run = (await readRuns(witness)).find(({begin, answer}) => begin > since && answer !== undefined);
    if (run) return run;
    await sleep(10, undefined, {signal});
  }
}

const urlOf = (port: number): string => `http://127.0.0.1:${port}/`;

async function endAll({running}: Loops): Promise<void> {
  for (const child of running.values()) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) continue;
    const services = childrenOf(child.pid).map(({pid}) => pid);
    const gone = new Promise((resolve) => child.once('exit', resolve));
    for (const pid of [child.pid, ...services]) process.kill(pid, 'SIGKILL');
    await gone;
  }
}

// The benchmarks of a change of master: the agent killed, a switchover, and everything killed at once; timed by what the services wrote.
import {spawn} from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {parseKept} from '../lib/agent/kept-guardians.ts';
import {readLocalState} from '../lib/agent/local-state.ts';
import {identityOf, isAlive} from '../lib/guardian/proc.ts';
import {findMarked} from '../lib/guardian/record.ts';
import {parseLockName} from '../lib/protocol/lock-name.ts';
import {readHistory} from '../lib/store/history.ts';
import {storePaths} from '../lib/store/paths.ts';
import {agentPid, closeCluster, launch, openCluster, settle, type BenchCluster, type BenchNode} from './bench-cluster.ts';
import {untilAnswered} from './bench-http.ts';
import {figuresOf, type Row} from './bench-result.ts';
import {nowMs, overlapMs, readRuns, type ServiceRun} from './bench-witness.ts';
import {AGENT} from './cluster-places.ts';

export interface Bench {
  /** Fires when the user has had enough: what has been measured so far counts. */
  readonly signal: AbortSignal;
  readonly runs: number;
  readonly say: (text: string) => void;
}

const NODES = 3;
const ANSWER_LIMIT_MS = 60_000;
const LOOK_MS = 10;

/** kill -9 of the master's agent alone. */
export async function measureKill(bench: Bench): Promise<readonly Row[]> {
  return withCluster(bench, [], async (cluster) => {
    const values = await repeat(bench, async () => {
      const master = await settleSomewhen(cluster, bench.signal);
      const pid = await agentPid(master);
      const killedAt = nowMs();
      process.kill(pid, 'SIGKILL');
      const next = await nextAnswer(cluster, master, killedAt, bench.signal);
      await launch(cluster, master);
      return next.answer - killedAt;
    });
    const overlap = overlapMs(await readRuns(cluster.witness));
    const reached = figuresOf(values).median < 1_000 && overlap === 0;
    return [row('kill -9 of the agent: until the service answers elsewhere', values, 'median under 1 s', reached, overlap)];
  });
}

/** A planned change: how long the service is away beyond its own stop and start. */
export async function measureSwitchover(bench: Bench): Promise<readonly Row[]> {
  return withCluster(bench, [], async (cluster) => {
    const aways: number[] = [];
    const values = await repeat(bench, async () => {
      const master = await settleSomewhen(cluster, bench.signal);
      const target = cluster.nodes.find((node) => node !== master);
      const askedAt = nowMs();
      // A refused switchover is not waited for.
      const refused = new AbortController();
      const signal = AbortSignal.any([bench.signal, refused.signal]);
      const words = ['switchover', '--to', target?.nodeId ?? '', '--persistenceDir', cluster.store];
      const done = runAgent(words, signal).catch((error: unknown) => {
        refused.abort();
        throw error;
      });
      const [answered, said] = await Promise.allSettled([nextAnswer(cluster, master, askedAt, signal), done]);
      if (said.status === 'rejected') throw said.reason;
      if (answered.status === 'rejected') throw answered.reason;
      const next = answered.value;
      const old = (await readRuns(cluster.witness)).findLast((run) => run.node === master.nodeId);
      const {term, end} = old ?? {};
      if (term === undefined || end === undefined || next.listening === undefined)
        throw new Error('the services did not write it all');
      aways.push(next.answer - term);
      return next.answer - term - (end - term) - (next.listening - next.begin);
    });
    const overlap = overlapMs(await readRuns(cluster.witness));
    return [
      row(
        "switchover: without service, beyond the service's own stop and start",
        values,
        'each under 0.5 s',
        figuresOf(values).max < 500 && overlap === 0,
        overlap,
      ),
      row('switchover: without service in all', aways, '', undefined, overlap),
    ];
  });
}

export interface CrashCase {
  /** T, ms. */
  readonly leaseTimeoutMs: number;
  readonly options: readonly string[];
}

/** Agent, guardian and service killed by one command, as if the host had gone: the silence has to be waited out. */
export async function measureCrash(bench: Bench, {leaseTimeoutMs, options}: CrashCase): Promise<readonly Row[]> {
  return withCluster(bench, options, async (cluster) => {
    const sinceRenewal: number[] = [];
    const values = await repeat(bench, async () => {
      const master = await settleSomewhen(cluster, bench.signal);
      const pids = await everyProcess(master);
      const killedAt = nowMs();
      await killAll(pids);
      const renewedAt = await lastRenewal(cluster);
      const next = await nextAnswer(cluster, master, killedAt, bench.signal);
      await launch(cluster, master);
      const why = await whyTaken(cluster, next.epoch, bench.signal);
      if (why === 'free') {
        bench.say('not counted: the lease was given back before the last of them was killed');
        return undefined;
      }
      if (why !== 'silence') throw new Error(`epoch ${next.epoch} was taken for another reason than silence: ${why}`);
      sinceRenewal.push(next.begin - renewedAt);
      return next.answer - killedAt;
    });
    const overlap = overlapMs(await readRuns(cluster.witness));
    const {min, max} = figuresOf(values);
    const [least, most] = [leaseTimeoutMs - 1_000, leaseTimeoutMs + 2_000];
    const T = `T = ${leaseTimeoutMs / 1_000} s`;
    const never = figuresOf(sinceRenewal).min >= leaseTimeoutMs && overlap === 0;
    return [
      inSeconds(
        row(
          `all killed at once, ${T}: from the last renewal to the start elsewhere`,
          sinceRenewal,
          `never under ${T}`,
          never,
          overlap,
        ),
      ),
      inSeconds(
        row(
          `all killed at once, ${T}: until the service answers elsewhere`,
          values,
          `${least / 1_000} to ${most / 1_000} s`,
          min >= least && max <= most,
          overlap,
        ),
      ),
    ];
  });
}

const row = (what: string, values: readonly number[], wanted: string, reached: boolean | undefined, overlap: number): Row => {
  return {what, wanted, unit: 'ms', values, reached: values.length === 0 ? undefined : reached, overlapMs: overlap};
};

const inSeconds = (of: Row): Row => ({...of, unit: 's', values: of.values.map((ms) => ms / 1_000)});

/** Whatever happens, nothing of it is left running. */
async function withCluster<T>(bench: Bench, options: readonly string[], work: (cluster: BenchCluster) => Promise<T>): Promise<T> {
  const cluster = await openCluster(NODES, options);
  try {
    return await work(cluster);
  } finally {
    const left = await closeCluster(cluster, new AbortController().signal);
    if (left.length > 0) bench.say(`these processes could not be ended: ${left.join(' ')}`);
  }
}

/** Until there are enough values; a run without one has said why. Ends early, with what there is, when the user has had enough. */
async function repeat(bench: Bench, once: () => Promise<number | undefined>): Promise<readonly number[]> {
  const values: number[] = [];
  try {
    while (values.length < bench.runs) {
      const value = await once();
      if (value === undefined) continue;
      values.push(value);
      bench.say(`run ${values.length} of ${bench.runs}: ${value.toFixed(1)} ms`);
    }
  } catch (error) {
    if (!bench.signal.aborted) throw error;
  }
  return values;
}

/** At a random moment between two polls and two renewals, so that no run profits from the one before. */
async function settleSomewhen(cluster: BenchCluster, signal: AbortSignal): Promise<BenchNode> {
  const master = await settle(cluster, signal);
  await untilAnswered([master.serviceUrl], ANSWER_LIMIT_MS, signal);
  await sleep(1_000 * Math.random(), undefined, {signal});
  return master;
}

type AnsweredRun = ServiceRun & {readonly answer: number};

/** Asks the other nodes' services, and then believes what the one that answered has written. */
async function nextAnswer(cluster: BenchCluster, old: BenchNode, since: number, signal: AbortSignal): Promise<AnsweredRun> {
  const others = cluster.nodes.filter((node) => node !== old).map(({serviceUrl}) => serviceUrl);
  await untilAnswered(others, ANSWER_LIMIT_MS, signal);
  for (;;) {
    const run = (await readRuns(cluster.witness)).find(({begin, answer}) => begin > since && answer !== undefined);
    if (run?.answer !== undefined) return {...run, answer: run.answer};
    await sleep(LOOK_MS, undefined, {signal});
  }
}

/** What the new owner itself wrote about why it could take the lease. */
async function whyTaken(cluster: BenchCluster, epoch: number, signal: AbortSignal): Promise<string> {
  for (;;) {
    const {records} = await readHistory(storePaths(cluster.store, 'default'));
    const record = records.find((each) => each.epoch === epoch);
    if (record) return record.why;
    await sleep(LOOK_MS, undefined, {signal});
  }
}

/** Guardian, agent, and what carries the guardian's mark: launcher, holder and service; in this order nobody gives the lease back on the way. */
async function everyProcess(node: BenchNode): Promise<readonly number[]> {
  const record = parseKept(await readLocalState(node.stateDir).guardian())[0]?.record;
  if (!record) throw new Error(`${node.nodeId} has no guardian`);
  return [...new Set([record.guardian.pid, await agentPid(node), ...findMarked(record.marker)])];
}

/** How long a killed process may take to die, ms. */
const DEATH_LIMIT_MS = 5_000;

/** By one command, in this order. With the guardian the kernel ends its namespace: some are gone before their turn comes. */
async function killAll(pids: readonly number[]): Promise<void> {
  const victims = pids.flatMap((pid) => identityOf(pid) ?? []);
  await new Promise<void>((resolve, reject) => {
    const child = spawn('kill', ['-9', ...pids.map(String)], {stdio: 'ignore'});
    child.once('error', reject);
    child.once('exit', () => resolve());
  });
  for (let waitedMs = 0; victims.some(isAlive); waitedMs += 1) {
    if (waitedMs > DEATH_LIMIT_MS) throw new Error(`kill -9 ${pids.join(' ')}: not all have died`);
    await sleep(1);
  }
}

const runAgent = (words: readonly string[], signal: AbortSignal): Promise<void> =>
  run(process.execPath, [AGENT, ...words], signal);

/** @throws with what it said, unless it ends with exit status 0. */
function run(program: string, words: readonly string[], signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, {stdio: ['ignore', 'ignore', 'pipe'], ...(signal && {signal})});
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (piece: string) => (said += piece));
    child.once('error', reject);
    child.once('close', (code) => (code === 0 ? resolve() : reject(new Error(`${program} ${words.join(' ')}: ${said}`))));
  });
}

/** The kernel stamps a file with the time of its last tick, which may lie this far back, ms. */
const TICK_MS = 10;

/** When the lock got its present name, at the latest, on the clock of the runs: a rename sets the change time of a file, by the wall clock. */
async function lastRenewal(cluster: BenchCluster): Promise<number> {
  const {root} = storePaths(cluster.store, 'default');
  const lockDir = (await fs.readdir(root)).find((name) => name.startsWith('lock.'));
  const directory = path.join(root, lockDir ?? '');
  const names = (await fs.readdir(directory)).filter((name) => parseLockName(name)?.kind === 'held');
  if (names.length !== 1) throw new Error(`the lock directory shows ${names.length} held locks`);
  const {ctimeMs} = await fs.stat(path.join(directory, names[0] ?? ''));
  return ctimeMs + TICK_MS - (Date.now() - nowMs());
}

// `npm run bench:failover`: measures what the README says about failover, by what the services themselves wrote, and prints it as a table.
// Options: `--only kill|switchover|crash|crash-short|idle|lockfile` (may be repeated), `--runs N`, `--json`.
import fs from 'node:fs/promises';
import os from 'node:os';
import {parseArgs} from 'node:util';
import {measureLockfile} from './bench-alternative.ts';
import {measureCrash, measureKill, measureSwitchover, type Bench} from './bench-failures.ts';
import {measureIdle} from './bench-idle.ts';
import {drawRows, type Row} from './bench-result.ts';

interface Case {
  readonly name: string;
  readonly about: string;
  /** How often, unless `--runs` says it. */
  readonly runs: number;
  readonly measure: (bench: Bench) => Promise<readonly Row[]>;
}

const SHORT = ['--leaseTimeout', '6s', '--stopTimeout', '1s', '--safetyMargin', '500ms'];

const CASES: readonly Case[] = [
  {name: 'kill', about: 'the agent of the master is killed', runs: 20, measure: measureKill},
  {name: 'switchover', about: 'a planned change of master', runs: 20, measure: measureSwitchover},
  {
    name: 'crash',
    about: 'agent, guardian and service are killed at once, default timings',
    runs: 3,
    measure: (bench) => measureCrash(bench, {leaseTimeoutMs: 30_000, options: []}),
  },
  {
    name: 'crash-short',
    about: `the same with ${SHORT.join(' ')}`,
    runs: 50,
    measure: (bench) => measureCrash(bench, {leaseTimeoutMs: 6_000, options: SHORT}),
  },
  {name: 'idle', about: 'what nodes cost that have nothing to do, minute by minute', runs: 3, measure: measureIdle},
  {
    name: 'lockfile',
    about: 'the same failures of a loop over proper-lockfile, as people write it by hand',
    runs: 5,
    measure: measureLockfile,
  },
];

async function main(): Promise<void> {
  const {only, runs, json} = readOptions();
  const say = (text: string): void => void process.stderr.write(`${text}\n`);
  const signal = untilInterrupted(say);
  const before = os.loadavg();
  const rows: Row[] = [];
  for (const each of CASES.filter(({name}) => only.length === 0 || only.includes(name))) {
    if (signal.aborted) break;
    say(`\n${each.name}: ${each.about}`);
    try {
      rows.push(...(await each.measure({signal, runs: runs ?? each.runs, say})));
    } catch (error) {
      // What the other cases have given, or will, is not thrown away for one that could not be measured.
      say(`${each.name} could not be measured: ${textOf(error)}`);
      process.exitCode = 2;
    }
  }
  const host = {...(await describeHost()), loadBefore: before, loadAfter: os.loadavg(), interrupted: signal.aborted};
  process.stdout.write(json ? `${JSON.stringify({host, rows}, undefined, 2)}\n` : `${drawRows(rows)}\n\n${hostLine(host)}\n`);
  if (rows.some(({reached}) => reached === false)) process.exitCode = 2;
}

function readOptions(): {only: readonly string[]; runs: number | undefined; json: boolean} {
  const {values} = parseArgs({
    options: {only: {type: 'string', multiple: true}, runs: {type: 'string'}, json: {type: 'boolean', default: false}},
  });
  const only = values.only ?? [];
  const unknown = only.find((name) => !CASES.some((each) => each.name === name));
  if (unknown !== undefined) throw new RangeError(`--only ${unknown}: there are ${CASES.map(({name}) => name).join(', ')}`);
  const runs = values.runs === undefined ? undefined : Number(values.runs);
  if (runs !== undefined && !(Number.isInteger(runs) && runs >= 1))
    throw new RangeError('--runs: a whole number from 1 is expected');
  return {only, runs, json: values.json};
}

function untilInterrupted(say: (text: string) => void): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (!controller.signal.aborted) say('stopping: what has been measured so far is shown');
      controller.abort();
    });
  }
  return controller.signal;
}

interface Host {
  readonly cores: number;
  readonly model: string;
  readonly kernel: string;
  readonly node: string;
  readonly user: string;
  readonly temporaryFileSystem: string;
}

async function describeHost(): Promise<Host> {
  return {
    cores: os.cpus().length,
    model: os.cpus()[0]?.model.trim() ?? 'unknown',
    kernel: `${os.type()} ${os.release()}`,
    node: process.version,
    user: process.getuid?.() === 0 ? 'root' : 'an ordinary user',
    temporaryFileSystem: await fileSystemOf(os.tmpdir()),
  };
}

const MAGIC: Readonly<Record<number, string>> = {
  0xef53: 'ext4',
  0x01021994: 'tmpfs',
  0x58465342: 'xfs',
  0x9123683e: 'btrfs',
  0x794c7630: 'overlay',
};

async function fileSystemOf(directory: string): Promise<string> {
  const {type} = await fs.statfs(directory);
  return MAGIC[type] ?? `type 0x${type.toString(16)}`;
}

function hostLine(
  host: Host & {readonly loadBefore: readonly number[]; readonly loadAfter: readonly number[]; readonly interrupted: boolean},
): string {
  const load = `load ${host.loadBefore[0]?.toFixed(1) ?? ''} before, ${host.loadAfter[0]?.toFixed(1) ?? ''} after`;
  const store = `the store on ${host.temporaryFileSystem} of the same host`;
  const broken = host.interrupted ? '; interrupted' : '';
  return `${host.cores} cores (${host.model}), ${host.kernel}, Node ${host.node}, as ${host.user}, ${store}; ${load}${broken}`;
}

/** A wrong option is the user's, the rest is ours. */
function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error instanceof RangeError ? error.message : (error.stack ?? error.message);
}

main().catch((error: unknown) => {
  process.stderr.write(`bench:failover: ${textOf(error)}\n`);
  process.exitCode = 2;
});

// `npm run soak:nfs`: random faults of all kinds on a cluster in the NFS lab for a given time, each healed and audited.
// Options: `--duration 30m` (s, m, h), `--seed N` (default: a new one), `--vers 3|4.0|4.1|4.2`, `--clients N`.
import {parseArgs} from 'node:util';
import {soak} from '../test/nfs/soak/run.ts';
import {LabUnavailable} from './nfs-lab/host.ts';
import {openLab} from './nfs-lab/lab.ts';
import {NFS_VERSIONS} from './nfs-lab/plan.ts';

const UNITS_MS: Readonly<Record<string, number>> = {s: 1_000, m: 60_000, h: 3_600_000};
const CLIENTS_MIN = 3;
const SEEDS = 1_000_000;
const EXIT = {failed: 1, unavailable: 77};
/** The last round and the audit come after the time is over. */
const SPARE_S = 900;

async function main(): Promise<number> {
  const {values} = parseArgs({
    options: {
      duration: {type: 'string', default: '30m'},
      seed: {type: 'string', default: String(Math.floor(Math.random() * SEEDS))},
      vers: {type: 'string', default: '4.2'},
      clients: {type: 'string', default: '3'},
    },
  });
  const durationMs = durationOf(values.duration);
  const seed = wholeNumber('--seed', values.seed);
  const clients = wholeNumber('--clients', values.clients);
  const vers = NFS_VERSIONS.find((each) => each === values.vers);
  if (clients < CLIENTS_MIN)
    throw new Error(`--clients ${clients}: at least ${CLIENTS_MIN}, so that two faults at once are on two nodes`);
  if (vers === undefined) throw new Error(`--vers ${values.vers}: there are ${NFS_VERSIONS.join(', ')}`);
  say(`seed ${seed}, NFS ${vers}, ${clients} nodes, ${values.duration}`);
  const ttlS = Math.ceil(durationMs / 1_000) + SPARE_S;
  const lab = await openLab({id: `soak-${process.pid}`, tied: true, vers, clients, graceS: 10, diskMib: 64, ttlS});
  try {
    const {rounds, epoch, leftovers, summary} = await soak(lab, {seed, durationMs, say});
    say(`${summary}\n${leftovers.map((each) => `  ${each}`).join('\n')}`);
    say(`passed: ${rounds} rounds, seed ${seed}, epoch ${epoch} at the end`);
    return 0;
  } finally {
    await lab.close();
  }
}

const say = (line: string): void => void process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);

function durationOf(text: string): number {
  const [, count, unit = ''] = /^(\d+)([smh])$/.exec(text) ?? [];
  const unitMs = UNITS_MS[unit];
  if (count === undefined || unitMs === undefined) throw new Error(`--duration ${text}: a number and s, m or h, such as 30m`);
  return Number(count) * unitMs;
}

function wholeNumber(what: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new Error(`${what} ${text}: a whole number is needed`);
  return Number(text);
}

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`nfs-soak: ${error instanceof Error ? error.message : String(error)}\n`);
  return error instanceof LabUnavailable ? EXIT.unavailable : EXIT.failed;
});

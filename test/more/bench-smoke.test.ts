// `npm run bench:failover` in short: that it measures, that what it measures is plausible, and that it cleans up when it is interrupted.
import {spawn} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {readdir} from 'node:fs/promises';
import {join} from 'node:path';
import {expect} from 'chai';
import {allProcesses, mentions} from '../../lib/guardian/proc.ts';
import {eventually} from '../support/eventually.ts';
import {buildRoot} from '../support/paths.ts';
import {makeTempDir, removeTempDir} from '../support/temp-dir.ts';

const SCRIPT = join(buildRoot, 'scripts', 'bench-failover.js');

interface Report {
  readonly host: {readonly interrupted: boolean};
  readonly rows: readonly {
    readonly what: string;
    readonly values: readonly number[];
    readonly overlapMs?: number;
    readonly unit: string;
  }[];
}

describe('npm run bench:failover', function () {
  this.timeout(240_000);
  let temporary: string;
  beforeEach(async () => {
    temporary = await makeTempDir();
  });
  afterEach(() => removeTempDir(temporary));

  it('measures a killed agent, a switchover, and a host that falls silent, and never sees two services', async () => {
    const bench = start(temporary, ['--only', 'kill', '--only', 'switchover', '--only', 'crash-short', '--runs', '1', '--json']);
    await bench.ended;
    const {rows} = JSON.parse(bench.output()) as Report;
    expect(rows, bench.said()).to.have.length(5);
    for (const {what, values, overlapMs} of rows) {
      expect(values, what).to.have.length(1);
      expect(values[0], what).to.be.a('number').greaterThan(0);
      expect(overlapMs, what).to.equal(0);
    }
    const sinceRenewal = rows.find(({what}) => what.includes('from the last renewal'));
    expect(sinceRenewal?.unit).to.equal('s');
    expect(sinceRenewal?.values[0]).to.be.at.least(6);
    expect(await leftovers(temporary)).to.deep.equal([]);
  });

  it('shows what it has when it is interrupted, and leaves nothing behind', async () => {
    const bench = start(temporary, ['--only', 'kill', '--runs', '1000', '--json']);
    await eventually(() => processesOf(temporary).length >= 5, 60_000, 'agents, guardians and a service run');
    bench.interrupt();
    await bench.ended;
    expect(bench.output(), bench.said()).not.to.equal('');
    const {host, rows} = JSON.parse(bench.output()) as Report;
    expect(host.interrupted).to.equal(true);
    expect(rows, bench.said()).to.have.length(1);
    expect(await leftovers(temporary)).to.deep.equal([]);
  });
});

/** Its temporary directory is ours, so that what it leaves can be told from what others leave. */
function start(
  temporary: string,
  options: readonly string[],
): {readonly output: () => string; readonly said: () => string; readonly interrupt: () => void; readonly ended: Promise<void>} {
  const child = spawn(process.execPath, [SCRIPT, ...options], {
    env: {...process.env, TMPDIR: temporary},
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (output += piece));
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (said += piece));
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return {output: () => output, said: () => said, interrupt: () => void child.kill('SIGINT'), ended};
}

/** Agents, guardians and services of a cluster below this directory. */
const processesOf = (directory: string): number[] =>
  allProcesses()
    .filter(({pid}) => mentions(pid, join(directory, 'ha-agent-bench-')))
    .map(({pid}) => pid);

async function leftovers(temporary: string): Promise<readonly string[]> {
  const processes = processesOf(temporary).map((pid) => `process ${pid}: ${readFileSync(`/proc/${pid}/cmdline`, 'latin1')}`);
  const files = (await readdir(temporary)).filter((name) => name.startsWith('ha-agent-bench-'));
  return [...processes, ...files];
}

// End to end: `ha-agent doctor` on every kind of directory that this host can offer, alone and with a second one.
import {spawn, spawnSync, type ChildProcess} from 'node:child_process';
import {chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import type {Verdict} from '../../lib/doctor/verdict.ts';
import {skipAloud} from '../store/temp-store.ts';
import {eventually} from '../support/eventually.ts';
import {makeTempDir, removeTempDir} from '../support/temp-dir.ts';
import {HangingMount, mountSmall, whyNoFuse, whyNoTmpfs} from '../e2e/store-support/mounts.ts';
import {withCluster, type Cluster} from '../e2e/support/cluster.ts';
import {CLI, NOBODY, type CommandResult} from '../e2e/support/command.ts';

const LIMIT_MS = 45_000;
const FEW = ['--rounds', '20'];

interface Examined {
  readonly format: number;
  readonly safe: boolean;
  readonly promise: string;
  readonly notTried: readonly string[];
  readonly verdicts: readonly Verdict[];
}

/** One run with --json: its exit status has to fit what it says. */
async function examine(cluster: Cluster, directory: string, ...args: readonly string[]): Promise<Examined> {
  const result = await run(cluster, directory, '--json', ...args);
  const found = JSON.parse(result.stdout) as Examined;
  expect(result.code, result.stdout).to.equal(found.safe ? 0 : 2);
  expect(found.safe).to.equal(!found.verdicts.some(({level}) => level === 'unsafe'));
  return found;
}

/** The same for a store that hangs: the doctor and whatever holds its output have to be gone long before the store is healed. */
async function examineInTime(cluster: Cluster, directory: string, ...args: readonly string[]): Promise<Examined> {
  const begun = performance.now();
  const found = await examine(cluster, directory, ...args);
  expect(performance.now() - begun).to.be.lessThan(LIMIT_MS);
  return found;
}

const run = (cluster: Cluster, directory: string, ...args: readonly string[]): Promise<CommandResult> =>
  cluster.cli('doctor', '--persistenceDir', directory, '--stateDir', join(cluster.root, 'state'), ...FEW, ...args);

const verdictOn = ({verdicts}: Examined, check: string): Verdict | undefined => verdicts.find((each) => each.check === check);
const levels = ({verdicts}: Examined): Record<string, string> =>
  Object.fromEntries(verdicts.map(({check, level}) => [check, level]));
const hidden = (directory: string): string[] => readdirSync(directory).filter((name) => name.startsWith('.doctor'));

describe('doctor', () => {
  it('examines a directory of this host, says what it promises, and leaves nothing', async () => {
    await withCluster({nodes: []}, async (cluster) => {
      const found = await examine(cluster, cluster.persistenceDir);
      expect(found).to.have.all.keys('format', 'persistenceDir', 'app', 'nodeId', 'verdicts', 'notTried', 'promise', 'safe');
      expect(found.format).to.equal(1);
      expect(levels(found)).to.include({
        store: 'ok',
        fileSystem: 'warning',
        rename: 'ok',
        fullDirectory: 'ok',
        space: 'ok',
        clock: 'ok',
      });
      expect(found.promise).to.contain('among the processes of this host alone');
      for (const verdict of found.verdicts) expect(verdict).to.have.all.keys('check', 'level', 'reason', 'remedy');
      expect(readdirSync(cluster.persistenceDir)).to.deep.equal([]);

      const {code, stdout, stderr} = await run(cluster, cluster.persistenceDir);
      expect({code, stderr}).to.deep.equal({code: 0, stderr: ''});
      expect(stdout).to.match(/^ok +store +it answers; there is no store of app default yet/);
      expect(stdout).to.match(/\nThis deployment promises .*\.\n$/);
    });
  });

  it('does not disturb a cluster that runs, and looks at its nodes', async () => {
    await withCluster({nodes: ['n1', 'n2'], timings: {leaseTimeout: '20s'}}, async (cluster) => {
      const {master} = await cluster.upAsPair();
      const before = await master.served();
      const timings = ['--leaseTimeout', '20s', '--stopTimeout', '500ms', '--safetyMargin', '500ms'];
      const found = await examine(
        cluster,
        cluster.persistenceDir,
        ...timings,
        '--heartbeatInterval',
        '200ms',
        '--pollInterval',
        '200ms',
      );
      expect(verdictOn(found, 'store')?.reason).to.contain('holds the store');
      expect(verdictOn(found, 'otherTimings')).to.deep.include({level: 'ok'});
      expect(verdictOn(found, 'clockRate')?.reason).to.match(/n1 .*n2 /);
      const other = await examine(cluster, cluster.persistenceDir);
      expect(verdictOn(other, 'otherTimings')?.reason).to.contain('leaseTimeout of').and.contain('is 20 s, here 30 s');
      expect(await master.served()).to.deep.equal(before);
      expect(readdirSync(cluster.persistenceDir)).to.deep.equal(['default']);
    });
  });

  it('refuses what launch refuses, and says what cannot be used', async () => {
    await withCluster({nodes: []}, async (cluster) => {
      const {persistenceDir} = cluster;
      const file = join(cluster.root, 'file');
      writeFileSync(file, '');
      for (const [code, says, ...args] of [
        [1, 'Unknown argument', persistenceDir, '--no-such-option'],
        [3, 'timings that fit', persistenceDir, '--leaseTimeout', '5s'],
        [3, 'the URL that "ha-agent doctor --serve" printed', persistenceDir, '--with', 'host2'],
        [3, 'a whole number from 1', persistenceDir, '--rounds', '0'],
        [2, 'the other doctor does not answer', persistenceDir, '--with', 'http://127.0.0.1:9/x'],
        [2, 'is the share mounted?', join(cluster.root, 'nothing')],
        [2, 'ENOTDIR', file],
      ] as const) {
        const [directory = '', ...rest] = args;
        const result = await cluster.cli('doctor', '--persistenceDir', directory, ...rest);
        expect(`${result.stdout}${result.stderr}`, args.join(' ')).to.contain(says);
        expect(result.code, args.join(' ')).to.equal(code);
      }
    });
  });

  it('says what an ordinary user may not do', async function () {
    if (process.getuid?.() !== 0) skipAloud(this, 'it needs root to be an ordinary user');
    await withCluster({nodes: [], user: NOBODY}, async (cluster) => {
      chmodSync(cluster.persistenceDir, 0o500);
      expect(verdictOn(await examine(cluster, cluster.persistenceDir), 'store')?.reason).to.contain('EACCES');
      chmodSync(cluster.persistenceDir, 0o000);
      expect(verdictOn(await examine(cluster, cluster.persistenceDir), 'store')?.remedy).to.contain('as the user of the agents');
      chmodSync(cluster.persistenceDir, 0o700);
      expect(verdictOn(await examine(cluster, cluster.persistenceDir), 'guardian')?.level).to.equal('warning');
    });
  });

  it('removes its directory after SIGTERM and after SIGINT of its whole group', async () => {
    const root = await makeTempDir();
    try {
      for (const signal of ['SIGTERM', 'SIGINT'] as const) {
        const args = ['doctor', '--persistenceDir', root, '--stateDir', join(root, 'state'), '--rounds', '4000'];
        const child = spawn(process.execPath, [CLI, ...args], {detached: true, stdio: 'pipe', env: {PATH: process.env['PATH']}});
        const told = collect(child);
        await eventually(() => hidden(root).length === 1, LIMIT_MS);
        if (signal === 'SIGINT') process.kill(-(child.pid ?? 0), signal);
        else child.kill(signal);
        await ended(child);
        expect(child.exitCode).to.equal(2);
        expect(told()).to.contain(`ended by ${signal}`);
        // The process that measures removes it, and may outlive the other one by a moment.
        await eventually(() => hidden(root).length === 0, LIMIT_MS, 'the directory is not removed');
      }
    } finally {
      await removeTempDir(root);
    }
  });
});

describe('doctor, two of them', () => {
  it('measure between two hosts, for which two processes stand in here', async () => {
    await withCluster({nodes: []}, async (cluster) => {
      const {persistenceDir} = cluster;
      const {child, url, told} = await serving(persistenceDir);
      const other = ['--with', url, '--safetyMargin', '3s'];
      const found = await examine(cluster, persistenceDir, ...other);
      expect(levels(found)).to.include({visibility: 'ok', clockRate: 'ok', otherTimings: 'warning'});
      expect(verdictOn(found, 'renameBetweenHosts')?.level, JSON.stringify(verdictOn(found, 'renameBetweenHosts'))).to.not.equal(
        'unsafe',
      );
      expect(verdictOn(found, 'otherTimings')?.reason).to.match(/safetyMargin on \S+ is 2 s, here 3 s/);
      await ended(child);
      expect(child.exitCode).to.equal(0);
      expect(told()).to.contain('the other doctor is done');
      expect(readdirSync(persistenceDir)).to.deep.equal([]);
    });
  });

  it('find out that they do not see the same share', async () => {
    await withCluster({nodes: []}, async (cluster) => {
      const elsewhere = join(cluster.root, 'elsewhere');
      mkdirSync(elsewhere);
      const {child, url} = await serving(elsewhere);
      const found = await examine(cluster, cluster.persistenceDir, '--with', url);
      expect(verdictOn(found, 'renameBetweenHosts')).to.deep.include({level: 'unsafe'});
      expect(verdictOn(found, 'renameBetweenHosts')?.reason).to.contain('it is not the same share');
      await ended(child);
    });
  });

  it('say so when one goes away while the other one measures', async () => {
    await withCluster({nodes: []}, async (cluster) => {
      const {child, url} = await serving(cluster.persistenceDir);
      const examining = examine(cluster, cluster.persistenceDir, '--with', url);
      await eventually(() => hidden(cluster.persistenceDir).length === 1, LIMIT_MS);
      child.kill('SIGTERM');
      await ended(child);
      expect(child.exitCode).to.equal(2);
      const found = await examining;
      expect(found.verdicts.some(({reason}) => reason.includes('the other doctor does not answer'))).to.equal(true);
      expect(found.safe).to.equal(false);
      expect(readdirSync(cluster.persistenceDir)).to.deep.equal([]);
    });
  });
});

describe('doctor on file systems that are not as they should be', () => {
  it('a full one', async function () {
    const why = whyNoTmpfs();
    if (why !== undefined) skipAloud(this, why);
    await withCluster({nodes: []}, async (cluster) => {
      await mountSmall(cluster, 64);
      fill(join(cluster.persistenceDir, 'filler'));
      const found = await examine(cluster, cluster.persistenceDir);
      expect(verdictOn(found, 'space')).to.deep.include({level: 'unsafe'});
      expect(verdictOn(found, 'space')?.reason).to.contain('ENOSPC');
      expect(readdirSync(cluster.persistenceDir)).to.deep.equal(['filler']);
    });
  });

  it('a read-only one', async function () {
    const why = whyNoTmpfs();
    if (why !== undefined) skipAloud(this, why);
    await withCluster({nodes: []}, async (cluster) => {
      const point = cluster.persistenceDir;
      await mountSmall(cluster, 64);
      expect(spawnSync('mount', ['-o', 'remount,ro', point]).status).to.equal(0);
      const found = await examine(cluster, point);
      expect(levels(found)).to.include({store: 'unsafe', mountOptions: 'unsafe'});
      expect(verdictOn(found, 'store')?.reason).to.contain('EROFS');
    });
  });

  it('one behind FUSE, of which nothing is known, and which then hangs: doctor ends all the same', async function () {
    const why = whyNoFuse();
    if (why !== undefined) skipAloud(this, why);
    await withCluster({nodes: []}, async (cluster) => {
      const mount = await HangingMount.create(cluster, 'n1');
      const found = await examine(cluster, mount.point);
      expect(verdictOn(found, 'fileSystem')?.reason).to.contain('fuse');
      expect(levels(found)).to.include({fileSystem: 'warning', rename: 'ok'});

      mount.hang();
      const hung = await examineInTime(cluster, mount.point);
      expect(verdictOn(hung, 'store')?.reason).to.match(/the store does not answer since \d+ s/);
      expect(verdictOn(hung, 'fileSystem')?.reason).to.contain('fuse');
      mount.heal();
    });
  });

  it('one that hangs while it is measured', async function () {
    const why = whyNoFuse();
    if (why !== undefined) skipAloud(this, why);
    await withCluster({nodes: []}, async (cluster) => {
      const mount = await HangingMount.create(cluster, 'n1');
      const examining = examineInTime(cluster, mount.point, '--rounds', '1000');
      await eventually(() => hidden(cluster.persistenceDir).length === 1, LIMIT_MS);
      mount.hang();
      const found = await examining;
      expect(found.verdicts.some(({reason}) => reason.includes('the store does not answer since'))).to.equal(true);
      expect(found.promise).to.contain('promises nothing until');
      mount.heal();
    });
  });
});

function fill(file: string): void {
  const {status} = spawnSync('dd', ['if=/dev/zero', `of=${file}`, 'bs=4k'], {stdio: 'ignore'});
  expect(status).to.equal(1);
  expect(readFileSync(file).length).to.be.greaterThan(0);
}

/** A doctor that waits for another one on loopback. */
async function serving(directory: string): Promise<{child: ChildProcess; url: string; told: () => string}> {
  const args = ['doctor', '--persistenceDir', directory, '--serve', '127.0.0.1'];
  const child = spawn(process.execPath, [CLI, ...args], {stdio: 'pipe', env: {PATH: process.env['PATH'], HA_E2E: directory}});
  const told = collect(child);
  const line = await eventually(() => /--with (http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32})\n/.exec(told()), LIMIT_MS);
  return {child, url: line[1] ?? '', told};
}

/** What it has printed so far. */
function collect(child: ChildProcess): () => string {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
  }
  return () => text;
}

async function ended(child: ChildProcess): Promise<void> {
  await eventually(() => child.exitCode !== null || child.signalCode !== null, LIMIT_MS, 'the doctor does not end');
}

// "pid.txt holds the agent's process id in digits and a newline, nothing else"; "refused while its process lives (not merely while a process with
// that number lives), replaced with a log line when stale, removed on a clean end, left behind by kill -9."
import {spawn, type ChildProcess} from 'node:child_process';
import {chmod, mkdir, readdir, readFile, rm, stat, symlink, utimes, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {expect} from 'chai';
import {openLocalState, type AgentRecord} from '../../lib/agent/local-state.ts';
import {claimPidFile, type PidFile} from '../../lib/agent/pid-file.ts';
import {isAgentCommand} from '../../lib/agent/process-look.ts';
import {exitStatus, HaError} from '../../lib/errors.ts';
import {bootId, identityOf, pidNamespace} from '../../lib/guardian/proc.ts';
import {instanceId} from '../../lib/protocol/words.ts';
import {endAllStandIns, endStandIn, startStandIn} from '../support/agent-stand-in.ts';
import {eventually} from '../support/eventually.ts';
import {useTempDir} from '../support/temp-dir.ts';

const OWN = `${process.pid}\n`;

describe('claimPidFile', () => {
  const dir = useTempDir();
  const file = (): string => join(dir(), 'pid.txt');
  let logged: string[] = [];

  beforeEach(() => {
    logged = [];
  });
  afterEach(endAllStandIns);

  const claim = (last?: AgentRecord, isAgent?: (words: readonly string[]) => boolean, path = file()): Promise<PidFile> =>
    claimPidFile(path, {
      lastAgent: () => Promise.resolve(last),
      log: (sentence, fields) => logged.push(`${sentence}: ${String(fields['because'] ?? fields['reason'])}`),
      ...(isAgent && {isAgent}),
    });
  const refused = async (work: Promise<unknown>): Promise<HaError> => {
    const error: unknown = await work.catch((thrown: unknown) => thrown);
    if (!(error instanceof HaError)) throw new Error(`expected a refusal, got ${String(error)}`);
    return error;
  };
  const recordOf = (pid: number, differs: Partial<AgentRecord> = {}): AgentRecord => ({
    ...(identityOf(pid) ?? {pid, startTicks: 1, bootId: bootId()}),
    instanceId: instanceId('0123abcd'),
    pidNamespace: pidNamespace(),
    url: null,
    ...differs,
  });

  it('writes digits and a newline, nothing else, and leaves nothing beside it', async () => {
    const own = await claim();
    expect(await readFile(file(), 'utf8')).to.equal(OWN);
    expect(await readdir(dir())).to.deep.equal(['pid.txt']);
    expect((await stat(file())).mode & 0o777).to.equal(0o644);
    await own.release();
    expect(await readdir(dir())).to.deep.equal([]);
    expect(logged).to.deep.equal([]);
  });

  it('leaves the file alone on a clean end if it is not ours any more', async () => {
    const own = await claim();
    await rm(file());
    await writeFile(file(), '1\n');
    await own.release();
    expect(await readFile(file(), 'utf8')).to.equal('1\n');
    await rm(file());
    await own.release();
    expect(logged).to.deep.equal([]);
  });

  it('refuses while the agent it names lives, also when that is stopped', async () => {
    const other = startStandIn(file(), join(dir(), 'state'));
    expect(await other.outcome).to.equal('ready');
    for (const signal of ['SIGCONT', 'SIGSTOP'] as const) {
      other.child.kill(signal);
      const state = await openLocalState(join(dir(), 'state'));
      const error = await refused(claim(await state.agent()));
      expect(error).to.include({code: 'pidFile.live'});
      expect(error.hint).to.include('--pidFile');
      expect(exitStatus(error)).to.equal(3);
      expect(await readFile(file(), 'utf8')).to.equal(`${other.pid}\n`);
    }
  });

  it('is left behind by kill -9, replaced with a log line, and removed by a clean end', async () => {
    const killed = startStandIn(file(), join(dir(), 'state'));
    await killed.outcome;
    await endStandIn(killed, 'SIGKILL');
    expect(await readFile(file(), 'utf8')).to.equal(`${killed.pid}\n`);
    const own = await claim(await (await openLocalState(join(dir(), 'state'))).agent());
    expect(logged).to.deep.equal(['replaced a stale pid file: its process is gone']);
    await own.release();
    const ended = startStandIn(file(), join(dir(), 'state'));
    expect(await ended.outcome).to.equal('ready');
    await endStandIn(ended, 'SIGTERM');
    expect(await readdir(dir())).to.deep.equal(['state']);
  });

  describe('when the number belongs to a living process', () => {
    let stranger: ChildProcess;
    let pid = 0;
    before(() => {
      stranger = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)', 'ha-agent', 'launch'], {stdio: 'ignore'});
      pid = stranger.pid ?? 0;
    });
    after(() => stranger.kill('SIGKILL'));
    beforeEach(() => writeFile(file(), `${pid}\n`));

    const stale: readonly (readonly [string, () => AgentRecord | undefined, boolean, RegExp])[] = [
      ['another start time: not that agent', () => recordOf(pid, {startTicks: 1}), true, /another process has its number/],
      ['another boot: not that agent', () => recordOf(pid, {bootId: 'another'}), true, /started again/],
      ['nothing known, and no agent by its looks', () => undefined, false, /is no agent/],
      ['an agent of another number known', () => recordOf(process.pid), false, /is no agent/],
    ];
    for (const [name, last, looksLikeAgent, because] of stale) {
      it(`${name}: replaced`, async () => {
        await claim(last(), () => looksLikeAgent);
        expect(await readFile(file(), 'utf8')).to.equal(OWN);
        expect(logged.join()).to.match(because);
      });
    }

    const live: readonly (readonly [string, () => AgentRecord | undefined, boolean | undefined])[] = [
      ['the very agent of the state directory', () => recordOf(pid), false],
      ['nothing known, but an agent by its looks', () => undefined, undefined],
      ['known in another PID namespace, and an agent by its looks', () => recordOf(pid, {pidNamespace: 'pid:[1]'}), true],
    ];
    for (const [name, last, looksLikeAgent] of live) {
      it(`${name}: refused`, async () => {
        const error = await refused(claim(last(), looksLikeAgent === undefined ? undefined : () => looksLikeAgent));
        expect(error.code).to.equal('pidFile.live');
        expect(await readFile(file(), 'utf8')).to.equal(`${pid}\n`);
      });
    }

    it('does without a damaged state directory', async () => {
      const lastAgent = (): Promise<never> =>
        Promise.reject(new HaError('state.corrupt', {file: 'f', reason: 'r'}, {message: 'm', hint: 'h'}));
      const error = await refused(claimPidFile(file(), {lastAgent, log: () => undefined}));
      expect(error.code).to.equal('pidFile.live');
    });
  });

  it('replaces a file with the number that this process has: the first process of a container always has the same', async () => {
    await writeFile(file(), OWN);
    await claim();
    expect(logged).to.have.length(1);
  });

  const unusable: readonly (readonly [string, () => Promise<unknown>, RegExp])[] = [
    ['text', () => writeFile(file(), 'hello'), /something else than a process id/],
    ['nothing', () => writeFile(file(), ''), /something else/],
    ['a negative number', () => writeFile(file(), '-5\n'), /something else/],
    ['zero', () => writeFile(file(), '0\n'), /something else/],
    ['a number no process can have', () => writeFile(file(), '9999999999\n'), /something else/],
    ['two numbers', () => writeFile(file(), '12\n13\n'), /something else/],
    ['a megabyte', () => writeFile(file(), '1'.repeat(1_000_000)), /something else/],
    ['a directory', () => mkdir(file()), /is a directory/],
    ['a link', () => symlink('/etc/hostname', file()), /symbolic link/],
    ['a dangling link', () => symlink('/nonexistent', file()), /symbolic link/],
  ];
  for (const [name, prepare, reason] of unusable) {
    it(`refuses ${name} in its place and leaves it alone`, async () => {
      await prepare();
      const error = await refused(claim());
      expect(error.code).to.equal('pidFile.unusable');
      expect(error.message).to.match(reason);
      expect(await readdir(dir())).to.deep.equal(['pid.txt']);
    });
  }

  it('refuses a place that cannot be written', async () => {
    for (const path of [join(dir(), 'none/pid.txt'), '/proc/pid.txt', '/dev/null/pid.txt']) {
      const error = await refused(claim(undefined, undefined, path));
      expect(error.code, path).to.equal('pidFile.unusable');
      expect(error.hint).to.include('--pidFile');
    }
  });

  it('refuses a directory without permission', async function () {
    if (process.getuid?.() === 0) {
      console.warn('      SKIPPED: root may write everywhere');
      this.skip();
    }
    await chmod(dir(), 0o500);
    expect((await refused(claim())).code).to.equal('pidFile.unusable');
  });

  it('takes over a lock that a killed process left behind', async () => {
    await mkdir(`${file()}.lock`);
    const before = new Date(Date.now() - 60_000);
    await utimes(`${file()}.lock`, before, before);
    await claim();
    expect(await readdir(dir())).to.deep.equal(['pid.txt']);
  });

  it('lets exactly one of many that start at once have it, stale file or not', async function () {
    this.timeout(60_000);
    for (const stale of [false, true]) {
      await rm(file(), {force: true});
      if (stale) await writeFile(file(), '4194304\n');
      const gate = Date.now() + 1_500;
      const rivals = Array.from({length: 5}, () => startStandIn(file(), '', gate));
      const outcomes = await Promise.all(rivals.map((rival) => rival.outcome));
      const winner = rivals[outcomes.indexOf('ready')];
      expect(
        outcomes.filter((outcome) => outcome === 'ready'),
        outcomes.join(),
      ).to.have.length(1);
      expect(await readFile(file(), 'utf8')).to.equal(`${winner?.pid}\n`);
      await endAllStandIns();
      await eventually(async () => (await readdir(dir())).length === 1);
    }
  });
});

describe('isAgentCommand', () => {
  const table: readonly (readonly [string, boolean])[] = [
    ['node /usr/bin/ha-agent launch --nodeId n1', true],
    ['/usr/bin/node --enable-source-maps /opt/ha/dist/lib/cli/main.cjs launch', true],
    ['node /usr/bin/ha-agent status', false],
    ['vi ha-agent.md', false],
    ['launch ha-agent', false],
    ['sh -c sleep 1', false],
    ['', false],
  ];
  for (const [words, is] of table)
    it(`${words || '(nothing)'}: ${is}`, () => expect(isAgentCommand(words.split(' '))).to.equal(is));
});

// A run of a `systemd` service against a stand-in for systemctl: what only a systemd that fails, hangs or lies can show.
import {spawn, type ChildProcess} from 'node:child_process';
import {existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, symlinkSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {expect} from 'chai';
import {passiveUnit, startUnit} from '../../lib/guardian/unit-run.ts';
import type {Run, RunContext} from '../../lib/guardian/run.ts';
import {UnitStop} from '../../lib/guardian/unit-stop.ts';
import type {UnitSpec} from '../../lib/guardian/wire.ts';
import {epoch} from '../../lib/protocol/words.ts';
import {eventually} from '../support/eventually.ts';
import {useTempDir} from '../support/temp-dir.ts';
import {fixture, setupFor, textOf} from './driver.ts';
import {contextFor, eventsInto} from './run-support.ts';

const EPOCH = epoch(7);

describe('a run of a unit', () => {
  afterEach(async () => {
    for (const verb of ['show', 'start', 'stop']) rmSync(file(verb), {force: true});
    run?.kill();
    if (run) await until('gone true');
    process.env['PATH'] = pathBefore;
    delete process.env['FAKE_SYSTEMD'];
  });
  const dir = useTempDir();
  const pathBefore = process.env['PATH'];
  let words: string[];
  let notes: string[];
  let run: Run | undefined;

  const file = (name: string): string => path.join(dir(), name);
  const say = (name: string, what: string): void => writeFileSync(file(name), what);
  const calls = (): string[] =>
    textOf(file('log'))
      .split('\n')
      .filter((line) => line !== '' && !/^(reset-failed|daemon-reload)/.test(line));
  const spec = (): UnitSpec => ({
    kind: 'systemd',
    unit: 'fake.service',
    environmentFile: file('unit.env'),
    dropIn: file('50-ha-agent.conf'),
    launcher: [],
    monitorIntervalMs: 50,
  });
  const context = (stopTimeoutMs = 60_000): RunContext => contextFor(setupFor(spec(), {stopTimeoutMs}), notes);
  const start = (mayRun = (): boolean => true): Run =>
    (run = startUnit(context(), spec(), EPOCH, eventsInto(words, mayRun), undefined));
  const until = (word: string): Promise<boolean> =>
    eventually(() => words.includes(word), 30_000, `no "${word}" in ${words.join()}`);

  beforeEach(() => {
    words = [];
    notes = [];
    run = undefined;
    mkdirSync(file('bin'));
    symlinkSync(fixture('systemctl.sh'), file('bin/systemctl'));
    process.env['PATH'] = `${file('bin')}:${pathBefore}`;
    process.env['FAKE_SYSTEMD'] = dir();
    say('state', 'inactive');
  });
  async function moreLooks(): Promise<void> {
    const count = textOf(file('shows')).length;
    await eventually(() => textOf(file('shows')).length > count + 20, 30_000, 'it is not looked at again');
  }

  it('is started behind an open gate, with its epoch, and stopped behind a closed one', async () => {
    start();
    await until('started');
    expect(readFileSync(file('given'), 'utf8'))
      .to.contain('HA_EPOCH="7"')
      .and.to.contain('HA_ROLE="active"');
    run?.term();
    expect(existsSync(file('unit.env')), 'closed at once').to.equal(false);
    await until('gone true');
    expect(calls()).to.deep.equal(['start open', 'stop closed']);
  });

  it('starts nothing when it may not run, and opens no gate', async () => {
    start(() => false);
    await until('may not');
    run?.term();
    await until('gone true');
    expect(calls()).to.deep.equal(['stop closed']);
  });

  it('looks again whether it may run, after systemd has taken its time', async () => {
    let asked = 0;
    start(() => ++asked === 1);
    await until('may not');
    run?.term();
    await until('gone true');
    expect(calls()).to.deep.equal(['stop closed']);
  });

  it('replaces what runs already: that has another epoch', async () => {
    say('state', 'active');
    start();
    await until('started');
    expect(calls()).to.deep.equal(['restart open']);
  });

  it('that systemd does not start has ended, with its complaint', async () => {
    say('start', 'fail');
    start();
    await until('ended the unit fake.service could not be started: Failed to start unit: as ordered');
    expect(words).not.to.include('started');
  });

  it('that is not active after its start has ended', async () => {
    say('start', 'ignore');
    start();
    await until('ended the unit fake.service is inactive (some)');
  });

  it('has ended when the unit has', async () => {
    start();
    await until('started');
    say('state', 'failed');
    await until('ended the unit fake.service is failed (some)');
  });

  it('goes on while systemd restarts the unit, and while it does not answer', async () => {
    start();
    await until('started');
    say('state', 'activating');
    await moreLooks();
    say('show', 'fail');
    await eventually(() => notes.some((note) => note.includes('Failed to show unit')), 30_000, 'it does not notice');
    rmSync(file('show'));
    say('state', 'active');
    await moreLooks();
    expect(words).to.deep.equal(['started']);
  });

  it('is stopped while it is being started', async () => {
    say('start', 'hang');
    start();
    await eventually(() => calls().includes('start open'));
    run?.term();
    await until('gone true');
    expect(calls()).to.deep.equal(['start open', 'stop closed']);
    expect(words).to.deep.equal(['gone true']);
  });

  it('is not proven gone by a stop that says it succeeded', async () => {
    start();
    await until('started');
    say('stop', 'ignore');
    run?.term();
    await eventually(() => calls().filter((call) => call === 'stop closed').length >= 2, 30_000, 'it is not stopped again');
    expect(words).to.deep.equal(['started']);
  });

  it('is not proven gone while its gate cannot be closed, which is tried again', async () => {
    start();
    await until('started');
    // A directory in the place of the file cannot be removed like one.
    rmSync(file('unit.env'));
    mkdirSync(file('unit.env'));
    run?.term();
    await eventually(() => calls().filter((call) => call === 'stop open').length >= 2, 30_000, 'it is not stopped again');
    expect(notes.join()).to.contain('the unit fake.service could be started again: ');
    expect(words).to.deep.equal(['started']);
    rmdirSync(file('unit.env'));
    await until('gone true');
  });

  it('has its processes killed again and again while systemd hangs, also when they cannot be found at first', async () => {
    say('stop', 'hang');
    say('show', 'hang');
    const victims: ChildProcess[] = [];
    const start = (): ChildProcess => {
      const victim = spawn('sleep', ['600'], {stdio: 'ignore'});
      victims.push(victim);
      return victim;
    };
    let looks = 0;
    const stop = new UnitStop(
      context(),
      spec(),
      ['/fake.service'],
      () => undefined,
      () => {
        if (++looks <= 2) throw new Error('no descriptor is left');
        return victims.flatMap(({pid, signalCode}) => (pid === undefined || signalCode !== null ? [] : [pid]));
      },
    );
    try {
      const first = start();
      stop.kill();
      await eventually(() => calls().length > 0, 30_000, 'systemd is not asked');
      const asked = calls().length;
      await eventually(() => first.signalCode === 'SIGKILL', 30_000, 'the first is not killed');
      const second = start();
      await eventually(() => second.signalCode === 'SIGKILL', 30_000, 'one that came later is not killed');
      expect(calls(), 'systemd has not answered meanwhile').to.have.length(asked);
      expect(textOf(file('shows'))).to.equal('');
      expect(notes.join()).to.contain('could not be killed, which is tried again: no descriptor is left');
    } finally {
      stop.leave();
      for (const victim of victims) victim.kill('SIGKILL');
    }
  });

  for (const verb of ['show', 'stop']) {
    it(`is told as not proven when systemd hangs (${verb}), and as gone when it answers again`, async () => {
      start();
      await until('started');
      say('stop', 'ignore');
      say(verb, 'hang');
      run?.term();
      run?.kill();
      await until('gone false');
      say('state', 'inactive');
      for (const each of ['show', 'stop']) rmSync(file(each), {force: true});
      await until('gone true');
    });
  }

  describe('that is to be passive', () => {
    it('is fine where nothing runs, closes a gate that was left open, and asks for no stop', async () => {
      say('unit.env', 'HA_EPOCH="6"\n');
      const end = await passiveUnit(context(), spec()).done;
      expect(end.ok, end.because).to.equal(true);
      expect(existsSync(file('unit.env'))).to.equal(false);
      expect(readFileSync(file('50-ha-agent.conf'), 'utf8')).to.contain(`AssertPathExists=${file('unit.env')}`);
      expect(calls()).to.deep.equal([]);
    });

    it('is stopped where it runs', async () => {
      say('state', 'active');
      expect((await passiveUnit(context(), spec()).done).ok).to.equal(true);
      expect(calls()).to.deep.equal(['stop closed']);
    });

    it('is a failure where it goes on running', async () => {
      say('state', 'active');
      say('stop', 'ignore');
      const end = await passiveUnit(context(200), spec()).done;
      expect(end).to.deep.equal({ok: false, because: 'the unit fake.service is active (some)'});
    });

    it('is a failure where systemd does not answer', async () => {
      say('show', 'fail');
      const end = await passiveUnit(context(200), spec()).done;
      expect(end.ok).to.equal(false);
      expect(end.because).to.contain('Failed to show unit');
    });
  });
});

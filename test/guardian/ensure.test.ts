// An `ensure` service in the hands of a real guardian: a command that makes it active, one that makes it passive.
import {expect} from 'chai';
import {mkdirSync, readdirSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {probeContainment} from '../../lib/guardian/containment-probe.ts';
import {isAlive, identityOf} from '../../lib/guardian/proc.ts';
import {startEnsure} from '../../lib/guardian/ensure-run.ts';
import type {GuardianRecord} from '../../lib/guardian/record.ts';
import type {ServiceSpec} from '../../lib/guardian/wire.ts';
import {epoch} from '../../lib/protocol/words.ts';
import {eventually} from '../support/eventually.ts';
import {useTempDir} from '../support/temp-dir.ts';
import {Driver, fixture, setupFor, textOf} from './driver.ts';
import {contextFor, eventsInto} from './run-support.ts';

const ONE = epoch(1);

describe('an ensure service', () => {
  const dir = useTempDir();
  let driver: Driver;
  let launcher: readonly string[];

  before(async () => (launcher = (await probeContainment('group')).launcher));
  beforeEach(() => (driver = new Driver()));
  afterEach(() => driver.end());

  const file = (name: string): string => path.join(dir(), name);
  const say = (name: string, what: string | number): void => writeFileSync(file(name), String(what));
  const log = (): string[] =>
    textOf(file('log'))
      .split('\n')
      .filter((line) => line !== '');
  const ran = (role: string): number => log().filter((line) => line.startsWith(role)).length;

  async function spawnFor(
    other: Partial<ServiceSpec & {kind: 'ensure'}> = {},
    config: Parameters<typeof setupFor>[1] = {},
  ): Promise<void> {
    const service: ServiceSpec = {
      kind: 'ensure',
      active: [fixture('ensure.sh'), dir(), 'active'],
      passive: [fixture('ensure.sh'), dir(), 'passive'],
      launcher,
      monitorIntervalMs: 60,
      timeoutMs: 5_000,
      attempts: 3,
      backoffMs: 30,
      steadyMs: 60_000,
      ...other,
    };
    // A command that obeys is in time also where the machine stands still for a moment.
    await driver.spawnGuardian(dir(), setupFor(service, {stopTimeoutMs: 8_000, ...config}));
    driver.tell({do: 'lease', epoch: ONE, attempt: 1, leftMs: 60_000});
  }

  for (const status of [0, 2]) {
    it(`whose active command exits with ${status} runs, and the command is run again and again`, async () => {
      say('active', `${status} 0`);
      await spawnFor();
      await driver.startRun(1, 60_000);
      await eventually(() => ran('active') >= 4);
      expect(log()[0]).to.equal('active active 1');
      expect(driver.reports().map((each) => each.type)).to.not.include('stopping');
      driver.order({type: 'stop', run: 1});
      expect(await driver.report('gone', 1)).to.include({proven: true});
      expect(log().at(-1)).to.equal('passive passive 1');
    });
  }

  it('whose active command fails is tried so many times, then made passive', async () => {
    say('active', 1);
    await spawnFor();
    driver.order({type: 'start', run: 1, epoch: ONE});
    expect(await driver.report('stopping', 1)).to.include({because: 'the active command failed 3 times in a row: exit status 1'});
    expect(await driver.report('gone', 1)).to.include({proven: true});
    expect(log()).to.deep.equal(['active active 1', 'active active 1', 'active active 1', 'passive passive 1']);
    expect(driver.reports().map((each) => each.type)).to.not.include('started');
  });

  it('W6: whose active command has to start it again and again does not stay active, also if it is found running in between', async () => {
    for (const [run, orders] of [
      [1, [2, 2, 2, 2]],
      [2, [0, 2, 0, 2, 0, 0, 2]],
    ] as const) {
      const before = log().length;
      say('active', orders.join(' '));
      if (run === 1) await spawnFor();
      await driver.startRun(run, 60_000);
      const because = 'the active command had to start the service again 3 times: it does not stay up';
      expect(await driver.report('stopping', run)).to.include({because, cause: 'ended'});
      expect(await driver.report('gone', run)).to.include({proven: true});
      const each = orders.map(() => 'active active 1');
      expect(log().slice(before)).to.deep.equal([...each, 'passive passive 1']);
    }
  });

  it('is forgiven its restarts once it has been found running for long enough', async () => {
    say('active', '0 2 0 2 0 2 0 2 0 2 0');
    await spawnFor({steadyMs: 0});
    await driver.startRun(1, 60_000);
    await eventually(() => ran('active') >= 12);
    expect(driver.reports().map((each) => each.type)).to.not.include('stopping');
  });

  it('whose active command recovers within its attempts goes on', async () => {
    say('active', 1);
    await spawnFor({attempts: 50});
    driver.order({type: 'start', run: 1, epoch: ONE});
    await eventually(() => ran('active') >= 2);
    say('active', 2);
    await driver.report('started', 1);
  });

  it('takes another form while it runs: the next commands are these, with the attempts and pauses of that form', async () => {
    await spawnFor({monitorIntervalMs: 40});
    await driver.startRun(1, 60_000);
    await eventually(() => ran('active') >= 2);
    say('other', 1);
    const form = {launcher, monitorIntervalMs: 40, timeoutMs: 5_000, attempts: 2, backoffMs: 10, steadyMs: 60_000} as const;
    const words = (role: string): readonly string[] => [fixture('ensure.sh'), dir(), role];
    driver.tell({do: 'ensure', service: {kind: 'ensure', active: words('other'), passive: words('passive'), ...form}});
    expect(await driver.report('stopping', 1)).to.include({because: 'the active command failed 2 times in a row: exit status 1'});
    expect(await driver.report('gone', 1)).to.include({proven: true});
    expect(log().slice(-3)).to.deep.equal(['other active 1', 'other active 1', 'passive passive 1']);
  });

  it('whose active command hangs is killed after its timeout, which is a failure', async () => {
    say('active', 'hang');
    await spawnFor({timeoutMs: 1_500, attempts: 2});
    driver.order({type: 'start', run: 1, epoch: ONE});
    expect(await driver.report('stopping', 1))
      .to.have.property('because')
      .that.includes('still running after 1500 ms, killed');
    say('passive', 0);
    expect(await driver.report('gone', 1)).to.include({proven: true});
  });

  it('that leaves a process behind is not held up by it, and that process lives on through stop and output', async () => {
    say('active', 'leave');
    await spawnFor({monitorIntervalMs: 60_000});
    await driver.startRun(1, 60_000);
    const pid = Number(await eventually(() => textOf(file('left.pid')).trim()));
    const identity = identityOf(pid);
    driver.order({type: 'stop', run: 1});
    expect(await driver.report('gone', 1)).to.include({proven: true});
    const size = textOf(file('left')).length;
    await eventually(() => textOf(file('left')).length > size + 20);
    expect(identity && isAlive(identity)).to.equal(true);
    expect((await driver.hear('output')).value).to.include({source: 'active', text: 'still here'});
    process.kill(pid, 'SIGKILL');
  });

  it('is ordered to stop while its active command runs: that ends first, by force if need be', async () => {
    say('active', 'ignore');
    await spawnFor();
    driver.order({type: 'start', run: 1, epoch: ONE});
    await eventually(() => ran('active') === 1);
    driver.order({type: 'stop', run: 1});
    expect(await driver.report('gone', 1)).to.include({proven: true});
    expect(log()).to.deep.equal(['active active 1', 'passive passive 1']);
  });

  it('whose passive command fails is gone without proof, and with proof once it succeeds', async () => {
    say('passive', 1);
    await spawnFor();
    await driver.startRun(1, 60_000);
    driver.order({type: 'stop', run: 1});
    expect(await driver.report('gone', 1)).to.include({proven: false});
    expect(ran('passive')).to.be.at.least(3);
    driver.order({type: 'start', run: 2, epoch: ONE});
    expect(await driver.report('refused', 2)).to.include({because: 'an earlier run is not over'});
    say('passive', 2);
    await eventually(() => driver.reports().some((each) => each.type === 'gone' && each.proven));
    await driver.startRun(3, 60_000);
  });

  it('whose passive command hangs is given up at the end of the stop time', async () => {
    say('passive', 'ignore');
    await spawnFor({timeoutMs: 60_000}, {stopTimeoutMs: 400});
    await driver.startRun(1, 60_000);
    driver.order({type: 'stop', run: 1});
    expect(await driver.report('gone', 1)).to.include({proven: false});
    say('passive', 0);
    await eventually(() => driver.reports().some((each) => each.type === 'gone' && each.proven));
  });

  describe('not proven passive when its agent dies', () => {
    const HELD = '0000000001.held.n1.0000000a.6000.17';
    let next: Driver;
    beforeEach(() => (next = new Driver()));
    afterEach(() => next.end());

    async function loseAgent(leftMs: number): Promise<GuardianRecord> {
      mkdirSync(file('lock'));
      say(`lock/${HELD}`, '');
      say('passive', 1);
      await spawnFor({attempts: 1}, {lockDirectory: file('lock')});
      // The first lease of all was attempt 1.
      await driver.startRun(2, 60_000);
      await driver.renew(3, leftMs);
      driver.killGroup();
      await eventually(() => ran('passive') >= 5, 30_000, 'the passive form is tried again and again');
      expect(driver.guardianAlive()).to.equal(true);
      if (!driver.record) throw new Error('not spawned');
      return driver.record;
    }

    async function knock(record: GuardianRecord, count: number): Promise<unknown> {
      next.tell({do: 'connect', record, instanceId: '0000000b'});
      return (await next.hear('connected', count)).value;
    }

    it('is not released, and no agent is let in, before its passive form has succeeded', async () => {
      const record = await loseAgent(60_000);
      expect(await knock(record, 1)).to.deep.equal({
        kind: 'rejected',
        because: 'the service is not proven stopped, which is tried again and again',
      });
      expect(readdirSync(file('lock'))).to.deep.equal([HELD]);
      say('passive', 0);
      await eventually(() => !driver.guardianAlive(), 30_000, 'the guardian has released and ended');
      expect(readdirSync(file('lock')).join()).to.match(/^0000000002\.free\.n1\.0000000a\.\d+$/);
    });

    it('is left to a new agent once its lease is over', async () => {
      const record = await loseAgent(2_000);
      for (let count = 1; driver.guardianAlive(); count += 1) await knock(record, count);
      expect(readdirSync(file('lock'))).to.deep.equal([HELD]);
      const tries = ran('passive');
      next.tell({do: 'connect', record, instanceId: '0000000b'});
      await eventually(() => next.heard.some((each) => (each.value as {kind?: string}).kind === 'gone'));
      expect(ran('passive')).to.equal(tries);
    });
  });

  it('is not made active by a guardian that was frozen beyond its deadline', async () => {
    const events: string[] = [];
    let inTime = true;
    const service: ServiceSpec & {kind: 'ensure'} = {
      kind: 'ensure',
      active: [fixture('ensure.sh'), dir(), 'active'],
      passive: [fixture('ensure.sh'), dir(), 'passive'],
      launcher: [],
      monitorIntervalMs: 20,
      timeoutMs: 5_000,
      attempts: 3,
      backoffMs: 30,
      steadyMs: 60_000,
    };
    const run = startEnsure(
      contextFor(setupFor(service)),
      service,
      1,
      eventsInto(events, () => inTime),
      undefined,
    );
    try {
      await eventually(() => ran('active') >= 2);
      inTime = false;
      await eventually(() => events.at(-1) === 'may not');
    } finally {
      run.term();
      await eventually(() => events.at(-1) === 'gone true');
    }
    expect(events).to.deep.equal(['started', 'may not', 'gone true']);
    expect(log().at(-1)).to.equal('passive passive 1');
  });

  it('answers for the passive command of a standby', async () => {
    await spawnFor();
    driver.tell({do: 'passive'});
    expect((await driver.hear('passive')).value).to.deep.equal({
      ok: true,
      because: 'the passive command: exit status 0',
    });
    say('passive', 7);
    driver.tell({do: 'passive'});
    expect((await driver.hear('passive', 2)).value).to.include({ok: false, because: 'the passive command: exit status 7'});
    await driver.startRun(1, 60_000);
    driver.tell({do: 'passive'});
    expect((await driver.hear('passive', 3)).value).to.include({ok: false, because: 'a run of the service is not over'});
  });

  it('does not start beside a passive command that still runs', async () => {
    say('passive', 'slow');
    await spawnFor({monitorIntervalMs: 60_000});
    driver.tell({do: 'lease', epoch: ONE, attempt: 2, leftMs: 60_000});
    await driver.report('acknowledged');
    driver.tell({do: 'checkPassive'});
    await eventually(() => ran('passive') === 1);
    driver.order({type: 'start', run: 1, epoch: ONE});
    await driver.report('started', 1);
    expect(log().map((line) => line.split(' ').slice(0, 2).join(' '))).to.deep.equal([
      'passive passive',
      'passive done',
      'active active',
    ]);
    expect((await driver.hear('passive')).value).to.include({ok: true});
  });

  it('of kind none runs nothing: started at once, gone at once', async () => {
    await driver.spawnGuardian(dir(), setupFor({kind: 'none'}));
    await driver.startRun(1, 60_000);
    driver.tell({do: 'lease', epoch: ONE, attempt: 2, leftMs: 60_000});
    driver.order({type: 'deadline', epoch: ONE, attempt: 3, deadline: 'now'});
    expect(await driver.report('gone', 1)).to.include({proven: true, because: 'the lease is given away'});
  });
});

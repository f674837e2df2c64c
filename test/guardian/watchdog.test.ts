// A watchdog around the runs of a service; a named pipe whose reader counts the silence plays the device.
import {expect} from 'chai';
import {execFileSync} from 'node:child_process';
import {closeSync, constants, existsSync, mkdirSync, openSync, readdirSync, writeFileSync} from 'node:fs';
import {open} from 'node:fs/promises';
import path from 'node:path';
import {runAround} from '../../lib/guardian/around-run.ts';
import {bootNow} from '../../lib/guardian/clock.ts';
import {probeContainment} from '../../lib/guardian/containment-probe.ts';
import {signal} from '../../lib/guardian/proc.ts';
import type {GuardianRecord} from '../../lib/guardian/record.ts';
import {startNothing, type Run, type RunEvents} from '../../lib/guardian/run.ts';
import {lookAtWatchdog, type WatchdogSpec} from '../../lib/guardian/watchdog-device.ts';
import type {ServiceSpec} from '../../lib/guardian/wire.ts';
import {after, epoch, type MonoMs} from '../../lib/protocol/words.ts';
import {eventually} from '../support/eventually.ts';
import {useTempDir} from '../support/temp-dir.ts';
import {TestWatchdog} from '../support/watchdog.ts';
import {Driver, execOf, fixture, setupFor, textOf} from './driver.ts';
import {eventsInto} from './run-support.ts';

const ONE = epoch(1);
const HELD = '0000000001.held.n1.0000000a.60000.17';

/** As many as Node has for calls that wait, and more. */
const THREADS = 8;

const steadyMs = (): number => Number(process.hrtime.bigint()) / 1e6;

describe('a watchdog around a run', () => {
  const dir = useTempDir();
  let watchdog: TestWatchdog;
  let driver: Driver;

  beforeEach(async () => {
    watchdog = await TestWatchdog.create(dir(), 1_000);
    driver = new Driver();
  });
  afterEach(async () => {
    await driver.end();
    await watchdog.end();
  });

  const file = (name: string): string => path.join(dir(), name);
  /** After its last feed, however late its player noticed. */
  const firesAt = (): number => Math.max(...watchdog.events().flatMap(({what, atMs}) => (what === 'fed' ? [atMs] : []))) + 1_000;
  const guardianLog = (): string => textOf(file('guardian.log'));
  const specOf = (other: Partial<WatchdogSpec> = {}): WatchdogSpec => ({
    device: watchdog.device,
    mode: 'required',
    timeoutMs: watchdog.timeoutMs,
    ...other,
  });
  const spawnFor = (
    service: ServiceSpec = {kind: 'none'},
    spec = specOf(),
    other: Parameters<typeof setupFor>[1] = {},
  ): Promise<GuardianRecord> =>
    driver.spawnGuardian(dir(), {...setupFor(service, other), around: {addresses: [], watchdog: spec}});

  it('is armed before anything of the service runs, fed while it runs, and disarmed when it is told gone', async () => {
    const containment = await probeContainment('group');
    await spawnFor(execOf(containment, 'sh', '-c', `cp "$1" "$2"; exec sleep 600`, 'sh', `${watchdog.device}.log`, file('then')));
    expect(watchdog.seen('armed')).to.equal(0);
    await driver.startRun(1, 60_000);
    await eventually(() => textOf(file('then')) !== '');
    expect(textOf(file('then'))).to.contain('armed');
    await watchdog.until('fed', 6);
    driver.order({type: 'stop', run: 1});
    expect(await driver.report('gone', 1)).to.include({proven: true});
    await watchdog.until('disarmed');
    await driver.startRun(2, 60_000);
    await watchdog.until('armed', 2);
    expect(watchdog.seen('reset')).to.equal(0);
  });

  it('is disarmed by the guardian of an agent that died, before the lock is released', async () => {
    mkdirSync(file('lock'));
    writeFileSync(file(`lock/${HELD}`), '');
    await spawnFor({kind: 'none'}, specOf(), {lockDirectory: file('lock')});
    await driver.startRun(1, 60_000);
    await watchdog.until('fed');
    driver.killGroup();
    await eventually(() => !driver.guardianAlive(), 30_000, 'the guardian has not ended');
    await watchdog.until('disarmed');
    expect(readdirSync(file('lock')).join()).to.contain('.free.');
    expect(watchdog.seen('reset')).to.equal(0);
  });

  it('goes on undisturbed when another agent adopts the service', async () => {
    const record = await spawnFor({kind: 'none'}, specOf(), {agentLossGraceMs: 60_000});
    await driver.startRun(1, 60_000);
    const next = new Driver();
    try {
      driver.killGroup();
      expect((await next.connect(record, '0000000b')).kind).to.equal('accepted');
      await watchdog.until('fed', watchdog.seen('fed') + 8);
      expect(watchdog.events().map(({what}) => what)).to.not.include.members(['reset']);
      expect(watchdog.seen('armed')).to.equal(1);
    } finally {
      await next.end();
    }
  });

  for (const name of ['SIGSTOP', 'SIGKILL'] as const) {
    it(`fires when the guardian gets ${name}`, async () => {
      const {guardian} = await spawnFor();
      await driver.startRun(1, 60_000);
      await watchdog.until('fed', 2);
      signal(guardian, name);
      await watchdog.until('reset');
      expect(watchdog.seen('disarmed')).to.equal(0);
    });
  }

  it('fires when a service cannot be stopped: the guardian stops feeding while it is still the only owner of the lease', async () => {
    const passive = fixture('ensure.sh');
    writeFileSync(file('active'), '0');
    writeFileSync(file('passive'), '1');
    const times = {monitorIntervalMs: 50, timeoutMs: 5_000, attempts: 1, backoffMs: 10, steadyMs: 60_000};
    const service: ServiceSpec = {
      kind: 'ensure',
      active: [passive, dir(), 'active'],
      passive: [passive, dir(), 'passive'],
      launcher: [],
      ...times,
    };
    await spawnFor(service, specOf(), {stopTimeoutMs: 500, safetyMarginMs: 1_600});
    await driver.startRun(1, 60_000);
    await driver.renew(2, 5_000);
    const leaseEndsAt = steadyMs() + 5_000;
    await watchdog.until('reset');
    expect(firesAt()).to.be.lessThan(leaseEndsAt);
    expect(driver.reports().at(-1)).to.include({type: 'gone', proven: false});
    expect(guardianLog()).to.contain('is not fed: the lease is not renewed, and the service is not gone');
  });

  describe('that cannot be armed', () => {
    const refusals: readonly [title: string, spec: () => Partial<WatchdogSpec>, leftMs: number, because: string][] = [
      ['because it is not there', () => ({device: file('none')}), 60_000, 'is not there: load the driver'],
      ['because nobody is behind it', () => ({device: file('dumb')}), 60_000, 'cannot be armed: ENXIO'],
      ['because nobody knows when it fires', () => ({timeoutMs: undefined}), 60_000, 'does not tell its timeout'],
      ['because it would fire too late', () => ({timeoutMs: 30_000}), 20_000, 'too little is left of the lease for the watchdog'],
    ];
    beforeEach(async () => {
      const dumb = await TestWatchdog.create(dir(), 1_000, 'dumb');
      await dumb.end();
    });

    for (const [title, spec, leftMs, because] of refusals) {
      it(`${title}: nothing is started where it is required`, async () => {
        const containment = await probeContainment('group');
        await spawnFor(execOf(containment, 'touch', file('started')), specOf(spec()));
        driver.tell({do: 'lease', epoch: ONE, attempt: 1, leftMs});
        driver.order({type: 'start', run: 1, epoch: ONE});
        expect(await driver.report('stopping', 1))
          .to.have.property('because')
          .that.contains(because);
        expect(await driver.report('gone', 1)).to.include({proven: true});
        expect(existsSync(file('started'))).to.equal(false);
      });

      it(`${title}: the service runs without it where it is only wanted`, async () => {
        await spawnFor({kind: 'none'}, specOf({...spec(), mode: 'automatic'}));
        await driver.startRun(1, leftMs);
        expect(guardianLog()).to.contain('the service runs without a watchdog: ').and.to.contain(because);
        driver.order({type: 'stop', run: 1});
        await driver.report('gone', 1);
        expect(watchdog.events().map(({what}) => what)).to.deep.equal(['ready']);
      });
    }
  });

  it('for which too little is left of the lease is a start that is refused, none that failed', async () => {
    await spawnFor({kind: 'none'}, specOf({timeoutMs: 30_000}));
    driver.tell({do: 'lease', epoch: ONE, attempt: 1, leftMs: 20_000});
    driver.order({type: 'start', run: 1, epoch: ONE});
    expect(await driver.report('gone', 1)).to.include({proven: true});
    expect(driver.reports().map(({type}) => type)).to.deep.equal(['acknowledged', 'refused', 'stopping', 'gone']);
    await driver.startRun(2, 60_000);
    await watchdog.until('armed');
  });

  it('is looked at without being opened', async () => {
    writeFileSync(file('plain'), '');
    expect(await lookAtWatchdog({device: file('plain'), timeoutMs: 1_000})).to.include({
      because: `${file('plain')} is no device`,
    });
    expect(await lookAtWatchdog({device: '/dev/null', timeoutMs: undefined}))
      .to.have.property('because')
      .that.contains('timeout');
    expect(await lookAtWatchdog(specOf())).to.deep.equal({usable: true, timeoutMs: 1_000});
    expect(watchdog.seen('armed')).to.equal(0);
  });

  describe('of a service that does not die', () => {
    let die: (() => void) | undefined;
    afterEach(() => die?.());
    /** Nothing ends it but the end of the test. */
    const immortal = (events: RunEvents): Run => {
      die = () => events.gone(true);
      events.started();
      return {term: () => undefined, kill: () => undefined};
    };

    function start(leaseEnd: () => MonoMs, words: string[], run: (events: RunEvents) => Run): Run {
      const note = (text: string): number => words.push(text);
      const refused = (because: string): number => words.push(`refused ${because}`);
      const context = {leaseEnd, safetyMarginMs: 1_600, stopTimeoutMs: 60_000, note, refused};
      return runAround(
        {addresses: [], watchdog: specOf()},
        context,
        eventsInto(words, () => true),
        run,
      );
    }

    it('fires before the lease ends, also after it was killed, and is fed as long as the lease is renewed', async () => {
      const words: string[] = [];
      let end = after(bootNow(), 10_000);
      const run = start(() => end, words, immortal);
      await watchdog.until('fed', 5);
      run.term();
      run.kill();
      await watchdog.until('fed', watchdog.seen('fed') + 5);
      end = after(bootNow(), 3_500);
      const leaseEndsAt = steadyMs() + 3_500;
      await watchdog.until('reset');
      expect(firesAt()).to.be.lessThan(leaseEndsAt);
      expect(words).to.not.include('gone true');
    });

    it('is disarmed again when the lease has become too old while it was armed', async () => {
      const words: string[] = [];
      let looks = 0;
      start(() => after(bootNow(), ++looks === 1 ? 60_000 : 500), words, startNothing);
      const because = `too little is left of the lease for the watchdog ${watchdog.device}, which would fire only after 1000 ms`;
      await eventually(() => words.length >= 2);
      expect(words).to.deep.equal([`refused ${because}`, `ended could not be started: ${because}`]);
      await watchdog.until('disarmed');
      expect(watchdog.seen('reset')).to.equal(0);
    });

    it('is fed while no thread is left for whatever waits for a disk', async () => {
      const words: string[] = [];
      const end = after(bootNow(), 60_000);
      const run = start(() => end, words, startNothing);
      await eventually(() => words.includes('started'));
      const pipes = Array.from({length: THREADS}, (_, index) => file(`pipe-${index}`));
      execFileSync('mkfifo', pipes);
      // To open a pipe to which nobody writes takes a thread of its own until somebody does.
      const waiting = pipes.map((pipe) => open(pipe, 'r'));
      try {
        await watchdog.until('fed', watchdog.seen('fed') + 8);
      } finally {
        // Those that had no thread yet begin to open only now.
        const writers = pipes.map((pipe) => openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK));
        for (const each of await Promise.all(waiting)) await each.close();
        for (const writer of writers) closeSync(writer);
      }
      run.term();
      await eventually(() => words.includes('gone true'));
      expect(watchdog.seen('reset')).to.equal(0);
    });

    it('is disarmed before the run is called gone', async () => {
      const words: string[] = [];
      const end = after(bootNow(), 60_000);
      const run = start(() => end, words, startNothing);
      await eventually(() => words.includes('started'));
      run.term();
      await eventually(() => words.includes('gone true'));
      expect(words).to.deep.equal([
        `the watchdog ${watchdog.device} is armed`,
        'started',
        `the watchdog ${watchdog.device} is disarmed`,
        'gone true',
      ]);
    });
  });
});

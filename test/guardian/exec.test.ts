// An `exec` service in the hands of a real guardian: started, stopped, killed, and gone to the last process.
import {expect} from 'chai';
import {chmod, chown} from 'node:fs/promises';
import path from 'node:path';
import {probeContainment} from '../../lib/guardian/containment-probe.ts';
import type {Containment} from '../../lib/guardian/containment.ts';
import {allProcesses, isAlive, mentions} from '../../lib/guardian/proc.ts';
import {whatIsLeft, type GuardianRecord} from '../../lib/guardian/record.ts';
import {epoch} from '../../lib/protocol/words.ts';
import {eventually} from '../support/eventually.ts';
import {useTempDir} from '../support/temp-dir.ts';
import {AS_NOBODY, Driver, execOf, fixture, isRoot, setupFor, textOf} from './driver.ts';

const ONE = epoch(1);
/** For 100 MB, or whatever else takes its time. */
const PRINTED_MS = 40_000;

interface Ground {
  readonly name: string;
  readonly needsRoot: boolean;
  readonly prefix: readonly string[];
  readonly wanted: 'namespace' | 'group';
}

const GROUNDS: readonly Ground[] = [
  {name: 'namespace, root', needsRoot: true, prefix: [], wanted: 'namespace'},
  {name: 'namespace, an ordinary user who asked for it', needsRoot: true, prefix: AS_NOBODY, wanted: 'namespace'},
  {name: 'group, the user of this test', needsRoot: false, prefix: [], wanted: 'group'},
  {name: 'group, an ordinary user', needsRoot: true, prefix: AS_NOBODY, wanted: 'group'},
];

for (const ground of GROUNDS) {
  describe(`an exec service (${ground.name})`, () => {
    const dir = useTempDir();
    let driver: Driver;
    let containment: Containment;

    before(async function () {
      if (ground.needsRoot && !isRoot) {
        console.warn(`      skipped: ${ground.name} needs root`);
        this.skip();
      }
      containment = await containmentAs(ground);
      expect(containment.kind, containment.because).to.equal(ground.wanted);
    });
    beforeEach(async () => {
      if (ground.prefix.length > 0) await chown(dir(), 65534, 65534);
      await chmod(dir(), 0o700);
      driver = new Driver(ground.prefix);
    });
    afterEach(() => driver.end());

    const file = (name: string): string => path.join(dir(), name);
    const spawnFor = (...command: string[]): Promise<GuardianRecord> =>
      driver.spawnGuardian(dir(), setupFor(execOf(containment, ...command)));

    /** What obeys has time to say so, also on a machine that stands still for a moment. */
    const spawnPolite = (): Promise<GuardianRecord> =>
      driver.spawnGuardian(dir(), setupFor(execOf(containment, fixture('polite.sh'), file('log')), {stopTimeoutMs: 8_000}));

    it('gets its epoch and its names, a SIGTERM at the order to stop, and is gone', async () => {
      await spawnPolite();
      await driver.startRun(1, 60_000, 7);
      await eventually(() => textOf(file('log')) !== '');
      expect(textOf(file('log'))).to.equal('start 7 active n1 app\n');
      driver.order({type: 'stop', run: 1});
      const gone = await driver.report('gone', 1);
      expect(gone).to.include({proven: true, because: 'the agent ordered it'});
      expect(textOf(file('log'))).to.equal('start 7 active n1 app\nterm\n');
      await driver.startRun(2, 60_000, 7);
    });

    it('that ends by itself is a stop with its exit status, and gone', async () => {
      await spawnFor(fixture('crasher.sh'), '3');
      await driver.startRun(1, 20_000);
      const stopping = await driver.report('stopping', 1);
      expect(stopping).to.include({because: 'the service has ended: exit status 3'});
      expect(await driver.report('gone', 1)).to.include({proven: true});
      const output = await driver.hear('output');
      expect(output.value).to.include({source: 'service', stream: 'stderr', text: 'about to crash'});
    });

    it('that does not exist ends at once, and nothing of it is left', async () => {
      await spawnFor(file('no-such-program'));
      driver.tell({do: 'lease', epoch: ONE, attempt: 1, leftMs: 20_000});
      driver.order({type: 'start', run: 1, epoch: ONE});
      expect(await driver.report('stopping', 1))
        .to.have.property('because')
        .that.includes('127');
      expect(await driver.report('gone', 1)).to.include({proven: true});
    });

    it('is started by nobody at or after the point where it would have to be stopped', async () => {
      await spawnFor(fixture('polite.sh'), file('log'));
      driver.tell({do: 'lease', epoch: ONE, attempt: 1, leftMs: 1_200});
      driver.order({type: 'start', run: 1, epoch: ONE});
      expect(await driver.report('refused', 1)).to.include({because: 'the deadline has come'});
      expect(textOf(file('log'))).to.equal('');
    });

    it('is not started any more by a stop that overtakes its start', async () => {
      await spawnFor(fixture('polite.sh'), file('log'));
      driver.tell({do: 'lease', epoch: ONE, attempt: 1, leftMs: 20_000});
      driver.order({type: 'start', run: 1, epoch: ONE}, {type: 'stop', run: 1});
      expect(await driver.report('gone', 1)).to.include({proven: true});
      expect(textOf(file('log'))).to.equal('');
    });

    it('without a deadline in time is asked to go, then killed with all it started, though it ignores every signal', async () => {
      const record = await spawnFor(fixture('stubborn.sh'), file('pids'));
      await driver.startRun(1, 60_000);
      await eventually(() => textOf(file('pids.alive')).length > 20);
      await driver.renew(2, 2_500);
      const gone = await driver.report('gone', 1);
      expect(gone).to.include({proven: true, cause: 'deadline'});
      const told = ['acknowledged', 'started', 'acknowledged', 'stopping', 'gone'];
      expect(driver.reports().map((each) => each.type)).to.deep.equal(told);
      expect(left(record)).to.deep.equal([]);
      if (ground.wanted === 'namespace') await stays(() => textOf(file('pids.alive')).length);
    });

    it('prints 100 MB, and neither memory nor the deadline suffers', async () => {
      const record = await spawnFor(process.execPath, fixture('talker.mjs'), '100', file('done'));
      await driver.startRun(1, 60_000);
      await eventually(() => textOf(file('done')) === 'done', PRINTED_MS, 'it cannot print all of it');
      expect(pssKb(record.guardian.pid)).to.be.lessThan(80_000);
      await driver.renew(2, 20_000);
      driver.order({type: 'stop', run: 1});
      expect(await driver.report('gone', 1)).to.include({proven: true});
    });

    it('prints 100 MB to an agent that is stopped, is not held up by that, and dies at its deadline', async () => {
      const record = await spawnFor(process.execPath, fixture('talker.mjs'), '100', file('done'));
      await driver.startRun(1, 10_000);
      driver.child.kill('SIGSTOP');
      await eventually(() => textOf(file('done')) === 'done', PRINTED_MS, 'it is held up');
      expect(pssKb(record.guardian.pid)).to.be.lessThan(80_000);
      await eventually(() => left(record).length === 0, PRINTED_MS, 'the service is gone');
      driver.child.kill('SIGCONT');
      expect(await driver.report('gone', 1)).to.include({proven: true, because: 'the lease could not be renewed in time'});
      const dropped = await driver.hear('dropped');
      expect(dropped.value).to.be.greaterThan(0);
    });

    it('ends when the agent kills the guardian, and that is proven as far as it can be', async () => {
      const record = await spawnFor(fixture('never-ready.sh'));
      await driver.startRun(1, 20_000);
      await driver.hear('holding');
      driver.tell({do: 'kill'});
      const {value} = await driver.hear('killed');
      expect(value).to.include({proven: true, how: ground.wanted === 'namespace' ? 'kernel' : 'scan'});
      expect(left(record)).to.deep.equal([]);
      await driver.hear('closed');
      expect(whatIsLeft(record)).to.deep.include({agent: 'alive', guardian: 'gone'});
    });

    it('does not survive kill -9 of its guardian', async function () {
      const stubborn = ground.wanted === 'namespace';
      const record = await spawnFor(fixture(stubborn ? 'stubborn.sh' : 'never-ready.sh'), file('pids'));
      await driver.startRun(1, 60_000);
      if (stubborn) await eventually(() => textOf(file('pids.alive')).length > 20);
      const holding = (await driver.hear('holding')).value as {holder: GuardianRecord['guardian']};
      process.kill(record.guardian.pid, 'SIGKILL');
      await eventually(() => !isAlive(holding.holder), PRINTED_MS, 'the holder is gone');
      if (stubborn) await stays(() => textOf(file('pids.alive')).length);
      await driver.hear('closed');
    });

    it('does not survive kill -9 of guardian and agent together', async function () {
      if (ground.wanted === 'group') {
        console.warn('      skipped: a group is not safe against this, and says so');
        expect(containment.safe).to.equal(false);
        this.skip();
      }
      const record = await spawnFor(fixture('stubborn.sh'), file('pids'));
      await driver.startRun(1, 60_000);
      await eventually(() => textOf(file('pids.alive')).length > 20);
      process.kill(record.guardian.pid, 'SIGKILL');
      driver.killGroup();
      await eventually(() => {
        const state = whatIsLeft(record);
        return state.kind === 'here' && state.agent === 'gone' && state.guardian === 'gone' && state.service.kind === 'gone';
      });
      await stays(() => textOf(file('pids.alive')).length);
    });

    it('is stopped by SIGTERM to the guardian, which goes on', async () => {
      const record = await spawnFor(fixture('polite.sh'), file('log'));
      await driver.startRun(1, 60_000);
      await eventually(() => textOf(file('log')) !== '');
      for (const name of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) process.kill(record.guardian.pid, name);
      expect(await driver.report('gone', 1)).to.include({proven: true, because: 'the guardian got SIGTERM'});
      await driver.startRun(2, 60_000);
    });

    it('that the agent ends with is forgotten: bye ends the guardian and removes its socket', async () => {
      const record = await spawnFor(fixture('polite.sh'), file('log'));
      await driver.startRun(1, 20_000);
      driver.order({type: 'stop', run: 1});
      await driver.report('gone', 1);
      driver.order({type: 'bye'});
      await driver.hear('closed');
      await eventually(() => !isAlive(record.guardian));
      expect(textOf(record.socketPath)).to.equal('');
      expect(driver.child.exitCode).to.equal(null);
    });
  });
}

/** Probes as the user that the ground is about. */
async function containmentAs(ground: Ground): Promise<Containment> {
  if (ground.prefix.length === 0) return probeContainment(ground.wanted);
  const driver = new Driver(ground.prefix);
  try {
    driver.tell({do: 'probe', wanted: ground.wanted});
    return (await driver.hear('probed')).value as Containment;
  } finally {
    await driver.end();
  }
}

const left = (record: GuardianRecord): number[] =>
  allProcesses()
    .filter((look) => mentions(look.pid, record.marker))
    .map((look) => look.pid);

/** The writers append every 50 ms: a size that stands still over many looks means that they are gone. */
async function stays(size: () => number): Promise<void> {
  let last = -1;
  let same = 0;
  await eventually(() => {
    same = size() === last ? same + 1 : 0;
    last = size();
    return same >= 20;
  });
}

function pssKb(pid: number): number {
  const line = textOf(`/proc/${pid}/smaps_rollup`)
    .split('\n')
    .find((each) => each.startsWith('Pss:'));
  return Number(line?.split(/\s+/)[1]);
}

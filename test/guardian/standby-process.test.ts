// The process of a standby in the hands of a real guardian: there while nothing active runs, gone before anything active starts.
import {expect} from 'chai';
import {rm, writeFile} from 'node:fs/promises';
import path from 'node:path';
import {probeContainment} from '../../lib/guardian/containment-probe.ts';
import type {Containment} from '../../lib/guardian/containment.ts';
import {isAlive, type ProcessIdentity} from '../../lib/guardian/proc.ts';
import {findMarked, whatIsLeft, type GuardianRecord} from '../../lib/guardian/record.ts';
import {epoch} from '../../lib/protocol/words.ts';
import {eventually} from '../support/eventually.ts';
import {useTempDir} from '../support/temp-dir.ts';
import {Driver, fixture, isRoot, setupFor, textOf} from './driver.ts';

const ONE = epoch(1);
const LIMIT_MS = 30_000;
/** Takes its time to end: whoever starts something meanwhile is found out. */
const SLOW =
  'trap \'sleep 0.3; echo "standby gone" >> "$0"; exit 0\' TERM; echo "standby $HA_ROLE" >> "$0"; while :; do sleep 0.02; done';
/** Ends with status 5 as long as there is no file FILE.well. */
const SICKLY = 'echo run >> "$0"; [ -e "$0.well" ] || exit 5; while :; do sleep 0.02; done';

/** Ends when it is asked to, or with status 5 when there is a file FILE.sick. */
const POLITE = 'trap "exit 0" TERM; echo there >> "$0"; while [ ! -e "$0.sick" ]; do sleep 0.02; done; exit 5';

interface Answer {
  readonly ok: boolean;
  readonly because: string;
}

for (const wanted of ['namespace', 'group'] as const) {
  describe(`a standby process (${wanted})`, () => {
    const dir = useTempDir();
    let containment: Containment;
    let driver: Driver;
    let asked: number;

    before(async function () {
      if (wanted === 'namespace' && !isRoot) {
        console.warn('      skipped: a namespace needs root');
        this.skip();
      }
      containment = await probeContainment(wanted);
      expect(containment.kind, containment.because).to.equal(wanted);
    });
    beforeEach(() => {
      driver = new Driver();
      asked = 0;
    });
    afterEach(() => driver.end());

    const file = (name: string): string => path.join(dir(), name);
    const lines = (): string[] => textOf(file('log')).trim().split('\n');

    const spawnFor = (standby: readonly string[], stopTimeoutMs = 8_000): Promise<GuardianRecord> =>
      driver.spawnGuardian(
        dir(),
        setupFor({kind: 'exec', command: [fixture('polite.sh'), file('log')], containment, standby}, {stopTimeoutMs}),
      );
    const spawnSlow = (): Promise<GuardianRecord> => spawnFor(['sh', '-c', SLOW, file('log')]);

    async function look(backoffMs = 0): Promise<Answer> {
      driver.tell({do: 'passive', backoffMs});
      asked += 1;
      return (await driver.hear('passive', asked)).value as Answer;
    }

    /** Looks until it is found running. */
    async function standBy(): Promise<void> {
      await eventually(async () => (await look()).ok, LIMIT_MS, 'it is not found running');
    }

    it('runs from the first look on, and counts from the second one that finds it running', async () => {
      await spawnSlow();
      expect(await look()).to.deep.equal({ok: false, because: 'the standby process has just been started'});
      expect(await look()).to.deep.equal({ok: true, because: 'the standby process runs'});
      await eventually(() => textOf(file('log')) === 'standby passive\n');
    });

    it('is gone before the service starts, and comes back after it has gone', async () => {
      await spawnSlow();
      await standBy();
      await eventually(() => textOf(file('log')) !== '');
      await driver.startRun(1, 60_000);
      await eventually(() => lines().length === 3);
      expect(lines()).to.deep.equal(['standby passive', 'standby gone', 'start 1 active n1 app']);
      expect(await look()).to.deep.equal({ok: false, because: 'a run of the service is not over'});
      driver.order({type: 'stop', run: 1});
      expect(await driver.report('gone', 1)).to.include({proven: true});
      await standBy();
      await eventually(() => lines().length === 5);
      expect(lines().slice(3)).to.deep.equal(['term', 'standby passive']);
    });

    it('that does not end is killed after stopTimeout, with all that it has forked', async () => {
      await spawnFor([fixture('stubborn.sh'), file('stubborn')], 300);
      await standBy();
      await eventually(() => textOf(file('stubborn.alive')).length > 10);
      await driver.startRun(1, 60_000);
      const alive = textOf(file('stubborn.alive'));
      await eventually(() => textOf(file('log')) !== '');
      expect(textOf(file('stubborn.alive'))).to.equal(alive);
      await rm(file('stubborn'));
    });

    it('keeps nothing waiting that is not to start any more', async () => {
      await spawnSlow();
      await standBy();
      await eventually(() => textOf(file('log')) !== '');
      driver.tell({do: 'lease', epoch: ONE, attempt: 1, leftMs: 60_000});
      driver.order({type: 'start', run: 1, epoch: ONE}, {type: 'stop', run: 1});
      expect(await driver.report('gone', 1)).to.include({proven: true, cause: 'ordered'});
      await eventually(() => lines().length === 2);
      await standBy();
      await eventually(() => lines().length === 3);
      expect(lines()).to.deep.equal(['standby passive', 'standby gone', 'standby passive']);
      expect(driver.reports().map((each) => each.type)).to.not.include('started');
    });

    it('that ends by itself speaks against this node until it has been started again and stays', async () => {
      await spawnFor(['sh', '-c', SICKLY, file('log')]);
      const ended = 'the standby process has ended: exit status 5';
      await eventually(async () => (await look()).because.startsWith(ended), LIMIT_MS);
      await eventually(async () => (await look()).because === `${ended}; it has been started again`, LIMIT_MS);
      await writeFile(file('log.well'), '');
      await standBy();
    });

    it('that ended is not started again before backoff', async () => {
      await spawnFor(['sh', '-c', SICKLY, file('log')]);
      const ended = 'the standby process has ended: exit status 5';
      await eventually(async () => (await look(3_600_000)).because === ended, LIMIT_MS);
      expect(await look(3_600_000)).to.deep.equal({ok: false, because: ended});
      expect(lines()).to.deep.equal(['run']);
      // The configuration may change meanwhile.
      expect(await look(0)).to.deep.equal({ok: false, because: `${ended}; it has been started again`});
    });

    it('that cannot be started is told, and keeps the service from nothing', async () => {
      await spawnFor([file('no-such-program')]);
      await eventually(async () => (await look()).because.includes('127'), LIMIT_MS);
      await driver.startRun(1, 60_000);
    });

    it('ends with its agent, and only then does the guardian', async () => {
      const record = await spawnSlow();
      await standBy();
      await eventually(() => textOf(file('log')) !== '');
      driver.killGroup();
      await eventually(() => !isAlive(record.guardian), LIMIT_MS, 'the guardian is gone');
      expect(lines()).to.deep.equal(['standby passive', 'standby gone']);
      expect(findMarked(record.marker)).to.deep.equal([]);
    });

    it('is known to the agent by its holder, and gone after kill -9 of guardian and agent together', async () => {
      await spawnFor([fixture('stubborn.sh'), file('stubborn')]);
      await standBy();
      const {holder} = (await driver.hear('holding')).value as {holder: ProcessIdentity};
      driver.tell({do: 'record'});
      const record = (await driver.hear('record')).value as GuardianRecord;
      expect(record.holder).to.deep.equal(holder);
      process.kill(record.guardian.pid, 'SIGSTOP');
      driver.killGroup();
      process.kill(record.guardian.pid, 'SIGKILL');
      if (wanted === 'namespace') await eventually(() => !isAlive(holder), LIMIT_MS, 'the namespace has ended');
      await rm(file('stubborn'));
      await eventually(
        () => {
          const left = whatIsLeft(record);
          return left.kind === 'here' && left.service.kind === 'gone';
        },
        LIMIT_MS,
        'something is left',
      );
    });

    for (const [when, end] of [
      ['its guardian leaves', (): void => driver.killGroup()],
      ['it ends by itself', (): Promise<void> => writeFile(file('log.sick'), '')],
    ] as const)
      it(`is not forgotten for one fault while ${when}`, async () => {
        const once = `import fs from 'node:fs';
          import {syncBuiltinESMExports} from 'node:module';
          const real = fs.readdirSync;
          let left = /guardian.main\\.js$/.test(process.argv[1]) ? 1 : 0;
          fs.readdirSync = (...words) => {
            if (words[0] !== '/proc' || left === 0 || !fs.existsSync(${JSON.stringify(file('fault'))})) return real(...words);
            left = 0;
            throw Object.assign(new Error('EMFILE: too many open files'), {code: 'EMFILE'});
          };
          syncBuiltinESMExports();`;
        const faulty = ['env', `NODE_OPTIONS=--import=data:text/javascript,${encodeURIComponent(once)}`];
        await driver.end();
        driver = new Driver(faulty);
        const record = await spawnFor(['sh', '-c', POLITE, file('log')], 1_000);
        await standBy();
        await eventually(() => textOf(file('log')) !== '');
        await writeFile(file('fault'), '');
        await end();
        if (when === 'its guardian leaves') {
          await eventually(() => !isAlive(record.guardian), LIMIT_MS, 'the guardian stays');
          return;
        }
        await eventually(async () => (await look()).because.includes('exit status 5'), LIMIT_MS, 'it does not end');
        await rm(file('log.sick'));
        await standBy();
      });

    it('lets a new agent wait for its end', async () => {
      const record = await spawnSlow();
      await standBy();
      await eventually(() => textOf(file('log')) !== '');
      driver.order({type: 'bye'});
      const next = new Driver();
      try {
        next.tell({do: 'hello', record, instanceId: '0000000b'});
        const answer = await next.lastAnswer();
        expect(answer).to.equal(JSON.stringify({type: 'rejected', because: 'the standby process is being stopped'}));
        await eventually(() => !isAlive(record.guardian), LIMIT_MS, 'the guardian is gone');
        expect(lines()).to.deep.equal(['standby passive', 'standby gone']);
      } finally {
        await next.end();
      }
    });
  });
}

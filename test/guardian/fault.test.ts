// Faults inside the guardian: whatever it guards is still stopped in time.
import {expect} from 'chai';
import {spawn} from 'node:child_process';
import path from 'node:path';
import {probeContainment} from '../../lib/guardian/containment-probe.ts';
import {isAlive} from '../../lib/guardian/proc.ts';
import {eventually} from '../support/eventually.ts';
import {buildRoot} from '../support/paths.ts';
import {useTempDir} from '../support/temp-dir.ts';
import {Driver, execOf, fixture, setupFor, textOf} from './driver.ts';

/** Preloaded into the guardian: a timer that fails again and again, from the moment on when the service has begun to write. */
const faultyFrom = (file: string): string =>
  `import {existsSync} from 'node:fs';
  if (/guardian.main\\.js$/.test(process.argv[1])) setInterval(() => {
    if (existsSync(${JSON.stringify(file)})) throw new Error('a fault in a timer');
  }, 50);`;

describe('a fault inside the guardian', () => {
  const dir = useTempDir();
  const log = (): string => path.join(dir(), 'log');

  async function stopFaulty(fault: 'machine' | 'effect', until: (said: string) => boolean): Promise<string> {
    const script = path.join(buildRoot, 'test', 'fixtures', 'faulty-guardian.js');
    const child = spawn(process.execPath, [script, fault, log()], {stdio: ['ignore', 'pipe', 'inherit']});
    try {
      let said = '';
      child.stdout.on('data', (text: Buffer) => (said += text.toString()));
      await eventually(() => textOf(log()) !== '');
      child.kill('SIGTERM');
      await eventually(() => textOf(log()).includes('term'));
      await eventually(() => until(said));
      return said;
    } finally {
      child.kill('SIGKILL');
    }
  }

  it('in one effect does not keep the next ones from being carried out', async () => {
    const said = await stopFaulty('effect', (text) => text.includes('a fault in an effect'));
    expect(said).to.include('a fault in report, the guardian goes on');
  });

  it('in its machine stops everything, and then ends', async () => {
    const said = await stopFaulty('machine', (text) => text.includes('exit: '));
    expect(said).to.include('a fault in the machine').and.to.include('exit: its machine has failed; the service is gone');
  });

  it('in a timer is told, and the deadline is kept all the same', async () => {
    const driver = new Driver(['env', `NODE_OPTIONS=--import=data:text/javascript,${encodeURIComponent(faultyFrom(log()))}`]);
    try {
      const containment = await probeContainment('group');
      const record = await driver.spawnGuardian(
        dir(),
        setupFor(execOf(containment, fixture('polite.sh'), log()), {stopTimeoutMs: 6_000}),
      );
      await driver.startRun(1, 60_000);
      await eventually(() => textOf(log()) !== '');
      await driver.renew(2, 8_000);
      expect(await driver.report('gone', 1)).to.include({proven: true, cause: 'deadline'});
      expect(textOf(log())).to.match(/^start .*\nterm\n$/);
      expect(textOf(path.join(dir(), 'guardian.log'))).to.include('a fault in a timer');
      expect(isAlive(record.guardian)).to.equal(true);
    } finally {
      await driver.end();
    }
  });
});

// A service with a process of another user, whom the guardian may not signal: everything else goes on.
import {expect} from 'chai';
import {spawn, type ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {chmodSync, chownSync, mkdirSync, readdirSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {MARKER_VARIABLE, type Containment} from '../../lib/guardian/containment.ts';
import {identityOf, isAlive} from '../../lib/guardian/proc.ts';
import {eventually} from '../support/eventually.ts';
import {buildRoot} from '../support/paths.ts';
import {useTempDir} from '../support/temp-dir.ts';
import {AS_NOBODY, Driver, execOf, isRoot, setupFor, textOf} from './driver.ts';

const HELD = '0000000001.held.n1.0000000a.6000.17';
const NOBODY = 65534;
/** Ignores SIGTERM, and has a child that does not die with the guardian by itself. */
const STUBBORN = `trap '' TERM; (while :; do printf . >> "$1"; sleep 0.05; done) & wait`;

describe('a process of another user in the service', () => {
  const dir = useTempDir();
  const children: ChildProcess[] = [];
  let driver: Driver;

  before(function () {
    if (isRoot) return;
    console.warn('      skipped: processes of two users need root');
    this.skip();
  });
  beforeEach(() => {
    chmodSync(dir(), 0o700);
    chownSync(dir(), NOBODY, NOBODY);
    driver = new Driver(AS_NOBODY);
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await driver.end();
  });

  const file = (name: string): string => path.join(dir(), name);

  /** Belongs to root, and to the service by the marker on its command line. */
  async function startForeign(marker: string): Promise<number> {
    const argv = ['-c', 'kill -STOP $$', `${MARKER_VARIABLE}=${marker}`];
    const child = spawn('sh', argv, {stdio: 'ignore', detached: true});
    children.push(child);
    return eventually(() => (child.pid !== undefined && identityOf(child.pid) ? child.pid : undefined));
  }

  it('keeps the guardian neither from ending the others nor alive for ever, and nothing is released before it is gone', async () => {
    mkdirSync(file('lock'));
    writeFileSync(path.join(file('lock'), HELD), '');
    chownSync(file('lock'), NOBODY, NOBODY);
    chownSync(path.join(file('lock'), HELD), NOBODY, NOBODY);
    driver.tell({do: 'probe', wanted: 'group'});
    const containment = (await driver.hear('probed')).value as Containment;
    const setup = setupFor(execOf(containment, 'sh', '-c', STUBBORN, 'sh', file('alive')), {lockDirectory: file('lock')});
    const record = await driver.spawnGuardian(dir(), setup);
    await driver.startRun(1, 60_000);
    await eventually(() => textOf(file('alive')).length > 20);
    const foreign = await startForeign(record.marker);
    driver.killGroup();
    await eventually(() => textOf(file('guardian.log')).includes(`may not be signalled: ${foreign};`));
    await eventually(() => !isAlive(record.guardian) || textOf(file('guardian.log')).includes('killing the service'));
    let size = -1;
    let same = 0;
    await eventually(() => {
      const now = textOf(file('alive')).length;
      same = now === size ? same + 1 : 0;
      size = now;
      return same >= 20;
    });
    expect(isAlive(record.guardian)).to.equal(true);
    expect(readdirSync(file('lock'))).to.deep.equal([HELD]);
    process.kill(foreign, 'SIGKILL');
    await eventually(() => !isAlive(record.guardian));
    expect(readdirSync(file('lock')).join()).to.match(/^0000000002\.free\.n1\.0000000a\.\d+$/);
  });

  it('is reported as a survivor by whoever kills the guardian, who ends all others', async () => {
    const marker = `foreign-test-${process.pid}`;
    const foreign = await startForeign(marker);
    // Its number is larger: met after the one that may not be signalled.
    const own = spawn('setpriv', [...AS_NOBODY.slice(1), 'sh', '-c', 'kill -STOP $$', `${MARKER_VARIABLE}=${marker}`], {
      stdio: 'ignore',
      detached: true,
    });
    children.push(own);
    const ownGone = once(own, 'exit');
    const script = `
      const {killGuardian, placeOfRecord} = await import(${JSON.stringify(path.join(buildRoot, 'lib/guardian/record.js'))});
      const {bootId} = await import(${JSON.stringify(path.join(buildRoot, 'lib/guardian/proc.js'))});
      const dead = {pid: 1, startTicks: 999999999, bootId: bootId()};
      const record = {version: 1, socketPath: '/x', token: 't', guardian: dead, agent: dead, marker: process.argv[1], service: 'group'};
      console.log(JSON.stringify(await killGuardian({...record, ...placeOfRecord()}, true, 500)));`;
    await eventually(() => textOf(`/proc/${own.pid}/cmdline`).startsWith('sh'));
    const argv = [...AS_NOBODY.slice(1), process.execPath, '--input-type=module', '-e', script, marker];
    const killer = spawn('setpriv', argv, {stdio: ['ignore', 'pipe', 'inherit'], cwd: '/'});
    let text = '';
    killer.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await Promise.all([once(killer, 'close'), ownGone]);
    expect(JSON.parse(text)).to.deep.equal({
      proven: false,
      survivors: [foreign],
      because: 'processes of the service cannot be killed',
    });
  });
});

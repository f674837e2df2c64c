// The process that touches the store: what it is asked comes back, its silence is noticed, and it leaves nothing behind.
import {readdir} from 'node:fs/promises';
import {join} from 'node:path';
import {expect} from 'chai';
import {Probe} from '../../lib/doctor/probe.ts';
import {processesOf} from '../e2e/support/processes.ts';
import {eventually} from '../support/eventually.ts';
import {buildRoot} from '../support/paths.ts';
import {useTempDir} from '../support/temp-dir.ts';

const SILENT = join(buildRoot, 'test/doctor/fixtures/silent-probe.js');
const ENDED = join(buildRoot, 'test/doctor/fixtures/ended-probe.js');
const NONCE = '0123456789abcdef0123456789abcdef';
const LIMIT_MS = 15_000;

describe('the probe of a doctor', () => {
  const dir = useTempDir();

  it('answers with values, and with the errors of the system', async () => {
    const probe = new Probe();
    try {
      const looked = await probe.call('look', {persistenceDir: dir(), app: 'default'}, LIMIT_MS);
      expect(looked).to.have.nested.property('value.realPath', dir());
      const failed = await probe.call('look', {persistenceDir: join(dir(), 'no'), app: 'default'}, LIMIT_MS);
      expect(failed).to.deep.include({kind: 'failed', errno: 'ENOENT'});
    } finally {
      await probe.close();
    }
  });

  it('removes its directory when it is closed, whatever it is doing', async () => {
    const probe = new Probe();
    await probe.call('begin', {persistenceDir: dir(), app: 'default', nonce: NONCE}, LIMIT_MS);
    expect(await readdir(dir())).to.have.length(1);
    const rivals = probe.call('rivals', {rounds: 100_000, budgetMs: 60_000, rivals: 4}, 60_000);
    await probe.close();
    expect(await rivals).to.have.property('kind', 'failed');
    expect(await readdir(dir())).to.deep.equal([]);
  });

  it('is given up when it is silent, and then nothing is tried any more', async () => {
    const probe = new Probe(SILENT);
    const asked = {persistenceDir: dir(), app: 'default'};
    expect(await probe.call('look', asked, 50)).to.deep.equal({kind: 'silent', waitedMs: 50});
    expect(await probe.call('look', asked, LIMIT_MS)).to.deep.equal({kind: 'notTried'});
    await probe.close();
    await eventually(() => processesOf(SILENT).length === 0);
  });

  it('is killed when it does not end', async () => {
    const probe = new Probe(SILENT);
    await eventually(() => processesOf(SILENT).length === 1);
    await probe.close();
    await eventually(() => processesOf(SILENT).length === 0);
  });

  it('fails, instead of keeping anybody waiting, when its process is gone', async () => {
    const probe = new Probe(ENDED);
    expect(await probe.call('look', {persistenceDir: dir(), app: 'default'}, LIMIT_MS)).to.deep.include({
      kind: 'failed',
      errno: 'EPIPE',
    });
    await probe.close();
  });
});

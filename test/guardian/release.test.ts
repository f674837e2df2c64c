// The helper that releases the lock of dead instances, as a process of its own.
import {expect} from 'chai';
import {spawn} from 'node:child_process';
import {mkdir, readdir, writeFile, rename, rm} from 'node:fs/promises';
import path from 'node:path';
import {parseLockName} from '../../lib/protocol/lock-name.ts';
import {eventually} from '../support/eventually.ts';
import {buildRoot} from '../support/paths.ts';
import {useTempDir} from '../support/temp-dir.ts';

describe('the release helper', () => {
  const dir = useTempDir();
  const put = (name: string): Promise<void> => writeFile(path.join(dir(), name), '');

  function start(
    attempt: number,
    instances: string,
    directory = dir(),
    epoch = 0,
  ): {said: () => string; ended: () => boolean; kill: () => void} {
    const child = spawn(process.execPath, [
      path.join(buildRoot, 'lib/guardian/release.js'),
      directory,
      String(attempt),
      instances,
      String(epoch),
    ]);
    let said = '';
    let ended = false;
    child.stdout.on('data', (text: Buffer) => (said += text.toString()));
    // What it said last may come after its exit.
    child.once('close', () => (ended = true));
    return {
      said: () => said,
      ended: () => ended,
      kill: () => void child.kill('SIGKILL'),
    };
  }

  it('gives up the name of a dead instance under the next epoch, with attempts above all that were told', async () => {
    await put('0000000041.held.n1.0000000a.30000.17');
    const helper = start(23, '0000000b,0000000a');
    await eventually(helper.ended);
    const [name = '', ...others] = await readdir(dir());
    expect(others).to.deep.equal([]);
    const parsed = parseLockName(name);
    expect(parsed).to.deep.include({kind: 'free', epoch: 42, writer: {nodeId: 'n1', instanceId: '0000000a'}});
    expect(parsed?.attempt).to.be.greaterThan(23);
    expect(JSON.parse(helper.said())).to.deep.equal({released: name, because: 'no name of these instances is left'});
  });

  it('touches neither the names of others nor anything that is no lock name', async () => {
    const names = [
      '0000000041.held.n2.0000000c.30000.17',
      '0000000040.free.n1.0000000a.3',
      '.nfs0001',
      '0000000000.held.-.-.30000.0',
      'README',
    ];
    for (const name of names) await put(name);
    const helper = start(1, '0000000a');
    await eventually(helper.ended);
    expect((await readdir(dir())).sort()).to.deep.equal([...names].sort());
    expect(JSON.parse(helper.said())).to.include({because: 'no name of these instances is left'});
  });

  it('leaves an epoch alone that was over before they died: the store has been set back', async () => {
    const held = '0000000041.held.n1.0000000a.30000.17';
    await put(held);
    const helper = start(23, '0000000a', dir(), 42);
    await eventually(helper.ended);
    expect(await readdir(dir())).to.deep.equal([held]);
    const same = start(23, '0000000a', dir(), 41);
    await eventually(same.ended);
    expect(await readdir(dir()))
      .to.have.length(1)
      .and.not.to.include(held);
  });

  it('follows a late renewal of the dead agent', async () => {
    // Before or after the first listing, or too late for both: whichever comes first, the last name standing is given up.
    await put('0000000041.held.n1.0000000a.30000.17');
    const helper = start(17, '0000000a');
    await rename(
      path.join(dir(), '0000000041.held.n1.0000000a.30000.17'),
      path.join(dir(), '0000000041.held.n1.0000000a.30000.18'),
    ).catch(passOverMissing);
    await eventually(helper.ended);
    expect(await readdir(dir()))
      .to.have.length(1)
      .and.to.match(/^0000000042\.free\.n1\.0000000a\.\d+$/);
  });

  it('goes on looking while the directory is empty or missing, which says nothing', async () => {
    const later = path.join(dir(), 'later');
    const helper = start(1, '0000000a', later);
    try {
      await mkdir(later);
      expect(helper.ended()).to.equal(false);
      await writeFile(path.join(later, '0000000001.held.n1.0000000a.30000.1'), '');
      await eventually(helper.ended);
      expect(await readdir(later))
        .to.have.length(1)
        .and.to.match(/^0000000002\.free/);
    } finally {
      helper.kill();
      await rm(later, {recursive: true, force: true});
    }
  });
});

function passOverMissing(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
}

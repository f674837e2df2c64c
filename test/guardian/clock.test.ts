// The suspend-aware clock, against the boot clock of the kernel and against another process.
import {expect} from 'chai';
import {spawnSync} from 'node:child_process';
import {uptime} from 'node:os';
import path from 'node:path';
import {bootNow} from '../../lib/guardian/clock.ts';
import {buildRoot} from '../support/paths.ts';

describe('the suspend-aware clock', () => {
  it('never goes back', () => {
    let last = bootNow();
    for (let i = 0; i < 20_000; i += 1) {
      const now = bootNow();
      expect(now).to.be.at.least(last);
      last = now;
    }
  });

  it('is the boot clock, up to its steps of 10 ms', () => {
    const before = uptime() * 1_000;
    const now = bootNow();
    const later = uptime() * 1_000;
    expect(now).to.be.at.least(before - 1);
    expect(now).to.be.at.most(later + 11);
  });

  it('gives what another process says in between an instant in between', () => {
    expectAgreement([process.execPath], 11);
  });

  it('is the same, up to a second, where /proc is not mounted', function () {
    if (process.getuid?.() !== 0) {
      console.log('      SKIPPED: only root can hide /proc');
      this.skip();
    }
    expectAgreement(['unshare', '--mount', 'sh', '-c', 'mount -t tmpfs none /proc && exec "$0" "$@"', process.execPath], 1_001);
  });
});

/**
 * @param command runs Node, given its arguments.
 * @param behindMs how far its clock may lag behind this one's.
 */
function expectAgreement(command: readonly string[], behindMs: number): void {
  const [program = '', ...words] = command;
  const script = `import('${path.join(buildRoot, 'lib/guardian/clock.js')}').then((m) => console.log(m.bootNow()))`;
  const before = bootNow();
  const {stdout, stderr} = spawnSync(program, [...words, '-e', script], {encoding: 'utf8'});
  const later = bootNow();
  expect(stderr).to.equal('');
  expect(Number(stdout)).to.be.at.least(before - behindMs);
  expect(Number(stdout)).to.be.at.most(later + 11);
}

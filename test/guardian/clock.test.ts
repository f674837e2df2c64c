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
    const script = `import('${path.join(buildRoot, 'lib/guardian/clock.js')}').then((m) => console.log(m.bootNow()))`;
    const before = bootNow();
    const said = Number(spawnSync(process.execPath, ['-e', script], {encoding: 'utf8'}).stdout);
    const later = bootNow();
    expect(said).to.be.at.least(before - 11);
    expect(said).to.be.at.most(later + 11);
  });
});

// nfs-setup.md says of each statement which test shows it: those tests must exist, and each scenario must be named there.
import {expect} from 'chai';
import fs from 'node:fs/promises';
import path from 'node:path';
import {repoRoot} from './support/paths.ts';

describe('nfs-setup.md', () => {
  it('names tests that exist, and every one that runs the agents or doctor', async () => {
    const text = await fs.readFile(path.join(repoRoot, 'nfs-setup.md'), 'utf8');
    const named = [...text.matchAll(/\*\*\[([a-z-]+)\]\*\*/g)].map(([, name]) => name);
    const files = await fs.readdir(path.join(repoRoot, 'test', 'nfs'));
    const there = files.flatMap((file) => /^(.+)\.test\.ts$/.exec(file)?.[1] ?? []);
    expect(named.filter((name) => name !== undefined && !there.includes(name))).to.deep.equal([]);
    const own = ['lab', 'boot', 'soak', 'node-crash'];
    expect(there.filter((name) => !named.includes(name) && !own.includes(name))).to.deep.equal([]);
  });
});

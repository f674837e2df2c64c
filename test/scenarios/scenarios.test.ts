// The cluster's story, as text: each file says why, what is done, and what must be seen. `REWRITE_SCENARIOS=1` writes what is seen into
// the files instead of comparing; a reviewer reads the difference.
import fs from 'node:fs';
import path from 'node:path';
import {expect} from 'chai';
import {repoRoot} from '../support/paths.ts';
import {formatScript, parseScript, play} from './story.ts';

const DIRECTORY = path.join(repoRoot, 'test', 'scenarios');

describe('scenarios', () => {
  const files = fs.readdirSync(DIRECTORY).filter((name) => name.endsWith('.txt'));

  it('are there', () => {
    expect(files.length).to.be.greaterThan(10);
  });

  for (const name of files) {
    it(name.replace('.txt', '').replaceAll('-', ' '), () => {
      const file = path.join(DIRECTORY, name);
      const text = fs.readFileSync(file, 'utf8');
      const told = formatScript(play(parseScript(text)));
      if (process.env.REWRITE_SCENARIOS === '1') fs.writeFileSync(file, told);
      else expect(told.split('\n')).to.deep.equal(text.split('\n'));
    });
  }
});

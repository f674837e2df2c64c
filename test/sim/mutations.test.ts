// Goal: the proof that the simulator can fail. Method: break a rule in a copy of lib/protocol and see the simulator notice.
import fs from 'node:fs';
import path from 'node:path';
import {expect} from 'chai';
import {tryMutation} from '../../scripts/mutate.ts';
import {MUTATIONS} from '../../scripts/mutations.ts';
import {buildRoot} from '../support/paths.ts';

const SEEDS = 60;

describe('the mutations', () => {
  for (const {rule, edits} of MUTATIONS) {
    it(`fit the present code: ${rule}`, () => {
      for (const {file, find} of edits) {
        const text = fs.readFileSync(path.join(buildRoot, 'lib', 'protocol', file), 'utf8');
        expect(text.split(find).length - 1, `${file}: ${find}`).to.equal(1);
      }
    });
  }
});

describe('the simulator notices', () => {
  for (const mutation of MUTATIONS.filter(({quick}) => quick)) {
    it(`a broken rule: ${mutation.rule}`, async () => {
      const verdict = await tryMutation(mutation, 1, SEEDS);
      expect(verdict.caught, `no violation in ${verdict.tried} seeds`).to.not.equal(undefined);
    }).timeout(60_000);
  }
});

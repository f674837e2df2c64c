// Goal: the proof that the simulator can fail. Method: break a rule in a copy of lib/protocol and see the simulator notice.
import {expect} from 'chai';
import {tryMutation} from '../../scripts/mutate.ts';
import {MUTATIONS} from '../../scripts/mutations.ts';

const SEEDS = 60;

describe('the simulator notices', () => {
  for (const mutation of MUTATIONS.filter(({quick}) => quick)) {
    it(`a broken rule: ${mutation.rule}`, async () => {
      const verdict = await tryMutation(mutation, 1, SEEDS);
      expect(verdict.caught, `no violation in ${verdict.tried} seeds`).to.not.equal(undefined);
    }).timeout(60_000);
  }
});

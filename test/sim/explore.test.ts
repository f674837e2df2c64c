// Goal: in small configurations every order of events, not only the drawn ones, keeps P1, P2 and the growth of epochs.
import {expect} from 'chai';
import {CONFIGURATIONS} from './explore-configurations.ts';
import {explore} from './explore.ts';
import {tryMutation} from '../../scripts/mutate.ts';
import {MUTATIONS} from '../../scripts/mutations.ts';

const STATES = 12_000;

describe('exhaustive exploration', () => {
  for (const {title, nodes, left} of CONFIGURATIONS) {
    it(`finds no violation: ${title}`, () => {
      const found = explore({nodes, left, units: 5, epochs: 3, states: STATES});
      expect(found.failure).to.equal(undefined);
      expect(found.states).to.be.greaterThan(STATES / 2);
    }).timeout(60_000);
  }

  for (const rule of [
    'no wait before a claim',
    'G: the guardian does not stop at the deadline',
    'release before the service is gone (guardian)',
  ]) {
    it(`finds a violation where a rule is broken: ${rule}`, async () => {
      const mutation = MUTATIONS.find((each) => each.rule === rule);
      if (!mutation) throw new Error(`no mutation is called ${rule}`);
      const {caught} = await tryMutation(mutation, STATES, 0, 'explore');
      expect(caught).to.not.equal(undefined);
    }).timeout(60_000);
  }

  it('visits every state of two nodes within two units of time', () => {
    const found = explore({nodes: 2, left: {lost: 1, late: 0, stale: 1, crash: 0}, units: 2, epochs: 3, states: 100_000});
    expect(found.complete).to.equal(true);
    expect(found.failure).to.equal(undefined);
  }).timeout(60_000);
});

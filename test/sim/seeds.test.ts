// Goal: no fault of nodes, network and store makes two services run, and a healed cluster serves again.
// Method: the machines of lib/protocol in seeded worlds full of faults, watched by checkers that know the truth.
import {expect} from 'chai';
import {REGRESSIONS} from './regressions.ts';
import {runSeed} from './run-seed.ts';

const BATCH = 100;
const BATCHES = 6;

function failuresOf(seeds: readonly number[]): string[] {
  return seeds.flatMap((seed) => {
    const {failure} = runSeed(seed);
    return failure ? [`seed ${seed}: ${failure.message} (npm run simulate -- --seed ${seed} --count 1)`] : [];
  });
}

describe('simulated clusters', () => {
  for (let batch = 0; batch < BATCHES; batch++) {
    const seeds = Array.from({length: BATCH}, (_, i) => batch * BATCH + i + 1);
    it(`keep every rule and recover, seeds ${seeds[0]} to ${seeds.at(-1)}`, () => {
      expect(failuresOf(seeds)).to.deep.equal([]);
    }).timeout(120_000);
  }

  it('keep every rule with the seeds that once failed', () => {
    expect(failuresOf(REGRESSIONS.map(({seed}) => seed))).to.deep.equal([]);
  });

  it('are the same for the same seed, with and without a transcript', () => {
    const [silent, told, again] = [runSeed(7), runSeed(7, true), runSeed(7, true)];
    expect(silent.steps).to.equal(told.steps);
    expect(told.transcript).to.deep.equal(again.transcript);
    expect(told.transcript.length).to.be.greaterThan(20);
  });
});

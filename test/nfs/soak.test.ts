// A short soak with a fixed seed: faults of all kinds, one after the other and overlapping, each healed and audited.
import {expect} from 'chai';
import {describeRound, planOf, type Round} from './soak/plan.ts';
import {soak} from './soak/run.ts';
import {noteFinding} from './support/findings.ts';
import {useLab} from './support/use-lab.ts';

const SEED = 7;
const DURATION_MS = 120_000;
const ROUNDS = 60;

describe('the plan of a soak', () => {
  it('is the same for the same seed, another one for another seed, and leaves no kind of fault out', () => {
    const [once, again, other] = [SEED, SEED, SEED + 1].map((seed) => roundsOf(seed).map(describeRound));
    expect(once).to.deep.equal(again);
    expect(once).to.not.deep.equal(other);
    const kinds = new Set(roundsOf(SEED).flatMap(({faults}) => faults.map(({kind}) => kind)));
    expect(kinds.size).to.equal(24);
    expect(roundsOf(SEED).some(({faults}) => faults.length === 2)).to.equal(true);
  });
});

describe('a soak on NFS 4.2', function () {
  this.timeout(600_000);
  const lab = useLab({vers: '4.2', clients: 3, graceS: 10, diskMib: 64});

  it('two minutes of random faults: after each one node serves, the history is whole, and nothing is left over', async () => {
    const say = (line: string): void => void process.stdout.write(`      ${line}\n`);
    const {rounds, epoch} = await soak(lab(), {seed: SEED, durationMs: DURATION_MS, say});
    expect(rounds).to.be.at.least(2);
    noteFinding({
      vers: '4.2',
      scenario: `${DURATION_MS / 1000} s of random faults, seed ${SEED}`,
      expected: 'after each of them exactly one node serves, no two ever do, nothing is left over',
      observed: `${rounds} rounds, epoch ${epoch} at the end`,
    });
  });
});

function roundsOf(seed: number): readonly Round[] {
  const plan = planOf(seed);
  return Array.from({length: ROUNDS}, () => plan.next().value);
}

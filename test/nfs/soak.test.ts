// A short soak with a fixed seed: faults of all kinds, one after the other and overlapping, each healed and audited.
import {expect} from 'chai';
import type {EpochRecord} from '../../lib/store/contract.ts';
import {historyGaps} from './soak/audit.ts';
import {describeRound, planOf, type Round} from './soak/plan.ts';
import {soak} from './soak/run.ts';
import {UsageBook} from './soak/usage-book.ts';
import {noteFinding} from './support/findings.ts';
import {useLab} from './support/use-lab.ts';

const SEED = 20;
const DURATION_MS = 120_000;
const ROUNDS = 60;

describe('the plan of a soak', () => {
  it('is the same for the same seed, another one for another seed, and leaves no kind of fault out', () => {
    const [once, again, other] = [SEED, SEED, SEED + 1].map((seed) => roundsOf(seed).map(describeRound));
    expect(once).to.deep.equal(again);
    expect(once).to.not.deep.equal(other);
    const kinds = new Set(roundsOf(SEED).flatMap(({faults}) => faults.map(({kind}) => kind)));
    expect(kinds.size).to.equal(25);
    expect(roundsOf(SEED).some(({faults}) => faults.length === 2)).to.equal(true);
  });
});

describe('the audit of a soak', () => {
  const record = (epoch: number, nodeId: string, lockName: string): EpochRecord => ({
    format: 1,
    epoch,
    to: {nodeId, instanceId: 'aaaaaaaa'},
    from: {nodeId: null, lockName},
    why: 'free',
    because: '',
    claimedAtWallMs: 0,
    phasesMs: {detected: 0, claimed: 0, started: null, ready: null},
    ended: null,
  });

  it('misses every epoch that ran, or that a lock has named, and is not in the history', () => {
    const records = [record(1, 'n1', '0000000000.free.-.-.0'), record(3, 'n2', '0000000002.free.n1.aaaaaaaa.9')];
    const lock = '0000000003.held.n2.aaaaaaaa.12000.4';
    const run = {family: 'f', node: 'n1', epoch: 1, from: 0n, to: 1n, pids: new Set<number>()};
    expect(historyGaps(records, [run], [lock])).to.deep.equal([]);
    expect(historyGaps(records.slice(1), [run], [lock])).to.have.length(2);
    expect(historyGaps(records.slice(0, 1), [run], [lock])).to.have.length(1);
    expect(historyGaps(records, [{...run, node: 'n3'}], [lock])).to.have.length(1);
  });

  it('finds an agent that uses more and more memory, or descriptors, and no other', () => {
    const book = (growthKib: number, opened: number): UsageBook => {
      const usage = new UsageBook();
      for (let look = 0; look < 30; look += 1) {
        const rssKib = 60_000 + look * growthKib;
        usage.note([{node: 'n1', part: 'agent', pid: 7, rssKib, descriptors: 20 + look * opened}], look * 10_000);
      }
      return usage;
    };
    expect(() => book(100, 0).assertFlat()).to.not.throw();
    expect(() => book(3_000, 0).assertFlat()).to.throw('process 7 grew by');
    expect(() => book(0, 1).assertFlat()).to.throw('descriptors more');
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

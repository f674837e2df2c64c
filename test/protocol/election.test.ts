// The order of the candidates: natural order, priorities, and who comes first or last.
import {expect} from 'chai';
import {compareNatural, rankOf, type Ballot, type Candidate} from '../../lib/protocol/election.ts';
import {nodeId} from '../../lib/protocol/words.ts';

const candidate = (id: string, change: Partial<Candidate> = {}): Candidate => ({
  nodeId: nodeId(id),
  priority: 0,
  cooling: false,
  ...change,
});
const ballot = (me: Candidate, others: readonly Candidate[], change: Partial<Ballot> = {}): Ballot => ({
  me,
  others,
  last: undefined,
  target: undefined,
  mute: false,
  ...change,
});
const [n1, n2, n10] = [candidate('n1'), candidate('n2'), candidate('n10')];

describe('the order of candidates', () => {
  const table: readonly (readonly [string, Ballot, number | undefined])[] = [
    ['E1: the lowest id goes first', ballot(n1, [n2, n10]), 0],
    ['n2 goes before n10', ballot(n2, [n10]), 0],
    ['n10 waits for n1 and n2', ballot(n10, [n1, n2]), 2],
    ['alone there is nobody to wait for', ballot(n10, []), 0],
    ['E6: a higher priority goes before a lower id', ballot(n1, [candidate('n2', {priority: 1})]), 1],
    ['E6: a negative priority goes behind', ballot(candidate('n1', {priority: -1}), [n2]), 1],
    ['the owner of the expired name comes last', ballot(n1, [n2, n10], {last: n1.nodeId}), 2],
    ['nobody waits for the owner of the expired name', ballot(n2, [n1], {last: n1.nodeId}), 0],
    ['last is last, whatever its priority', ballot(n2, [candidate('n1', {priority: 9})], {last: n1.nodeId}), 0],
    ['the target of a switchover is first', ballot(n10, [n1, n2], {target: n10.nodeId}), 0],
    ['the others wait for the target', ballot(n1, [n2, n10], {target: n10.nodeId}), 1],
    ['a target that is dead costs its turn and no more', ballot(n1, [n2], {target: n10.nodeId}), 1],
    ['a target is first even while it cools down', ballot(candidate('n1', {cooling: true}), [n2], {target: n1.nodeId}), 0],
    ['who cools down stands back for anybody else', ballot(candidate('n1', {cooling: true}), [n2]), undefined],
    [
      'among those that cool down the order is as always',
      ballot(candidate('n2', {cooling: true}), [candidate('n1', {cooling: true})]),
      1,
    ],
    ['nobody waits for one that cools down', ballot(n2, [candidate('n1', {cooling: true})]), 0],
    ['a mute node ranks after all that it sees', ballot(n1, [n2, n10], {mute: true}), 2],
  ];
  for (const [what, given, rank] of table) {
    it(what, () => {
      expect(rankOf(given)).to.equal(rank);
    });
  }
});

describe('natural order', () => {
  const sorted = [
    'A',
    'B',
    'a',
    'a1',
    'a2',
    'a2b',
    'a10',
    'n1',
    'n01',
    'n2',
    'n9',
    'n10',
    'n10a',
    'n99999999999999999999',
    'n100000000000000000000',
  ];

  it('compares runs of digits as numbers of any size', () => {
    const shuffled = [...sorted].reverse();
    // n1 and n01 are the same number: the text decides between them.
    const expected = sorted.map((id) => (id === 'n1' ? 'n01' : id === 'n01' ? 'n1' : id));
    expect(shuffled.sort(compareNatural)).to.deep.equal(expected);
  });

  it('is a total order: two different ids are never equal, and it has no circles', () => {
    for (const a of sorted) {
      for (const b of sorted) {
        expect(Math.sign(compareNatural(a, b)) + Math.sign(compareNatural(b, a)), `${a} ${b}`).to.equal(0);
        if (a !== b) expect(compareNatural(a, b), `${a} ${b}`).to.not.equal(0);
        for (const c of sorted)
          if (compareNatural(a, b) < 0 && compareNatural(b, c) < 0)
            expect(compareNatural(a, c), `${a} ${b} ${c}`).to.be.lessThan(0);
      }
    }
  });
});

// The names of wishes.
import {expect} from 'chai';
import {epoch, nodeId} from '../../lib/protocol/words.ts';
import {formatWish, parseWish, type Wish} from '../../lib/store/wishes.ts';

describe('A wish', () => {
  const wishes: readonly [string, Wish][] = [
    ['paused', {kind: 'paused'}],
    ['switchover.0000000007.n2', {kind: 'switchover', epoch: epoch(7), to: nodeId('n2')}],
    ['switchover.0000000007.-', {kind: 'switchover', epoch: epoch(7), to: undefined}],
    ['dead.0000000012.web-1_a', {kind: 'statement', epoch: epoch(12), owner: nodeId('web-1_a')}],
  ];
  for (const [name, wish] of wishes) {
    it(`is in the name ${name}`, () => {
      expect(parseWish(name)).to.deep.equal(wish);
      expect(formatWish(wish)).to.equal(name);
    });
  }

  for (const name of [
    '',
    'Paused',
    'paused.json',
    'switchover.7.n2',
    'switchover.0000000007.',
    'switchover.0000000007.--',
    'switchover.0000000007.a.b',
    'switchover.00000000071.n2',
    'dead.0000000012.-',
    'dead.0000000012',
    'dead.0000000012.n1\n',
    '.nfs000000000001',
  ]) {
    it(`is not in the name ${JSON.stringify(name)}`, () => {
      expect(parseWish(name)).to.equal(undefined);
    });
  }
});

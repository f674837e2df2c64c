// Lock names: what is one, what is none, and that reading and writing are inverse.
import {expect} from 'chai';
import {formatLockName, isWrittenBy, parseLockName} from '../../lib/protocol/lock-name.ts';
import {instanceId} from '../../lib/protocol/words.ts';

describe('a lock name', () => {
  const good = [
    '0000000042.held.n1.3f9a1c22.30000.17',
    '0000000043.free.n1.3f9a1c22.18',
    '0000000000.free.-.-.0',
    '0000000000.held.-.-.30000.0',
    '9999999997.held.A-node_with-63-characters.00000000.86400000.999999999999999',
    '0000000001.held.held.0a0a0a0a.1000.1',
  ];
  for (const text of good) {
    it(`says everything about the lease: ${text}`, () => {
      const name = parseLockName(text);
      if (!name) throw new Error('not parsed');
      expect(formatLockName(name)).to.equal(text);
    });
  }

  const bad: readonly (readonly [string, string])[] = [
    ['', 'empty'],
    ['.nfs000000000000a1', "the client's own file"],
    ['.snapshot', 'a snapshot directory'],
    ['42.held.n1.3f9a1c22.30000.17', 'an epoch without leading zeros'],
    ['00000000042.held.n1.3f9a1c22.30000.17', 'an epoch too long'],
    ['0000000042.held.n1.3f9a1c22.999.17', 'T below 1 s'],
    ['0000000042.held.n1.3f9a1c22.86400001.17', 'T above 24 h'],
    ['0000000042.held.n1.3f9a1c22.030000.17', 'T with a leading zero'],
    ['0000000042.held.n1.3f9a1c22.30000.017', 'k with a leading zero'],
    ['0000000042.held.n1.3f9a1c22.30000', 'no k'],
    ['0000000042.held.-n1.3f9a1c22.30000.17', 'a node id that begins with a dash'],
    ['0000000042.held.n1.3F9A1C22.30000.17', 'capital hexadecimal digits'],
    ['0000000042.held.n1.-.30000.17', 'a writer by half'],
    ['0000000042.free.-.3f9a1c22.17', 'the other half'],
    ['0000000042.held.n1.3f9a1c22.30000.17.bak', 'something behind it'],
    ['0000000042.held.n.1.3f9a1c22.30000.17', 'a dot in the node id'],
    ['0000000042.kept.n1.3f9a1c22.30000.17', 'another word'],
    ['../0000000042.free.n1.3f9a1c22.18', 'a path'],
  ];
  for (const [text, why] of bad) {
    it(`is nothing that may be acted upon: ${why}`, () => {
      expect(parseLockName(text)).to.equal(undefined);
    });
  }

  it('belongs to the instance that wrote it, not to its node', () => {
    const name = parseLockName('0000000042.held.n1.3f9a1c22.30000.17');
    if (!name) throw new Error('not parsed');
    expect(isWrittenBy(name, instanceId('3f9a1c22'))).to.equal(true);
    expect(isWrittenBy(name, instanceId('3f9a1c23'))).to.equal(false);
  });
});

// The cluster as a store shows it: what does not change is dead, and was perhaps dead from the start.
import {expect} from 'chai';
import {parseLockName} from '../../lib/protocol/lock-name.ts';
import {createEyes} from '../../lib/proxy/store-source.ts';
import type {Sighting} from '../../lib/proxy/situation.ts';
import type {Snapshot} from '../../lib/store/snapshot.ts';
import {heartbeat} from '../store/temp-store.ts';
import {epoch} from '../../lib/protocol/words.ts';

describe('the eyes on the store', () => {
  let nowMs: number;
  let eyes: (snapshot: Snapshot) => Sighting;
  beforeEach(() => {
    nowMs = 0;
    eyes = createEyes({now: () => nowMs, heartbeatIntervalMs: 1_000, leaseTimeoutMs: 30_000});
  });

  function look(lock: string, ...heartbeats: Parameters<typeof heartbeat>[]): Sighting {
    const name = parseLockName(lock);
    return eyes({
      storeId: '0123456789abcdef',
      supersedes: [],
      lockNames: name ? [name] : [],
      heartbeats: heartbeats.map((each) => heartbeat(...each)),
      wishes: undefined,
      faults: [],
    });
  }
  const held = (k: number, at = 4): string => `000000000${at}.held.n1.11111111.10000.${k}`;
  const n1 = (seq: number, state: 'MASTER' | 'INITIALIZING' | 'TERMINATED' = 'MASTER', at = 4): Parameters<typeof heartbeat> => [
    'n1',
    {seq, state, epoch: epoch(at)},
  ];

  it('see a master from the first change on, because what lies there may be of a dead cluster', () => {
    expect(look(held(1), n1(1))).to.include({masterId: undefined, leaseTimeoutMs: 10_000, epoch: 4});
    expect(look(held(1), n1(1)).masterId).to.equal(undefined);
    expect(look(held(2), n1(2)).masterId).to.equal('n1');
  });

  it('see none whose lease is silent for its whole time', () => {
    look(held(1), n1(1));
    look(held(2), n1(2));
    nowMs = 9_999;
    expect(look(held(2), n1(2)).masterId, 'its service may run').to.equal('n1');
    nowMs = 10_000;
    expect(look(held(2), n1(2)).masterId).to.equal(undefined);
  });

  it('see none while the lock is free, or the owner is not ready, or its record is of an earlier epoch', () => {
    look(held(1), n1(1));
    expect(look('0000000005.free.n1.11111111.3', n1(2)).masterId).to.equal(undefined);
    expect(look(held(9, 6), n1(3)).masterId, 'the record is of epoch 4').to.equal(undefined);
    expect(look(held(10, 6), n1(4, 'INITIALIZING', 6)).masterId).to.equal(undefined);
    expect(look(held(11, 6), n1(5, 'MASTER', 6)).masterId).to.equal('n1');
    expect(look('', n1(6, 'MASTER', 6)).masterId).to.equal(undefined);
  });

  it('see who is alive by what changes', () => {
    const alive = (...heartbeats: Parameters<typeof heartbeat>[]): string =>
      look(held(1), ...heartbeats)
        .nodes.map(({nodeId, alive: lives}) => `${nodeId} ${lives}`)
        .join(', ');
    expect(alive(n1(1), ['n2', {seq: 1}])).to.equal('n1 false, n2 false');
    expect(alive(n1(2), ['n2', {seq: 2}])).to.equal('n1 true, n2 true');
    nowMs = 5_000;
    expect(alive(n1(3, 'TERMINATED'), ['n2', {seq: 2}])).to.equal('n1 false, n2 false');
  });
});

// The history of an epoch: nothing is dropped while the store fails, and phases are measured on the owner's own clock.
import {expect} from 'chai';
import {createHistoryWriter} from '../../lib/agent/history-writer.ts';
import type {Clock, Reporter} from '../../lib/agent/ports.ts';
import {epoch, monoMs, type MonoMs} from '../../lib/protocol/words.ts';
import type {EpochRecord, Store} from '../../lib/store/contract.ts';
import {eventually} from '../support/eventually.ts';
import {SELF} from './machine-fixture.ts';

const quiet: Reporter = {debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined};
const clock: Clock = {now: () => monoMs(5_000), wallMs: () => 1_000_000};
const CLAIMED = {
  kind: 'claimed',
  epoch: epoch(8),
  from: '0000000007.free.n2.bbbbbbbb.18',
  why: 'free',
  detectedAt: monoMs(4_000),
  claimedAt: monoMs(4_500),
} as const;

/** The lock that was claimed had stood there for three seconds when it might be. */
const seen = (name: string): MonoMs | undefined => (name === CLAIMED.from ? monoMs(1_000) : undefined);

/** A store whose history can be written only after `failures` tries. */
function historyOnly(
  failures: number,
  there?: EpochRecord,
): {store: Pick<Store, 'writeHistory' | 'readEpoch'>; written: EpochRecord[]} {
  const written: EpochRecord[] = [];
  let left = failures;
  const store = {
    writeHistory: async (record: EpochRecord): Promise<void> => {
      if (left-- > 0) throw new Error('no space left on device');
      await Promise.resolve(written.push(record));
    },
    readEpoch: (at: number) => Promise.resolve(there?.epoch === at ? there : undefined),
  };
  return {store, written};
}

describe('the history writer', () => {
  it('writes who took the epoch, from whom, why, and each phase from its detection on', async () => {
    const {store, written} = historyOnly(0);
    const history = createHistoryWriter(SELF, store, clock, quiet, seen);
    history.add(CLAIMED);
    history.add({kind: 'started', epoch: epoch(8), at: monoMs(4_700)});
    history.add({kind: 'ready', epoch: epoch(8), at: monoMs(4_900)});
    history.add({kind: 'ended', epoch: epoch(8), at: monoMs(5_000), because: 'SIGTERM'});
    await eventually(() => written.at(-1)?.ended);
    expect(written.at(-1)).to.deep.equal({
      format: 1,
      epoch: 8,
      to: {nodeId: 'n1', instanceId: 'aaaaaaaa'},
      from: {nodeId: 'n2', lockName: CLAIMED.from},
      why: 'free',
      because: 'n2 had released the lease',
      claimedAtWallMs: 999_500,
      phasesMs: {detected: 3_000, claimed: 500, started: 700, ready: 900},
      ended: {wallMs: 1_000_000, because: 'SIGTERM'},
    });
  });

  it('does not tell how long the lock stood still where this node has not seen it', async () => {
    const {store, written} = historyOnly(0);
    createHistoryWriter(SELF, store, clock, quiet, () => undefined).add(CLAIMED);
    await eventually(() => written.length === 1);
    expect(written[0]?.phasesMs).to.deep.equal({detected: null, claimed: 500, started: null, ready: null});
  });

  it('keeps what could not be written, and writes it when the store is back', async () => {
    const {store, written} = historyOnly(1);
    createHistoryWriter(SELF, store, clock, quiet, seen).add(CLAIMED);
    await eventually(() => written.length === 1);
    expect(written[0]?.epoch).to.equal(8);
  });

  it('writes a last time when it settles, and gives up when that fails too', async () => {
    const {store, written} = historyOnly(1_000);
    const history = createHistoryWriter(SELF, store, clock, quiet, seen);
    history.add(CLAIMED);
    await history.settle(10);
    expect(written).to.deep.equal([]);
  });

  it('adds to an epoch that an earlier instance claimed how it ended, and nothing to one of another node', async () => {
    const record: EpochRecord = {
      format: 1,
      epoch: 3,
      to: {nodeId: 'n1', instanceId: '99999999'},
      from: {nodeId: null, lockName: '0000000002.free.-.-.0'},
      why: 'free',
      because: 'nobody had held the lease',
      claimedAtWallMs: 1,
      phasesMs: {detected: null, claimed: 1, started: 2, ready: 3},
      ended: null,
    };
    for (const [there, expected] of [
      [record, [{...record, ended: {wallMs: 1_000_000, because: 'x'}}]],
      [{...record, to: {...record.to, nodeId: 'n2'}}, []],
      [undefined, []],
    ] as const) {
      const {store, written} = historyOnly(0, there);
      const history = createHistoryWriter(SELF, store, clock, quiet, seen);
      history.add({kind: 'ready', epoch: epoch(3), at: monoMs(1)});
      history.add({kind: 'ended', epoch: epoch(3), at: monoMs(1), because: 'x'});
      await history.settle(1_000);
      expect(written).to.deep.equal(expected);
    }
  });
});

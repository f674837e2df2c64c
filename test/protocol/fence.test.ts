// Whom a standby fences, and when: only an owner that stood still in listings that kept coming, and each candidate in its turn.
import {expect} from 'chai';
import type {AgentState} from '../../lib/protocol/agent-state.ts';
import {fenceTarget} from '../../lib/protocol/fence.ts';
import {epoch, monoMs} from '../../lib/protocol/words.ts';
import {agentAt, peer, reportOf, seeing} from '../agent/machine-fixture.ts';

const WAITS = {afterMs: 10_000, timeoutMs: 20_000};
const HELD = '0000000007.held.n2.cccccccc.30000.17';
const SEEN_AT = 100_000;

/** A standby whose guardian is ready, which has seen HELD for so long, up to its latest listing. */
function standby(stillForMs: number, changes: Partial<AgentState> = {}): AgentState {
  const now = SEEN_AT + stillForMs;
  return agentAt(monoMs(SEEN_AT), {
    listenUntil: monoMs(SEEN_AT - 50_000),
    link: {kind: 'connected', unacknowledged: undefined},
    ownRecord: {kind: 'mine', before: undefined, rival: undefined},
    wishedAt: monoMs(now),
    heardAt: monoMs(now),
    beatAt: monoMs(now),
    view: {...seeing(HELD, SEEN_AT), askedAt: monoMs(now)},
    ...changes,
  });
}
const asked = (s: AgentState): ReturnType<typeof fenceTarget> => fenceTarget(s, WAITS, s.view.askedAt);

describe('the target of the fence command', () => {
  it('is the owner whose name has stood still for as long as was asked for, under the epoch seen', () => {
    expect(asked(standby(9_999))).to.equal(undefined);
    expect(asked(standby(10_000))).to.deep.equal({owner: 'n2', epoch: 7});
  });

  it('is nobody before three renewals are missing, however little is asked for', () => {
    const eager = {...WAITS, afterMs: 1};
    const slow = {peers: {n2: peer(reportOf('n2', {instanceId: 'cccccccc' as never, heartbeatIntervalMs: 5_000}), SEEN_AT)}};
    const before = standby(14_999, slow);
    expect(fenceTarget(before, eager, before.view.askedAt)).to.equal(undefined);
    const then = standby(15_000, slow);
    expect(fenceTarget(then, eager, then.view.askedAt)).to.deep.equal({owner: 'n2', epoch: 7});
  });

  it('is nobody while no listing comes: it may be the store that is silent', () => {
    const s = standby(9_000);
    expect(fenceTarget(s, WAITS, monoMs(SEEN_AT + 60_000))).to.equal(undefined);
  });

  it('is nobody for as long again after the store has come back', () => {
    // The gap ended 40 s after the name was first seen; then the node listens for 3 s.
    const gap = {listenUntil: monoMs(SEEN_AT + 43_000)};
    expect(asked(standby(49_999, gap))).to.equal(undefined);
    expect(asked(standby(50_000, gap))).to.deep.equal({owner: 'n2', epoch: 7});
  });

  it('is nobody for one whose own heartbeats do not get out', () => {
    expect(asked(standby(12_000, {beatAt: undefined}))).to.equal(undefined);
    expect(asked(standby(12_000, {beatAt: monoMs(SEEN_AT + 8_999)}))).to.equal(undefined);
  });

  it('is left to the better candidate for as long as its command may take', () => {
    const n0 = {peers: {n0: peer(reportOf('n0'), SEEN_AT + 25_000)}};
    expect(asked(standby(29_999, n0))).to.equal(undefined);
    expect(asked(standby(30_000, {peers: {n0: peer(reportOf('n0'), SEEN_AT + 29_500)}}))).to.deep.equal({owner: 'n2', epoch: 7});
  });

  it('is nobody under pause, for a node that may not be elected, for a free lock, and for a lock of our own', () => {
    const refused: Partial<AgentState>[] = [
      {wishes: {paused: true, switchovers: [], statements: []}},
      {fit: {ok: false, because: 'its disk is full'}},
      {ending: {keepService: false, because: 'SIGTERM', since: monoMs(SEEN_AT)}},
      {trust: {kind: 'doubted', reason: 'another store', since: monoMs(SEEN_AT)}},
      {view: {...seeing('0000000007.free.n2.cccccccc.18', SEEN_AT), askedAt: monoMs(SEEN_AT + 12_000)}},
      {view: {...seeing('0000000007.held.n1.aaaaaaab.30000.17', SEEN_AT), askedAt: monoMs(SEEN_AT + 12_000)}},
      {view: {...seeing('0000000007.held.-.-.30000.0', SEEN_AT), askedAt: monoMs(SEEN_AT + 12_000)}},
    ];
    for (const changes of refused) expect(asked(standby(12_000, changes)), JSON.stringify(changes)).to.equal(undefined);
  });

  it('is nobody once it has been fenced, under that epoch alone', () => {
    expect(asked(standby(12_000, {proofs: [{kind: 'fence', epoch: epoch(7)}]}))).to.equal(undefined);
    expect(asked(standby(12_000, {proofs: [{kind: 'fence', epoch: epoch(6)}]}))).to.deep.equal({owner: 'n2', epoch: 7});
  });
});

// Whom a node knows: what it keeps of the others, and whom it forgets.
import {expect} from 'chai';
import {stepAgent} from '../../lib/protocol/agent-machine.ts';
import {heartbeatOf} from '../../lib/protocol/agent-report.ts';
import type {AgentState, Owned} from '../../lib/protocol/agent-state.ts';
import type {Heartbeat, NodeReport} from '../../lib/protocol/heartbeat.ts';
import {parseLockName} from '../../lib/protocol/lock-name.ts';
import {monoMs} from '../../lib/protocol/words.ts';
import {agentAt, peer, reportOf, seeing} from '../agent/machine-fixture.ts';

const NOW = monoMs(100_000);
const LONG_AGO = 10_000;
const HELD_BY_N2 = '0000000007.held.n2.bbbbbbbb.30000.4';

function owning(changes: Partial<AgentState> = {}): AgentState {
  const held = '0000000007.held.n1.aaaaaaaa.30000.4';
  const name = parseLockName(held);
  if (name?.kind !== 'held') throw new Error('not a held name');
  const lease: Owned = {kind: 'owned', name, renewedAt: NOW, inDoubt: false, idleSince: undefined};
  return knowing({lease, view: seeing(held, NOW), ...changes});
}

const knowing = (changes: Partial<AgentState> = {}): AgentState =>
  agentAt(NOW, {
    peers: {
      n3: peer(reportOf('n3', {state: 'TERMINATED'}), LONG_AGO),
      n4: peer(reportOf('n4'), LONG_AGO),
      n5: peer(reportOf('n5'), NOW),
    },
    view: seeing(HELD_BY_N2, NOW),
    ownRecord: {kind: 'mine', before: undefined, rival: undefined},
    ...changes,
  });

describe('the others, as a node knows them', () => {
  /** Whom n1 knows after such a reading. */
  const known = (heartbeats: readonly Heartbeat[], everybody: boolean): string[] => {
    const times = {askedAt: NOW, answeredAt: NOW};
    const {state} = stepAgent(knowing(), {type: 'heard', heartbeats, everybody, own: false, failed: false, ...times}, NOW);
    return Object.keys(state.peers).sort();
  };
  const owner = (...seen: readonly string[]): Heartbeat => ({
    ...reportOf('n2', {state: 'MASTER'}),
    seen: seen.map((id) => reportOf(id)),
  });

  it('are without the dead whose records are gone, once everybody was read', () => {
    expect(known([owner(), {...reportOf('n4'), seen: []}], true)).to.deep.equal(['n2', 'n4', 'n5']);
  });

  it('are to a follower without the dead whom the owner does not name any more', () => {
    expect(known([owner('n1', 'n5')], false)).to.deep.equal(['n2', 'n5']);
    expect(known([owner('n1', 'n4')], false)).to.deep.equal(['n2', 'n4', 'n5']);
  });

  it('are all kept while the owner has not looked around', () => {
    expect(known([owner()], false)).to.deep.equal(['n2', 'n3', 'n4', 'n5']);
    expect(known([], false)).to.deep.equal(['n3', 'n4', 'n5']);
  });

  it('are heard by an owner every time while they are new, silent or stand back, and every second time while all is well', () => {
    const heardAt = (changes: Partial<NodeReport>, changedAt: number | undefined): boolean => {
      const peers = {n6: peer(reportOf('n6', changes), changedAt)};
      const dueAt = {renew: NOW, watch: NOW, beat: NOW, wish: NOW, hear: monoMs(NOW)};
      const lanes = Object.fromEntries(Object.entries(dueAt).map(([lane, at]) => [lane, {busy: lane !== 'hear', dueAt: at}]));
      const state = owning({peers, lanes: lanes as AgentState['lanes']});
      const reading = stepAgent(state, {type: 'tick'}, NOW).effects.find((effect) => effect.type === 'readHeartbeats');
      if (!reading || reading.whose === 'all' || !('allBut' in reading.whose)) throw new Error('not a reading of the others');
      expect(reading.whose.allBut).to.include('n1');
      return !reading.whose.allBut.some((id) => id === 'n6');
    };
    expect(heardAt({}, NOW - 1_000)).to.equal(false);
    expect(heardAt({}, NOW - 2_000)).to.equal(true);
    expect(heardAt({}, undefined)).to.equal(true);
    expect(heardAt({eligible: false}, NOW - 1_000)).to.equal(true);
    expect(heardAt({cooling: true}, NOW - 1_000)).to.equal(true);
    expect(heardAt({state: 'TERMINATED'}, NOW - 1_000)).to.equal(true);
  });

  it('are all named by the owner, the living first', () => {
    expect(heartbeatOf(owning(), NOW).seen.map(({nodeId}) => nodeId)).to.deep.equal(['n5', 'n3', 'n4']);
    expect(heartbeatOf(knowing(), NOW).seen).to.deep.equal([]);
  });
});

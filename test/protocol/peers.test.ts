// Whom a node knows: what it keeps of the others, and whom it forgets.
import {expect} from 'chai';
import {stepAgent} from '../../lib/protocol/agent-machine.ts';
import {heartbeatOf} from '../../lib/protocol/agent-report.ts';
import type {AgentState, Owned} from '../../lib/protocol/agent-state.ts';
import type {Heartbeat} from '../../lib/protocol/heartbeat.ts';
import {parseLockName} from '../../lib/protocol/lock-name.ts';
import type {Timing} from '../../lib/protocol/timing.ts';
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

  it('are read by an owner at every second poll, and in time to count as alive where polls are rare', () => {
    const readAgainAfter = (timing: Partial<Timing>): number => {
      const self = {...owning().self, timing: {...owning().self.timing, ...timing}};
      const heard = {
        type: 'heard',
        heartbeats: [],
        everybody: true,
        own: false,
        failed: false,
        askedAt: NOW,
        answeredAt: NOW,
      } as const;
      return stepAgent(owning({self, startedAt: NOW}), heard, NOW).state.lanes.hear.dueAt - NOW;
    };
    expect(readAgainAfter({})).to.equal(2_000);
    expect(readAgainAfter({pollIntervalMs: 1_500})).to.equal(3_000);
    expect(readAgainAfter({pollIntervalMs: 2_000})).to.equal(2_000);
  });

  it('are all named by the owner, the living first', () => {
    expect(heartbeatOf(owning(), NOW).seen.map(({nodeId}) => nodeId)).to.deep.equal(['n5', 'n3', 'n4']);
    expect(heartbeatOf(knowing(), NOW).seen).to.deep.equal([]);
  });
});

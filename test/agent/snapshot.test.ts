// What users see of a state: never two MASTERs, the dead as FAILED in time, and the lease compared with the clock when asked.
import {expect} from 'chai';
import {NO_COUNTS} from '../../lib/agent/prelude.ts';
import {statusOf, type Chronicle} from '../../lib/agent/snapshot.ts';
import type {Status} from '../../lib/agent/status.ts';
import type {AgentState, Owned} from '../../lib/protocol/agent-state.ts';
import {parseLockName} from '../../lib/protocol/lock-name.ts';
import {monoMs} from '../../lib/protocol/words.ts';
import {agentAt, FACTS, peer, reportOf, seeing} from './machine-fixture.ts';

const HELD_BY_ME = '0000000007.held.n1.aaaaaaaa.30000.5';
const HELD_BY_N2 = '0000000007.held.n2.bbbbbbbb.30000.5';

function statusAt(state: AgentState, now: number, turnedAt = now): Status {
  const chronicle: Chronicle = {
    storeId: 'x',
    startedAtWallMs: 0,
    stateHistory: [],
    counters: NO_COUNTS,
    turnedAt: monoMs(turnedAt),
  };
  return statusOf(state, FACTS, chronicle, monoMs(now), 1_000_000);
}

function owner(renewedAt: number): AgentState {
  const name = parseLockName(HELD_BY_ME);
  if (name?.kind !== 'held') throw new Error('the fixture is broken');
  const lease: Owned = {kind: 'owned', name, renewedAt: monoMs(renewedAt), inDoubt: false, idleSince: undefined};
  const service = {kind: 'ready', run: 1, since: monoMs(renewedAt)} as const;
  return agentAt(monoMs(0), {lease, service, view: seeing(HELD_BY_ME, renewedAt)});
}

describe('the status of an agent', () => {
  it('says MASTER only while the lease, by the clock of this moment, lets the service run', () => {
    const state = owner(1_000);
    expect(statusAt(state, 18_999).state).to.equal('MASTER');
    expect(statusAt(state, 19_000).state).to.equal('INITIALIZING');
    expect(statusAt(state, 19_000).leaseLeftMs).to.equal(12_000);
    expect(statusAt(state, 99_000).leaseLeftMs).to.equal(0);
  });

  it('does not say MASTER before the service is ready', () => {
    const starting = {...owner(1_000), service: {kind: 'starting', run: 1, since: monoMs(1_000)} as const};
    expect(statusAt(starting, 2_000)).to.include({state: 'INITIALIZING', phase: 'starting', masterId: 'n1'});
  });

  it('never shows two MASTERs: a peer that still says so is not the owner', () => {
    const peers = {n2: peer(reportOf('n2', {state: 'MASTER'}), 1_900)};
    const shown = statusAt({...owner(1_000), peers}, 2_000).nodes.map((node) => [node.nodeId, node.state]);
    expect(shown).to.deep.equal([
      ['n1', 'MASTER'],
      ['n2', 'INITIALIZING'],
    ]);
  });

  it('shows the owner that says MASTER as MASTER', () => {
    const peers = {n2: peer(reportOf('n2', {state: 'MASTER', uri: 'http://n2/'}), 1_900)};
    const status = statusAt(agentAt(monoMs(0), {peers, view: seeing(HELD_BY_N2, 1_000)}), 2_000);
    expect(status.nodes[1]).to.include({nodeId: 'n2', state: 'MASTER', lastSeenMs: 100, remoteTimestamp: 999_900});
    expect(status).to.include({state: 'STANDBY', masterId: 'n2', masterUri: 'http://n2/'});
  });

  for (const {title, changedAt, now, state} of [
    {title: 'a silent node is what it was just before the lease timeout', changedAt: 1_000, now: 29_900, state: 'STANDBY'},
    {title: 'a silent node is FAILED within the lease timeout', changedAt: 1_000, now: 30_000, state: 'FAILED'},
    {title: 'a record that never changed is FAILED after five heartbeats', changedAt: undefined, now: 5_000, state: 'FAILED'},
    {title: 'a record that has just been met is believed', changedAt: undefined, now: 4_900, state: 'STANDBY'},
  ]) {
    it(title, () => {
      const peers = {n2: peer(reportOf('n2'), changedAt)};
      expect(statusAt(agentAt(monoMs(0), {peers}), now).nodes[1]?.state).to.equal(state);
    });
  }

  it('shows an owner whose heartbeat is held up, while its lock is renewed, as what it last said', () => {
    const peers = {n2: peer(reportOf('n2', {state: 'MASTER'}), 1_000)};
    const [, shown] = statusAt(agentAt(monoMs(0), {peers, view: seeing(HELD_BY_N2, 40_000)}), 41_000).nodes;
    expect(shown).to.include({state: 'MASTER', lastSeenMs: 40_000});
    expect(shown?.because).to.contain('it renews its lease');
    expect(statusAt(agentAt(monoMs(0), {peers, view: seeing(HELD_BY_N2, 40_000)}), 69_000).nodes[1]?.state).to.equal('FAILED');
  });

  it('shows a node that ended as TERMINATED however long ago that was', () => {
    const peers = {n2: peer(reportOf('n2', {state: 'TERMINATED'}), 1_000)};
    expect(statusAt(agentAt(monoMs(0), {peers}), 999_000).nodes[1]).to.include({state: 'TERMINATED', eligible: false});
  });

  it('names no master in a store that is not the one it knew', () => {
    const trust = {kind: 'wrong', reason: 'it is another one', since: monoMs(0)} as const;
    const status = statusAt(agentAt(monoMs(0), {trust, view: seeing(HELD_BY_N2, 0)}), 1_000);
    expect(status).to.include({state: 'FAILED', masterId: null, eligible: false});
  });

  it('is not healthy when its loop stands still', () => {
    const state = agentAt(monoMs(0));
    expect(statusAt(state, 9_999, 0).healthy).to.equal(true);
    expect(statusAt(state, 10_000, 0).healthy).to.equal(false);
  });
});

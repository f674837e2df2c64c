// Who takes part in an election at all, before anybody asks for the order: the scenarios of Brooklyn's master chooser.
import {expect} from 'chai';
import type {NodeReport, NodeState} from '../../lib/protocol/heartbeat.ts';
import {electable} from '../../lib/protocol/peers.ts';
import {monoMs} from '../../lib/protocol/words.ts';
import {agentAt, peer, reportOf} from '../agent/machine-fixture.ts';

const NOW = monoMs(100_000);
/** Five heartbeats of a second. */
const ALIVE_MS = 5_000;

describe('the candidates of an election', () => {
  /** Whether n2, whose heartbeat last changed so long ago, is one of them. */
  const stands = (change: Partial<NodeReport>, silentMs: number | undefined): boolean => {
    const n2 = peer(reportOf('n2', change), silentMs === undefined ? undefined : NOW - silentMs);
    return electable(agentAt(NOW, {peers: {n2}, beatAt: NOW}), NOW).length === 1;
  };

  it('E2: none of them is a node whose heartbeat has never been seen to change', () => {
    expect(stands({}, undefined)).to.equal(false);
  });

  it('E3: are those whose heartbeat changed during the last five of them, and no others', () => {
    expect(stands({}, ALIVE_MS)).to.equal(true);
    expect(stands({}, ALIVE_MS + 1)).to.equal(false);
  });

  it('E4: none of them is a node that has ended, or that says that it is not able to', () => {
    expect(stands({state: 'TERMINATED'}, 0)).to.equal(false);
    expect(stands({state: 'FAILED', eligible: false}, 0)).to.equal(false);
    expect(stands({state: 'HOT_BACKUP', eligible: false}, 0)).to.equal(false);
  });

  for (const state of ['MASTER', 'HOT_STANDBY', 'STANDBY', 'INITIALIZING'] satisfies NodeState[]) {
    it(`E5, E7: are not chosen by state, nor by version: ${state} stands like any other`, () => {
      expect(stands({state}, 0)).to.equal(true);
    });
  }
});

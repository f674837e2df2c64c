// restartPeer: who counts as silent, and P18: at most one command in flight for each, with a growing pause and a time limit.
import {expect} from 'chai';
import {createPeerRestarts, silentPeers, type PeerRestarts, type PeersView} from '../../lib/service/peer-restarts.ts';
import {fakeScripts, quiet, type FakeScripts} from '../support/fake-scripts.ts';

const view = (changes: Partial<PeersView> = {}): PeersView => ({
  leaseTimeoutMs: 30_000,
  heartbeatIntervalMs: 1_000,
  nodes: [],
  masterForMs: 60_000,
  ...changes,
});
const seen = (nodeId: string, lastSeenMs: number | null): PeersView['nodes'][number] => ({nodeId, lastSeenMs});

describe('a peer', () => {
  const table: readonly (readonly [what: string, view: PeersView, silent: boolean])[] = [
    ['that was seen just now', view({nodes: [seen('1', 900)]}), false],
    ['that has been silent for a bit', view({nodes: [seen('1', 29_999)]}), false],
    ['that has been silent for a lease timeout', view({nodes: [seen('1', 30_000)]}), true],
    ['that nobody has ever seen', view(), true],
    ['whose old record does not change', view({nodes: [seen('1', null)]}), true],
    ['that a new master has had no time to see', view({masterForMs: 4_999}), false],
    ['with another one seen', view({nodes: [seen('10', 0)]}), true],
  ];
  for (const [what, given, silent] of table) {
    it(`${what} ${silent ? 'is' : 'is not'} to be restarted`, () => {
      expect(silentPeers(['1'], given)).to.deep.equal(silent ? ['1'] : []);
    });
  }
});

describe('the restarts of peers', () => {
  let scripts: FakeScripts;
  let now = 0;
  let restarts: PeerRestarts;
  const commands = {'1': ['restart', '1'], '2': ['restart', '2']};
  const look = (...alive: readonly string[]): void =>
    restarts.look(view({nodes: alive.map((id) => seen(id, 0))}), () => ({HA_NODE_ID: '0'}));
  const ids = (): readonly unknown[] => scripts.started.map(({environment}) => environment['HA_PEER_ID']);

  beforeEach(() => {
    scripts = fakeScripts();
    now = 1_000;
    restarts = createPeerRestarts({commands, timeoutMs: 60_000, backoffMs: 10_000}, scripts.run, quiet, () => now);
  });

  it('P18: never has two commands of one peer in flight, however long one hangs', () => {
    for (let i = 0; i < 100; i++, now += 1_000_000) look();
    expect(ids()).to.deep.equal(['1', '2']);
    expect(scripts.started[0]).to.deep.include({command: ['restart', '1'], timeoutMs: 60_000, name: 'restartPeer 1'});
    expect(scripts.started[0]?.environment).to.include({HA_NODE_ID: '0', HA_PEER_ID: '1'});
  });

  it('waits longer each time, up to a limit', async () => {
    const pauses: number[] = [];
    look('2');
    while (pauses.length < 7) {
      await scripts.started.at(-1)?.end();
      const endedAt = now;
      for (const count = scripts.started.length; scripts.started.length === count; now += 1_000) look('2');
      pauses.push(now - 1_000 - endedAt);
    }
    expect(pauses).to.deep.equal([10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 320_000]);
  });

  it('begins anew for a peer that was there in between', async () => {
    look('2');
    await scripts.started[0]?.end();
    look('1', '2');
    now += 1;
    look('2');
    expect(ids()).to.deep.equal(['1', '1']);
  });

  it('restarts nobody while this node is not master or the cluster is paused', () => {
    restarts.look(undefined, () => ({}));
    expect(scripts.started).to.deep.equal([]);
  });

  it('takes other commands from a new configuration', () => {
    restarts.configure({commands: {'3': ['other']}, timeoutMs: 1, backoffMs: 1});
    look();
    expect(scripts.started.map(({command, timeoutMs}) => [command, timeoutMs])).to.deep.equal([[['other'], 1]]);
  });

  it('kills at the end of the node what still runs', async () => {
    look();
    await scripts.started[1]?.end();
    await restarts.close();
    expect(scripts.started.map(({signals}) => signals)).to.deep.equal([['SIGKILL'], []]);
  });
});

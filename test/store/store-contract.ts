// What every store promises to the agent; run against each way of having one.
import {expect} from 'chai';
import {readdir} from 'node:fs/promises';
import {epoch, instanceId, nodeId} from '../../lib/protocol/words.ts';
import {readHistory} from '../../lib/store/history.ts';
import {placeWish} from '../../lib/store/wishes.ts';
import {epochRecord, FIRST_LOCK, heartbeat, openTemp, removeTemps, report, WHOLE, type TempStore} from './temp-store.ts';

export function describeStore(name: string, open: () => Promise<TempStore>): void {
  describe(`${name} keeps the Store contract`, () => {
    let temp: TempStore;
    beforeEach(async () => {
      temp = await open();
    });
    afterEach(removeTemps);

    const owned = '0000000001.held.n1.3f9a1c22.30000.1';

    it('shows the first lock name, with and without a forced refresh', async () => {
      for (const refresh of [false, true])
        expect(await temp.store.list(refresh)).to.deep.equal({kind: 'names', names: [FIRST_LOCK]});
    });

    it('W15: renames from the name seen, once: the second from the same name fails and says why', async () => {
      expect(await temp.store.rename(FIRST_LOCK, owned)).to.deep.equal({kind: 'done'});
      const late = await temp.store.rename(FIRST_LOCK, '0000000001.held.n2.aaaaaaaa.30000.1');
      expect(late).to.have.property('kind', 'failed');
      expect(late).to.have.property('reason').that.includes('ENOENT').and.includes(FIRST_LOCK);
      expect(await temp.store.list(false)).to.deep.equal({kind: 'names', names: [owned]});
    });

    it('lets exactly one of many renames from one name succeed', async () => {
      const targets = Array.from({length: 8}, (_, i) => `0000000001.held.n${i}.0000000${i}.30000.1`);
      const outcomes = await Promise.all(targets.map((to) => temp.store.rename(FIRST_LOCK, to)));
      expect(outcomes.filter((outcome) => outcome.kind === 'done')).to.have.length(1);
      expect(await temp.store.list(false)).to.deep.equal({
        kind: 'names',
        names: targets.filter((_, i) => outcomes[i]?.kind === 'done'),
      });
    });

    it('joins nothing but lock names to a path', async () => {
      for (const [from, to] of [
        [FIRST_LOCK, '../../escaped'],
        ['../nodes/n1.json', owned],
        [FIRST_LOCK, ''],
      ] as const) {
        const outcome = await temp.store.rename(from, to);
        expect(outcome).to.have.property('reason').that.includes('is no lock name');
      }
      expect(await temp.store.list(false)).to.deep.equal({kind: 'names', names: [FIRST_LOCK]});
    });

    it('gives back the heartbeat that was written, and tells whose record it replaced', async () => {
      const first = heartbeat('n1', {seq: 7, state: 'MASTER', seen: [report('n2'), report('n3', {uri: undefined})]});
      expect(await temp.store.writeHeartbeat(first)).to.deep.equal({ok: true, reason: '', found: undefined});
      expect(await temp.store.readHeartbeats([nodeId('n1')])).to.deep.equal({
        heartbeats: [first],
        own: true,
        everybody: false,
        failed: false,
      });
      const second = heartbeat('n1', {seq: 1, instanceId: instanceId('00000002')});
      expect(await temp.store.writeHeartbeat(second)).to.deep.equal({
        ok: true,
        reason: '',
        found: {instanceId: '3f9a1c22', seq: 7},
      });
      expect(await temp.store.readHeartbeats('all')).to.deep.equal({heartbeats: [second], ...WHOLE});
    });

    it('reads everybody, or those asked for; a node without a record is no failure', async () => {
      for (const id of ['n2', 'n10']) {
        const other = await openTemp(temp.paths, {nodeId: nodeId(id)});
        await other.store.writeHeartbeat(heartbeat(id));
      }
      const all = await temp.store.readHeartbeats('all');
      expect(all).to.deep.include(WHOLE);
      expect(all.heartbeats.map((each) => each.nodeId).sort()).to.deep.equal(['n10', 'n2']);
      await temp.store.writeHeartbeat(heartbeat('n1'));
      const others = await temp.store.readHeartbeats('others');
      expect(others).to.deep.include({own: false, everybody: true, failed: false});
      expect(others.heartbeats.map((each) => each.nodeId).sort()).to.deep.equal(['n10', 'n2']);
      const some = await temp.store.readHeartbeats([nodeId('n2'), nodeId('n77')]);
      expect(some).to.deep.equal({heartbeats: [heartbeat('n2')], own: false, everybody: false, failed: false});
    });

    it('leaves nothing in the lock directory but the lock, and nothing beside the heartbeats', async () => {
      await temp.store.list(true);
      await temp.store.writeHeartbeat(heartbeat('n1'));
      await temp.store.rename(FIRST_LOCK, owned);
      expect(await readdir(temp.lockDir)).to.deep.equal([owned]);
      expect(await readdir(temp.paths.nodesDir)).to.deep.equal(['n1.json']);
    });

    it('places wishes once, the latest target of an epoch only, and drops one kind of one epoch', async () => {
      expect(await temp.store.readWishes()).to.deep.equal({paused: false, switchovers: [], statements: []});
      await temp.store.placeWish({wish: 'paused'});
      await temp.store.placeWish({wish: 'paused'});
      await temp.store.placeWish({wish: 'switchover', epoch: 4, to: undefined});
      await temp.store.placeWish({wish: 'switchover', epoch: 5, to: nodeId('n1')});
      await temp.store.placeWish({wish: 'switchover', epoch: 5, to: nodeId('n2')});
      await placeWish(temp.paths, {kind: 'statement', epoch: epoch(5), owner: nodeId('n9')}, 'a test');
      const switchovers = [
        {epoch: 4, to: undefined},
        {epoch: 5, to: 'n2'},
      ];
      expect(await temp.store.readWishes()).to.deep.equal({paused: true, switchovers, statements: [{epoch: 5, owner: 'n9'}]});
      await temp.store.dropWish('switchover', 5);
      await temp.store.dropWish('switchover', 5);
      expect(await temp.store.readWishes()).to.deep.equal({
        paused: true,
        switchovers: switchovers.slice(0, 1),
        statements: [{epoch: 5, owner: 'n9'}],
      });
      await temp.store.dropWish('statement', 5);
      await temp.store.dropWish('paused', 0);
      expect(await temp.store.readWishes()).to.deep.equal({paused: false, switchovers: switchovers.slice(0, 1), statements: []});
    });

    it('removes the heartbeat of one node, which may be gone already', async () => {
      await temp.store.writeHeartbeat(heartbeat('n1'));
      for (let i = 0; i < 2; i++) await temp.store.removeHeartbeat(nodeId('n1'));
      expect(await temp.store.readHeartbeats('all')).to.deep.equal({heartbeats: [], ...WHOLE});
    });

    it('keeps the story of each epoch, replaced as its phases come in', async () => {
      await temp.store.writeHistory(epochRecord(2));
      await temp.store.writeHistory(epochRecord(1));
      const ready = epochRecord(2, {
        phasesMs: {detected: 0, claimed: 12, started: 40, ready: 90},
        ended: {wallMs: 5, because: 'a switchover'},
      });
      await temp.store.writeHistory(ready);
      expect(await readHistory(temp.paths)).to.deep.equal({records: [epochRecord(1), ready], faults: []});
      expect((await readdir(temp.paths.historyDir)).sort()).to.deep.equal(['0000000001.json', '0000000002.json']);
    });
  });
}

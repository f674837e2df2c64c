// End to end: a store without a free byte. Renames and heartbeats in place need no room; the history waits for some.
import {rmSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {skipAloud} from '../store/temp-store.ts';
import {fill, mountSmall, whyNoTmpfs} from './store-support/mounts.ts';
import {withCluster} from './support/cluster.ts';

const LIMIT_MS = 45_000;

describe('a store that is full', () => {
  before(function () {
    const why = whyNoTmpfs();
    if (why !== undefined) skipAloud(this, why);
  });

  it('keeps its master, fails over all the same, and gets the history when there is room again', async () => {
    await withCluster({nodes: ['n1', 'n2', 'n3'], timings: {leaseTimeout: '60s'}}, async (cluster) => {
      await mountSmall(cluster, 256);
      await cluster.init();
      for (const id of ['n1', 'n2']) await cluster.launch(id);
      const master = await cluster.untilMaster();
      const other = cluster.node(master.id === 'n1' ? 'n2' : 'n1');
      await other.untilState('STANDBY');
      await eventually(async () => (await cluster.history()).length === 1, LIMIT_MS);
      const before = await master.served();
      const filler = join(cluster.persistenceDir, 'filler');
      fill(filler);

      const heartbeat = async (): Promise<number> => (await other.state()).nodes[master.id]?.localTimestamp ?? 0;
      const seen = await heartbeat();
      await eventually(async () => (await heartbeat()) > seen + 400, LIMIT_MS, 'heartbeats are not written any more');
      expect(await master.served()).to.deep.equal(before);

      await master.kill('agent');
      await cluster.untilMaster(other.id);
      await eventually(() => other.log().includes('could not write the history of epoch 3: trying again'), LIMIT_MS);
      expect((await cluster.history()).map(({epoch}) => epoch)).to.deep.equal([1]);

      // A newcomer has no record yet, and finds no room for one: it says so.
      const newcomer = cluster.node('n3');
      await newcomer.launch();
      await eventually(() => newcomer.log().includes('the heartbeat of this node does not get out: '), LIMIT_MS);
      expect(newcomer.log()).to.contain('ENOSPC, no space is left');
      expect((await newcomer.state()).state).to.equal('INITIALIZING');

      rmSync(filler);
      await eventually(async () => (await cluster.history()).some(({epoch}) => epoch === 3), LIMIT_MS, 'the history stays away');
      await newcomer.untilFollows(other);
    });
  });
});

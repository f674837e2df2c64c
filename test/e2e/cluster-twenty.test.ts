// End to end: twenty nodes at once. One of them is master, the lowest in natural order, and the next one follows it.
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {watchingStalls} from '../support/stalls.ts';
import {watchMasters} from './store-support/watch-masters.ts';
import {CALM, withCluster} from './support/cluster.ts';

const LIMIT_MS = 120_000;
/** Whoever did not get to look at the store for three polls listens anew before it claims: then the order is nobody's. */
const STALL_MS = 500;
const ELECTIONS_MAX = 6;
const IDS = Array.from({length: 20}, (_, index) => `n${index + 1}`);

describe('twenty nodes started at once', function () {
  this.timeout(400_000);

  it('S20, S21: elect the lowest of them, show one master to everybody at any time, and the next lowest after its death', async () => {
    // Paused until all have come: on a machine that is busy with forty processes the first would be elected alone.
    await withCluster({nodes: IDS, timings: CALM}, async (cluster) => {
      await cluster.init();
      const store = ['--persistenceDir', cluster.persistenceDir];
      expect((await cluster.cli('pause', ...store)).code).to.equal(0);
      const watch = watchMasters(cluster);
      for (const node of cluster.nodes) node.start('--logLevel', 'warn');
      for (const node of cluster.nodes) {
        await eventually(async () => (await node.state()).because.startsWith('paused: '), LIMIT_MS, `${node.id} is not ready`);
      }
      expect(await cluster.master()).to.equal(undefined);
      const masters: string[] = [];
      let inOrder = 0;
      while (inOrder < 2) {
        const {value: master, stalledMs} = await watchingStalls(async () => {
          const last = masters.at(-1);
          if (last === undefined) expect((await cluster.cli('resume', ...store)).code).to.equal(0);
          else await cluster.node(last).kill('agent');
          return cluster.untilMaster(undefined, LIMIT_MS);
        });
        masters.push(master.id);
        const alive = cluster.nodes.filter((node) => node.isRunning());
        const [lowest] = alive;
        if (master === lowest) inOrder += 1;
        else expect(stalledMs, `${master.id} is elected before ${lowest?.id}`).to.be.greaterThan(STALL_MS);
        expect(masters.length, `${masters.join()} were elected`).to.be.at.most(ELECTIONS_MAX);
        for (const node of alive.filter((each) => each !== master)) {
          await eventually(
            async () => (await node.state()).nodes[master.id]?.status === 'MASTER',
            LIMIT_MS,
            `${node.id} sees no master`,
          );
        }
      }
      expect(await watch.end()).to.be.greaterThan(100);
      await cluster.untilTold((records) => expect(records.map(({to}) => to.nodeId)).to.deep.equal(masters));
    });
  });
});

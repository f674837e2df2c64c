// End to end: twenty nodes at once. One of them is master, the lowest in natural order, and the next one follows it.
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {watchMasters} from './store-support/watch-masters.ts';
import {withCluster} from './support/cluster.ts';

const LIMIT_MS = 90_000;
const IDS = Array.from({length: 20}, (_, index) => `n${index + 1}`);

describe('twenty nodes started at once', () => {
  it('S20, S21: elect the lowest of them, show one master to everybody at any time, and the next lowest after its death', async () => {
    // Paused until all have come: on a machine that is busy with forty processes the first would be elected alone.
    const timings = {leaseTimeout: '10s', heartbeatInterval: '500ms', pollInterval: '500ms'};
    await withCluster({nodes: IDS, timings}, async (cluster) => {
      await cluster.init();
      const store = ['--persistenceDir', cluster.persistenceDir];
      expect((await cluster.cli('pause', ...store)).code).to.equal(0);
      const watch = watchMasters(cluster);
      for (const node of cluster.nodes) node.start('--logLevel', 'warn');
      for (const node of cluster.nodes) {
        await eventually(async () => (await node.state()).because.startsWith('paused: '), LIMIT_MS, `${node.id} is not ready`);
      }
      expect(await cluster.master()).to.equal(undefined);
      expect((await cluster.cli('resume', ...store)).code).to.equal(0);
      await cluster.untilMaster('n1', LIMIT_MS);
      for (const node of cluster.nodes.slice(1)) {
        await eventually(
          async () => (await node.state()).nodes['n1']?.status === 'MASTER',
          LIMIT_MS,
          `${node.id} sees no master`,
        );
      }
      await cluster.node('n1').kill('agent');
      await cluster.untilMaster('n2', LIMIT_MS);
      expect(await watch.end()).to.be.greaterThan(100);
      expect((await cluster.history()).map(({to}) => to.nodeId)).to.deep.equal(['n1', 'n2']);
    });
  });
});

// End to end: two agents with one node id, on this host and as if on two. The later one refuses, the first is not disturbed.
import {mkdirSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {together} from './store-support/together.ts';
import {withCluster, type Cluster} from './support/cluster.ts';
import {TestNode} from './support/node.ts';

const LIMIT_MS = 45_000;

describe('two agents with one node id', () => {
  together({
    'with one state directory: the later one refuses at once with exit 3 and names the options': async () => {
      await withCluster({nodes: ['n1'], timings: {leaseTimeout: '60s'}}, async (cluster) => {
        const first = await cluster.up();
        const before = await first.served();
        const twin = makeTwin(cluster, first);
        twin.start('--stateDir', first.stateDir);
        expect((await twin.exit()).code).to.equal(3);
        expect(twin.log()).to.contain(`an agent of this node lives: process ${first.agentPid}`).and.to.contain('--nodeId');
        twin.start('--pidFile', first.pidFile);
        expect((await twin.exit()).code).to.equal(3);
        expect(twin.log()).to.contain(`process ${first.agentPid}`).and.to.contain('--pidFile');
        expect(await first.served()).to.deep.equal(before);
        expect(first.isRunning()).to.equal(true);
      });
    },

    'with a state directory each: the later one refuses, whether the first is master or standby': async () => {
      await withCluster({nodes: ['n1', 'n2'], timings: {leaseTimeout: '60s'}}, async (cluster) => {
        const {master, other} = await cluster.upAsPair();
        const before = await master.served();
        for (const first of [master, other]) {
          const twin = makeTwin(cluster, first);
          twin.start();
          expect((await twin.exit()).code).to.equal(3);
          expect(twin.log()).to.contain(`has the node id ${first.id}: give this one another with --nodeId`);
          expect(first.isRunning()).to.equal(true);
        }
        expect(await master.served()).to.deep.equal(before);
        expect((await other.state()).state).to.equal('STANDBY');
      });
    },

    'with a state directory each, started at the same moment: one of them stays': async () => {
      await withCluster({nodes: ['n1']}, async (cluster) => {
        await cluster.init();
        const first = cluster.node('n1');
        const second = makeTwin(cluster, first);
        const both = [first, second];
        for (const node of both) node.start();
        await eventually(() => both.filter((node) => !node.isRunning()).length === 1, LIMIT_MS, 'both stay');
        const [gone, stays] = first.isRunning() ? [second, first] : [first, second];
        expect((await gone.exit()).code).to.equal(3);
        await eventually(() => stays.isMaster(), LIMIT_MS, 'the one that stays does not become master');
        await stays.terminate();
      });
    },
  });
});

/** Another agent with the id of this node, with directories of its own; it serves on the same port, which shows if both did. */
function makeTwin(cluster: Cluster, {id, plan}: TestNode): TestNode {
  const root = join(cluster.root, `twin-of-${id}`);
  for (const name of ['', 'logs', id]) mkdirSync(join(root, name), {recursive: true});
  const twin = new TestNode({...plan, root});
  cluster.atEnd(async () => {
    if (twin.wasLaunched && twin.isRunning()) await twin.terminate();
  });
  return twin;
}

// End to end: what Brooklyn's own tests demand of a management plane, of real nodes, with the numbers of those scenarios.
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {post} from './store-support/http.ts';
import {together} from './store-support/together.ts';
import {withCluster} from './support/cluster.ts';
import type {TestNode} from './support/node.ts';

const LIMIT_MS = 45_000;
const MODES = {n1: 'auto', n2: 'standby', n3: 'hot_standby', n4: 'hot_backup'} as const;

describe('a plane of Brooklyn, as nodes of ha-agent', () => {
  together({
    'S1, S5, S6, S7, S28, R3: every mode shows its state and the one plane id, also after a failover; MASTER comes last, and to one alone':
      async () => {
        await withCluster({nodes: Object.keys(MODES)}, async (cluster) => {
          await cluster.init();
          const [n1, ...others] = cluster.nodes as [TestNode, ...TestNode[]];
          await n1.launch();
          await cluster.untilMaster('n1');
          await Promise.all(others.map((node) => node.launch('--highAvailability', MODES[node.id as keyof typeof MODES])));
          const planeId = (await n1.get('/v1/server/planeid')).text;
          expect(planeId).to.match(/^\w+$/);
          for (const [node, state] of others.map((each, i) => [each, ['STANDBY', 'HOT_STANDBY', 'HOT_BACKUP'][i]!] as const)) {
            await node.untilState(state);
            expect((await node.get('/v1/server/planeid')).text).to.equal(planeId);
            expect((await node.get('/master')).status).to.equal(503);
            await node.served().then(
              () => expect.fail('the service runs on a standby'),
              () => undefined,
            );
          }
          expect(await historyOf(n1)).to.deep.equal(['INITIALIZING', 'STANDBY', 'INITIALIZING', 'MASTER']);
          expect(await historyOf(cluster.node('n3'))).to.deep.equal(['INITIALIZING', 'HOT_STANDBY']);

          await n1.terminate();
          const next = await cluster.untilMaster('n2');
          expect((await next.get('/v1/server/planeid')).text).to.equal(planeId);
          expect((await historyOf(next)).slice(-2)).to.deep.equal(['INITIALIZING', 'MASTER']);
          await eventually(
            async () => (await next.state()).nodes['n1']?.status === 'TERMINATED',
            LIMIT_MS,
            'the node that ended is not shown as TERMINATED',
          );
        });
      },

    'S26: a switchover to nobody is an error that names him; one that succeeds leaves the priorities as they are': async () => {
      await withCluster({nodes: ['n1', 'n2', 'n3']}, async (cluster) => {
        const master = await cluster.up();
        const target = cluster.others(master)[1]!;
        expect(await post(target, '/v1/server/ha/priority', {priority: '-1'})).to.deep.equal({status: 200, text: '0'});
        const unknown = await post(master, '/v1/switchover', {to: 'nobody'});
        expect(unknown.status).to.equal(409);
        expect(unknown.text).to.contain('nobody');
        expect(await master.isMaster()).to.equal(true);

        // A node is elected only once the owner has heard it twice.
        const heard = async (): Promise<boolean> => typeof (await master.state()).nodes[target.id]?.lastSeenMs === 'number';
        await eventually(heard, LIMIT_MS, `${master.id} does not hear ${target.id}`);
        expect((await post(master, '/v1/switchover', {to: target.id})).status).to.equal(200);
        await cluster.untilMaster(target.id);
        for (const node of cluster.others(target)) await node.untilState('STANDBY');
        expect((await target.get('/v1/server/ha/priority')).text).to.equal('-1');
        expect((await master.get('/v1/server/ha/priority')).text).to.equal('0');
      });
    },

    'S13: a host that falls silent is shown as FAILED to the one that follows it, never two of them as MASTER': async () => {
      await withCluster({nodes: ['n1', 'n2']}, async (cluster) => {
        const {master, other} = await cluster.upAsPair();
        const seen = new Set<string>();
        await master.kill('agent', 'guardian');
        await eventually(
          async () => {
            const {nodes, state} = await other.state();
            seen.add(state);
            expect(Object.values(nodes).filter(({status}) => status === 'MASTER').length).to.be.lessThan(2);
            return state === 'MASTER' && nodes[master.id]?.status === 'FAILED';
          },
          LIMIT_MS,
          'nobody takes over',
        );
        expect(seen).not.to.include('FAILED');
        expect((await cluster.history()).at(-1)).to.deep.include({why: 'silence'});
      });
    },
  });
});

/** The states of this instance, the first one first. */
async function historyOf(node: TestNode): Promise<string[]> {
  const metrics = JSON.parse((await node.get('/v1/server/ha/metrics')).text) as {
    highAvailability: {history: {state: string; timestamp: number}[]};
  };
  return metrics.highAvailability.history.map(({state}) => state).reverse();
}

// End to end: what clients of Brooklyn, proxies and monitors ask of real agents, and what they make them do.
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {usersFileLine} from '../../lib/http/users-file.ts';
import {eventually} from '../support/eventually.ts';
import {followEvents, getAs, post} from '../e2e/store-support/http.ts';
import {together} from '../e2e/store-support/together.ts';
import {CALM, withCluster, type Cluster} from '../e2e/support/cluster.ts';
import type {TestNode} from '../e2e/support/node.ts';

const LIMIT_MS = 45_000;

describe('HTTP', () => {
  together({
    'tells the state with its quotes and the states of all, and carries out what is posted before it answers': async () => {
      await withCluster({nodes: ['n1', 'n2'], timings: CALM}, async (cluster) => {
        const {master, other} = await cluster.upAsPair();
        await tellsTheStates(cluster, master, other);
        const events = await followEvents(other);

        // A standby that is to be master switches over, and answers when it is.
        expect(await post(other, '/v1/server/ha/state', {mode: 'MASTER'})).to.deep.equal({status: 200, text: '"STANDBY"'});
        expect((await other.get('/v1/server/ha/state')).text).to.equal('"MASTER"');
        expect((await other.get('/master')).status).to.equal(200);
        expect((await other.served()).node).to.equal(other.id);
        await eventually(() => events.text().includes(`held ${other.id}`), LIMIT_MS, 'the change of the leader is no event');
        expect(events.text()).to.match(/^event: leader$/m);
        events.close();
        await eventually(async () => (await master.get('/standby')).status === 200, LIMIT_MS, 'the old master is no standby');

        // A master that is to be standby gives the lease away, to whoever else there is.
        await cluster.untilCounted(other, master.id);
        expect(await post(other, '/v1/server/ha/state', {mode: 'STANDBY'})).to.deep.equal({status: 200, text: '"MASTER"'});
        expect((await other.get('/master')).status).to.equal(503);
        // Who changes his mind at once does not know yet who is about to follow.
        expect((await post(other, '/v1/server/ha/state', {mode: 'MASTER'})).status).to.equal(200);
        expect((await other.get('/master')).status).to.equal(200);
        expect((await post(other, '/v1/server/ha/state', {mode: 'STANDBY'})).text).to.equal('"MASTER"');
        await cluster.untilMaster(master.id);
        expect(await post(other, '/v1/server/ha/state', {mode: 'HOT_STANDBY'})).to.deep.equal({status: 200, text: '"STANDBY"'});
        await other.untilState('HOT_STANDBY');

        expect((await post(other, '/v1/server/ha/state', {mode: 'OBERMASTER'})).status).to.equal(400);
        expect((await post(other, '/v1/server/ha/state', {})).status).to.equal(400);
        expect(await post(other, '/v1/server/ha/priority', {priority: '5'})).to.deep.equal({status: 200, text: '0'});
        expect((await other.get('/v1/server/ha/priority')).text).to.equal('5');
        expect((await post(other, '/v1/server/ha/priority', {priority: 'much'})).status).to.equal(400);
      });
    },

    'drops the records of the dead, and ends an agent cleanly': async () => {
      await withCluster({nodes: ['n1', 'n2', 'n3']}, async (cluster) => {
        const master = await cluster.up();
        const [next, dead] = cluster.others(master) as [TestNode, TestNode];
        await dead.kill('agent');
        await eventually(
          async () => (await master.state()).nodes[dead.id]?.status === 'FAILED',
          LIMIT_MS,
          'the dead node is not FAILED',
        );
        expect((await post(master, '/v1/server/ha/states/clear/node', {nodeId: next.id})).status).to.equal(200);
        // A node whose own heartbeat is late takes nobody for dead, and clears nothing: it is asked again.
        const cleared = async (): Promise<boolean> => {
          expect(await post(master, '/v1/server/ha/states/clear', {})).to.deep.equal({status: 200, text: ''});
          return !(dead.id in (await master.state()).nodes);
        };
        await eventually(cleared, LIMIT_MS, 'the dead node is still shown');
        expect(Object.keys((await master.state()).nodes)).to.have.members([master.id, next.id]);

        expect((await post(master, '/v1/server/shutdown', {})).status).to.equal(204);
        expect(await master.exit()).to.deep.equal({code: 0, signal: null});
        await cluster.untilMaster(next.id);
      });
    },

    'R4: asks for a password where there is a users file: not of machines, and readers change nothing': async () => {
      await withCluster({nodes: ['n1'], timings: {leaseTimeout: '60s'}}, async (cluster) => {
        await cluster.init();
        const usersFile = join(cluster.root, 'users');
        const lines = [await usersFileLine('ada', 'admin', 'secret one'), await usersFileLine('bob', 'readonly', 'secret two')];
        writeFileSync(usersFile, `${lines.join('\n')}\n`, {mode: 0o600});
        const node = cluster.node('n1');
        await node.launch('--usersFile', usersFile);
        await cluster.untilMaster('n1');
        for (const path of ['/master', '/health', '/metrics', '/openapi.json'])
          expect((await node.get(path)).status, path).to.equal(200);
        for (const path of ['/v1/server/ha/state', '/v1/server/ha/states', '/v1/server/up', '/']) {
          expect((await node.get(path)).status, path).to.equal(401);
          expect((await getAs(node, path, 'bob:wrong')).status, path).to.equal(401);
          expect((await getAs(node, path, 'bob:secret two')).status, path).to.equal(200);
        }
        const change = (user?: string): Promise<{status: number}> => post(node, '/v1/server/ha/priority', {priority: '1'}, user);
        expect((await change()).status).to.equal(401);
        expect((await change('bob:secret two')).status).to.equal(403);
        expect((await change('ada:secret one')).status).to.equal(200);
        expect(`${node.log()}${node.stdout()}`).not.to.contain('secret');
      });
    },
  });
});

async function tellsTheStates(cluster: Cluster, master: TestNode, other: TestNode): Promise<void> {
  expect((await master.get('/v1/server/ha/state')).text).to.equal('"MASTER"');
  expect((await other.get('/v1/server/ha/state')).text).to.equal('"STANDBY"');
  for (const path of ['/v1/server/up', '/v1/server/healthy']) expect((await other.get(path)).text).to.equal('true');
  expect((await other.get('/v1/server/shuttingDown')).text).to.equal('false');
  await eventually(async () => (await other.state()).nodes[master.id]?.status === 'MASTER', LIMIT_MS, 'the master is not shown');
  const view = await other.state();
  expect((await other.get('/v1/server/planeid')).text).to.equal(view.planeId);
  expect(view).to.deep.include({ownId: other.id, masterId: master.id, state: 'STANDBY', epoch: 1, links: {}});
  expect(view.nodes[master.id]?.nodeUri).to.equal(master.url());
  expect(Object.keys(view.nodes)).to.have.members(cluster.nodes.map(({id}) => id));
}

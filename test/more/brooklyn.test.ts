// End to end: what Brooklyn's own tests demand of a management plane, of real nodes, with the numbers of those scenarios.
import {readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import {expect} from 'chai';
import {isStopped} from '../../lib/agent/process-look.ts';
import type {NodeView} from '../../lib/http/views.ts';
import type {Heartbeat} from '../../lib/protocol/heartbeat.ts';
import {storePaths} from '../../lib/store/paths.ts';
import {readSnapshot} from '../../lib/store/snapshot.ts';
import {eventually} from '../support/eventually.ts';
import {repoRoot} from '../support/paths.ts';
import {makeTempDir, removeTempDir} from '../support/temp-dir.ts';
import {post} from '../e2e/store-support/http.ts';
import {together} from '../e2e/store-support/together.ts';
import {CALM, withCluster, type Cluster} from '../e2e/support/cluster.ts';
import type {TestNode} from '../e2e/support/node.ts';

const LIMIT_MS = 60_000;
/** For a thousand heartbeats of 20 ms, on a machine that has other things to do. */
const BEATS_MS = 200_000;
const HEAP_ON_REQUEST = join(repoRoot, 'test/fixtures/heap-on-request.mjs');
const MODES = {n1: 'auto', n2: 'standby', n3: 'hot_standby', n4: 'hot_backup'} as const;

describe('a plane of Brooklyn, as nodes of ha-agent', function () {
  this.timeout(300_000);
  together({
    'S1, S5, S6, S7, S28, R3: every mode shows its state and the one plane id, also after a failover; MASTER comes last, and to one alone':
      async () => {
        await withCluster({nodes: Object.keys(MODES), timings: CALM}, async (cluster) => {
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

          // Among those that are left the order counts whoever has been heard twice by now, and has said that it can serve.
          await cluster.untilCounted(cluster.node('n3'), 'n2');
          await n1.terminate();
          const next = await cluster.untilMaster('n2');
          expect((await next.get('/v1/server/planeid')).text).to.equal(planeId);
          expect((await historyOf(next)).slice(-2)).to.deep.equal(['INITIALIZING', 'MASTER']);
          for (const node of others) {
            await eventually(
              async () => (await node.state()).nodes['n1']?.status === 'TERMINATED',
              LIMIT_MS,
              `${node.id} does not show the node that ended as TERMINATED`,
            );
          }
        });
      },

    'S26: a switchover to nobody is an error that names him; one that succeeds leaves the priorities as they are': async () => {
      await withCluster({nodes: ['n1', 'n2', 'n3'], timings: CALM}, async (cluster) => {
        const master = await cluster.up();
        const target = cluster.others(master)[1]!;
        expect(await post(target, '/v1/server/ha/priority', {priority: '-1'})).to.deep.equal({status: 200, text: '0'});
        const unknown = await post(master, '/v1/switchover', {to: 'nobody'});
        expect(unknown.status).to.equal(409);
        expect(unknown.text).to.contain('nobody');
        expect(await master.isMaster()).to.equal(true);

        await cluster.untilCounted(master, target.id);
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
        await cluster.untilTold((records) => expect(records.at(-1)).to.deep.include({why: 'silence'}));
      });
    },

    'S14: without a master a node is elected though the record of another one is there, which keeps its state and its own time stamp':
      async () => {
        const peerId = 'zzzzzzz_node1';
        await withCluster({nodes: ['n1', peerId], timings: {leaseTimeout: '20s'}}, async (cluster) => {
          await cluster.init();
          const [n1, peer] = cluster.nodes as [TestNode, TestNode];
          await peer.launch('--highAvailability', 'standby');
          await peer.untilState('STANDBY');
          await n1.launch();
          await cluster.untilMaster('n1');
          const seen = async (): Promise<NodeView> => (await n1.state()).nodes[peerId]!;
          expect(Object.keys((await n1.state()).nodes)).to.deep.equal(['n1', peerId]);
          await eventually(async () => (await seen()).status === 'STANDBY', LIMIT_MS, 'the peer is no STANDBY');

          // From now on its record is as old as it is, and what stands in it is never the reader's time.
          peer.freeze('agent', 'guardian');
          await eventually(() => isStopped(peer.agentPid), LIMIT_MS, 'the peer is not frozen');
          const stamp = await wallTimeOf(cluster, peerId);
          await eventually(async () => (await seen()).localTimestamp === stamp, LIMIT_MS, 'another time stamp is shown');
          expect(await seen()).to.include({status: 'STANDBY', localTimestamp: stamp});
          await eventually(async () => (await seen()).status === 'FAILED', LIMIT_MS, 'the silent peer is not shown as FAILED');
          expect(await seen()).to.include({localTimestamp: stamp, eligible: false});
          expect(await cluster.master()).to.equal(n1);
          peer.thaw('agent', 'guardian');
          await peer.untilState('STANDBY');
        });
      },

    'S23, S24: a master that is disabled stops its service, is FAILED and takes no part; with another mode it does again':
      async () => {
        await withCluster({nodes: ['n1', 'n2'], timings: CALM}, async (cluster) => {
          const {master, other} = await cluster.upAsPair();
          const ask = (node: TestNode, mode: string): Promise<unknown> => post(node, '/v1/server/ha/state', {mode});
          expect(await ask(master, 'DISABLED')).to.deep.equal({status: 200, text: '"MASTER"'});
          expect(master.servicePids).to.deep.equal([]);
          await cluster.untilMaster(other.id);
          await eventually(async () => (await master.state()).masterId === other.id, LIMIT_MS, 'it does not see who took over');
          expect(await master.state()).to.include({state: 'FAILED', mode: 'disabled', eligible: false});
          expect(await ask(master, 'HOT_STANDBY')).to.deep.equal({status: 200, text: '"FAILED"'});
          await master.untilState('HOT_STANDBY');

          expect(await ask(other, 'DISABLED')).to.deep.equal({status: 200, text: '"MASTER"'});
          await cluster.untilMaster(master.id);
          await other.untilState('FAILED');
          expect(await ask(other, 'AUTO')).to.deep.equal({status: 200, text: '"FAILED"'});
          await other.untilState('STANDBY');
          expect(cluster.witnessed().runs.map(({node}) => node)).to.deep.equal([master.id, other.id, master.id]);
        });
      },

    'S27: a standby sees what is added, changed and removed; what is written there changes nothing, for its service does not run':
      async () => {
        await withCluster({nodes: ['n1', 'n2', 'n3'], timings: {leaseTimeout: '60s'}}, async (cluster) => {
          await cluster.init();
          const [n1, n2, n3] = cluster.nodes as [TestNode, TestNode, TestNode];
          await n1.launch();
          const master = await cluster.untilMaster('n1');
          await n2.launch('--highAvailability', 'hot_standby');
          await n2.untilState('HOT_STANDBY');
          const seen = async (): Promise<NodeView | undefined> => (await n2.state()).nodes['n3'];
          expect(await seen()).to.equal(undefined);
          await n3.launch();
          await eventually(async () => (await seen())?.status === 'STANDBY', LIMIT_MS, 'the new node is not seen');
          await post(n3, '/v1/server/ha/priority', {priority: '5'});
          await eventually(async () => (await seen())?.priority === 5, LIMIT_MS, 'the change is not seen');

          // The record of a node that lives stays, whoever is asked to drop it, and with it who is master.
          const before = await master.served();
          expect((await post(n2, '/v1/server/ha/states/clear/node', {nodeId: 'n1'})).status).to.equal(200);
          expect((await n2.state()).nodes['n1']?.status).to.equal('MASTER');
          const refused = await fetch(`http://127.0.0.1:${n2.plan.place.port}/`, {method: 'POST'}).catch(() => 'refused');
          expect(refused).to.equal('refused');
          expect(await master.served()).to.deep.equal(before);

          await n3.terminate();
          await eventually(async () => (await seen())?.status === 'TERMINATED', LIMIT_MS, 'its end is not seen');
          await post(n2, '/v1/server/ha/states/clear', {});
          for (const node of [n1, n2])
            await eventually(
              async () => !('n3' in (await node.state()).nodes),
              LIMIT_MS,
              `${node.id} still shows the removed one`,
            );
        });
      },

    'S29: a standby that has looked a thousand times uses less than 2 MB more than before': async () => {
      const heap = await makeTempDir();
      const env = {NODE_OPTIONS: `--import=${pathToFileURL(HEAP_ON_REQUEST).href}`, HA_E2E_HEAP: join(heap, 'n2')};
      const timings = {pollInterval: '20ms', heartbeatInterval: '20ms', leaseTimeout: '60s'};
      await withCluster({nodes: ['n1', 'n2'], timings, env}, async (cluster) => {
        await cluster.init();
        const [n1, n2] = cluster.nodes as [TestNode, TestNode];
        await n1.launch();
        await cluster.untilMaster('n1');
        await n2.launch('--highAvailability', 'hot_standby');
        await n2.untilState('HOT_STANDBY');
        const used = async (beats: number): Promise<number> => {
          await eventually(async () => (await beatsOf(cluster, 'n2')) >= beats, BEATS_MS, `n2 has not looked ${beats} times`);
          writeFileSync(env.HA_E2E_HEAP, '');
          return eventually(() => Number(readFileSync(env.HA_E2E_HEAP, 'utf8')) || undefined, LIMIT_MS, 'n2 does not say');
        };
        const before = await used(200);
        const after = await used(1_200);
        expect((after - before) / 1e6).to.be.lessThan(2);
        await n2.untilState('HOT_STANDBY');
      });
      await removeTempDir(heap);
    },
  });
});

/** What the node itself wrote last. */
async function recordOf(cluster: Cluster, id: string): Promise<Heartbeat> {
  const {heartbeats} = await readSnapshot(storePaths(cluster.persistenceDir, 'default'));
  const found = heartbeats.find(({nodeId}) => nodeId === id);
  if (!found) throw new Error(`there is no record of ${id}`);
  return found;
}

const wallTimeOf = async (cluster: Cluster, id: string): Promise<number> => (await recordOf(cluster, id)).wallMs;
const beatsOf = async (cluster: Cluster, id: string): Promise<number> => (await recordOf(cluster, id)).seq;

/** The states of this instance, the first one first. */
async function historyOf(node: TestNode): Promise<string[]> {
  const metrics = JSON.parse((await node.get('/v1/server/ha/metrics')).text) as {
    highAvailability: {history: {state: string; timestamp: number}[]};
  };
  return metrics.highAvailability.history.map(({state}) => state).reverse();
}

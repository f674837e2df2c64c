// End to end: a store whose calls do not return. Each node has a FUSE mount of its own, and SIGSTOP of its daemon hangs it.
import {existsSync} from 'node:fs';
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {skipAloud} from '../store/temp-store.ts';
import {upWithMounts, whyNoFuse} from './store-support/mounts.ts';
import {together} from './store-support/together.ts';
import {withCluster} from './support/cluster.ts';
import type {TestNode} from './support/node.ts';

const LIMIT_MS = 45_000;
/** An owner for whom nothing runs for so long gives up: long enough to ask everybody while the store hangs. */
const PAIR = {nodes: ['n1', 'n2'], timings: {leaseTimeout: '6s'}};

describe('a store that hangs', () => {
  before(function () {
    const why = whyNoFuse();
    if (why !== undefined) skipAloud(this, why);
  });

  together({
    'A3, A17, S17: for the master alone: it stops in time and goes on answering, another takes over, and it comes back as a standby':
      async () => {
        await withCluster(PAIR, async (cluster) => {
          const {master, others, mountOf} = await upWithMounts(cluster);
          const [other] = others;
          mountOf(master).hang();
          await untilStopped(master);
          await answersWhileHung(master);
          await other!.untilState('MASTER', LIMIT_MS);
          await cluster.untilTold((records) => expect(records.at(-1)).to.deep.include({why: 'silence', epoch: 2}));
          expect((await master.state()).because).to.contain('the store has not answered');

          mountOf(master).heal();
          await master.untilFollows(other!);
          await eventually(async () => (await master.state()).nodes[other!.id]?.status === 'MASTER', LIMIT_MS);
        });
      },

    'does not keep an agent from ending: a standby at once, a master when its lease is over, the service stopped': async () => {
      await withCluster(PAIR, async (cluster) => {
        const {master, others, mountOf} = await upWithMounts(cluster);
        for (const node of [...others, master]) {
          mountOf(node).hang();
          await eventually(async () => (await node.state()).because.includes('has not answered'), LIMIT_MS);
          await node.terminate();
          expect(node.servicePids).to.deep.equal([]);
          expect(existsSync(node.pidFile)).to.equal(false);
        }
        expect(others[0]?.log()).to.contain('ended: SIGTERM');
        expect(master.log()).to.contain('ended: SIGTERM; the lock could not be released: it ends by itself');
      });
    },

    'A5: for everybody: the service stops, nobody else starts it, and after healing the owner goes on under its epoch':
      async () => {
        await withCluster(PAIR, async (cluster) => {
          const {master, others, mountOf} = await upWithMounts(cluster);
          const {family} = await master.served();
          for (const node of cluster.nodes) mountOf(node).hang();
          await untilStopped(master);
          for (const node of cluster.nodes) await answersWhileHung(node);

          mountOf(master).heal();
          await master.untilState('MASTER', LIMIT_MS);
          for (const node of others) mountOf(node).heal();
          for (const node of others) await node.untilFollows(master);
          const again = await master.served();
          expect(again.epoch).to.equal('1');
          expect(again.family).not.to.equal(family);
          expect(await cluster.history()).to.have.length(1);
        });
      },
  });
});

async function untilStopped(node: TestNode): Promise<void> {
  await eventually(() => node.servicePids.length === 0, LIMIT_MS, `the service of ${node.id} does not stop`);
  expect(await node.isMaster()).to.equal(false);
}

/** What a proxy, a monitor and a person ask. */
async function answersWhileHung(node: TestNode): Promise<void> {
  expect((await node.get('/health')).status).to.equal(200);
  expect((await node.get('/master')).status).to.equal(503);
  expect((await node.get('/v1/server/ha/state')).text).to.match(/^"(INITIALIZING|STANDBY)"$/);
  expect((await node.get('/')).status).to.equal(200);
  expect((await node.get('/metrics')).status).to.equal(200);
}

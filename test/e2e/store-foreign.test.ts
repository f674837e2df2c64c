// End to end: corrupt, empty, foreign, huge and linked things in every place of the store. The cluster works or says clearly why not.
import {renameSync, rmSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {HEARTBEAT_BYTES} from '../../lib/store/codec.ts';
import {eventually} from '../support/eventually.ts';
import {MATTER, Outside} from './store-support/foreign.ts';
import {lockDirIn, rootOf} from './store-support/places.ts';
import {together} from './store-support/together.ts';
import {withCluster} from './support/cluster.ts';
import type {TestNode} from './support/node.ts';

const LIMIT_MS = 45_000;

describe('foreign matter in the store', () => {
  together({
    'beside what belongs there is passed over, told once, and never followed': async () => {
      await withCluster({nodes: ['n1', 'n2'], timings: {leaseTimeout: '60s'}}, async (cluster) => {
        await cluster.init();
        const outside = new Outside(join(cluster.root, 'outside'));
        const root = rootOf(cluster);
        const lockDir = lockDirIn(cluster);
        for (const [index, matter] of Object.values(MATTER).entries()) {
          const names = [
            ...[`nodes/x${index}.json`, `nodes/odd ${index}`, `history/00000000${80 + index}.json`, `history/odd ${index}`],
            ...[`control/odd ${index}`, `control/switchover.00000000${50 + index}.n7`, `odd ${index}`],
          ];
          for (const name of names) matter(join(root, name), outside);
          matter(join(lockDir, `odd ${index}`), outside);
          matter(join(cluster.persistenceDir, `odd ${index}`), outside);
        }
        for (const {id} of cluster.nodes) await cluster.launch(id);
        const master = await cluster.untilMaster();
        const [other] = cluster.others(master);
        await other!.untilState('STANDBY');
        const known = async (): Promise<string> => Object.keys((await master.state()).nodes).join(' ');
        await eventually(async () => (await known()) === 'n1 n2', LIMIT_MS, 'the nodes are not seen');
        const lines = master.log().split('\n');
        expect(lines.filter((line) => line.includes('holds "odd 0", which is no lock name'))).to.have.length(1);
        expect(lines.filter((line) => line.includes('holds "odd 0", which is no node\'s record'))).to.have.length(1);

        const status = await cluster.cli('status', '--persistenceDir', cluster.persistenceDir);
        expect(status.code).to.equal(0);
        expect(status.stdout)
          .to.contain('links are not followed')
          .and.to.contain('longer than a heartbeat')
          .and.not.to.contain('\u001b');
        await cluster.untilTold((records) => expect(records).to.have.length(1));
        await master.kill('agent');
        await cluster.untilMaster(other!.id);
        outside.assertUntouched();
      });
    },

    "in the place of a node's own record is reported by that node; what can be written over is": async () => {
      const cases: Readonly<Record<string, keyof typeof MATTER>> = {
        n1: 'a FIFO',
        n2: 'a link to a file outside',
        n3: 'a directory',
        n4: 'huge',
        n5: 'corrupt',
      };
      await withCluster({nodes: Object.keys(cases), timings: {leaseTimeout: '60s'}}, async (cluster) => {
        await cluster.init();
        const outside = new Outside(join(cluster.root, 'outside'));
        const recordOf = (id: string): string => join(rootOf(cluster), 'nodes', `${id}.json`);
        for (const [id, matter] of Object.entries(cases)) MATTER[matter]?.(recordOf(id), outside);
        for (const id of ['n4', 'n5']) await cluster.launch(id);
        const master = await cluster.untilMaster();
        for (const id of ['n1', 'n2', 'n3']) await cluster.launch(id);
        for (const node of ['n1', 'n2', 'n3'].map((id) => cluster.node(id))) {
          await eventually(
            () => node.log().includes('the heartbeat of this node does not get out: '),
            LIMIT_MS,
            `${node.id} is silent`,
          );
          expect(node.log()).to.contain("remove what stands in the place of this node's heartbeat");
          expect((await node.state()).state).to.equal('INITIALIZING');
        }
        expect(statSync(recordOf('n4')).size).to.equal(HEARTBEAT_BYTES);
        outside.assertUntouched();
        rmSync(recordOf('n1'));
        await cluster.node('n1').untilState('STANDBY');
        const known = async (): Promise<string[]> => Object.keys((await master.state()).nodes);
        await eventually(async () => (await known()).join(' ') === 'n1 n4 n5', LIMIT_MS, 'the heartbeats are not read');
      });
    },

    'in the place of a part of the store keeps a node waiting with a clear reason, until the part is back': async () => {
      await withCluster({nodes: ['n1'], timings: {pollInterval: '50ms'}}, async (cluster) => {
        await cluster.init();
        const outside = new Outside(join(cluster.root, 'outside'));
        const parts = ['store.json', 'nodes', 'history', 'control'].map((name) => join(rootOf(cluster), name));
        for (const part of parts) renameSync(part, `${part}.aside`);
        const node = cluster.node('n1');
        await node.launch();
        for (const part of parts) {
          for (const [name, matter] of Object.entries(MATTER)) {
            if (name === 'a directory' && !part.endsWith('.json')) continue;
            // Without it the node says something else, so what it says next is about this very matter.
            await untilItSays(node, /no store at|ENOENT/, `without ${part}`);
            matter(part, outside);
            await untilItSays(node, WRONG, `with ${name} as ${part}`);
            rmSync(part, {recursive: true});
          }
          renameSync(`${part}.aside`, part);
        }
        await cluster.untilMaster();
        expect(node.log()).not.to.contain('Warning');
        outside.assertUntouched();
      });
    },

    'in the place of a directory of a running cluster: nothing is written through the link, and the master goes on': async () => {
      await withCluster({nodes: ['n1'], timings: {leaseTimeout: '60s'}}, async (cluster) => {
        const master = await cluster.up();
        const before = await master.served();
        const outside = new Outside(join(cluster.root, 'outside'));
        for (const part of ['nodes', 'history', 'control'].map((name) => join(rootOf(cluster), name))) {
          renameSync(part, `${part}.aside`);
          MATTER['a link to a directory outside']?.(part, outside);
        }
        const linked = 'is a symbolic link, and links are not followed';
        await eventually(() => master.log().includes(`does not get out: ${join(rootOf(cluster), 'nodes')} ${linked}`), LIMIT_MS);
        for (const command of ['pause', 'history']) {
          const {code, stderr} = await cluster.cli(command, '--persistenceDir', cluster.persistenceDir);
          expect({code, linked: stderr.includes(linked)}, command).to.deep.equal({code: 2, linked: true});
        }
        outside.assertUntouched();
        expect(await master.served()).to.deep.equal(before);
      });
    },
  });
});

const WRONG = /is empty|is not JSON|is longer than|links are not followed|is not a regular file/;

async function untilItSays(node: TestNode, what: RegExp, when: string): Promise<void> {
  const says = async (): Promise<string> => (await node.state()).because;
  await eventually(async () => what.test(await says()), LIMIT_MS).catch(async (error: unknown) => {
    throw new Error(`${when} it says: ${await says()}`, {cause: error});
  });
}

// End to end: what an operator decides: a promotion over the head of a dead owner, a pause, another store in the place of the old one.
import {cpSync, readFileSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {locksIn, rootOf} from './store-support/places.ts';
import {together} from './store-support/together.ts';
import {CALM, withCluster, type Cluster} from './support/cluster.ts';
import type {CommandResult} from './support/command.ts';

const LIMIT_MS = 60_000;
const QUICK = ['--heartbeatInterval', '200ms', '--pollInterval', '200ms', '--stopTimeout', '500ms', '--safetyMargin', '500ms'];

describe('the word of an operator', () => {
  together({
    'promote is refused while the owner renews; when it is dead its target is master at once, and the history says why':
      async () => {
        const leaseTimeout = '30s';
        await withCluster({nodes: ['n1', 'n2', 'n3'], timings: {...CALM, leaseTimeout}}, async (cluster) => {
          await cluster.init();
          await cluster.launch('n1');
          await cluster.untilMaster('n1');
          for (const id of ['n2', 'n3']) await cluster.launch(id);
          for (const id of ['n2', 'n3']) await cluster.node(id).untilState('STANDBY');
          const promote = (...words: string[]): Promise<CommandResult> =>
            run(cluster, 'promote', ...words, '--leaseTimeout', leaseTimeout);
          const [alive, other] = await Promise.all([
            promote('n3', '--iHaveFenced', 'n1'),
            promote('n3', '--i-have-fenced', 'n2'),
          ]);
          expect(alive.code).to.equal(3);
          expect(alive.stderr).to.contain('n1 is alive: it renewed the lease');
          expect(other.code).to.equal(2);
          expect(other.stderr).to.contain('n2 does not own the present epoch');
          expect(await cluster.master()).to.equal(cluster.node('n1'));

          // The whole host is gone: the silence would last thirty seconds. n2 would be the next in the order of elections.
          await cluster.node('n1').kill('agent', 'guardian');
          const done = await promote('n3', '--iHaveFenced', 'n1', '--json');
          expect(done.stderr).to.equal('');
          expect(JSON.parse(done.stdout)).to.deep.equal({from: 'n1', to: 'n3', epoch: 1});
          await cluster.untilMaster('n3');
          const because = 'the operator said that n1 was dead';
          await cluster.untilTold((records) => expect(records.at(-1)).to.deep.include({why: 'statement', because}));
        });
      },

    'pause keeps everybody else from taking over from a dead master, resume lets the lowest do so': async () => {
      await withCluster({nodes: ['n1', 'n2', 'n3'], timings: CALM}, async (cluster) => {
        const master = await cluster.up();
        const before = await master.served();
        expect((await run(cluster, 'pause')).stdout).to.equal('paused: nobody but the present owner takes the lease\n');
        expect((await run(cluster, 'pause')).stdout).to.equal('it was paused already\n');
        for (const node of cluster.nodes) await eventually(async () => (await node.state()).paused, LIMIT_MS);
        expect((await run(cluster, 'switchover')).stderr).to.contain('the cluster is paused');
        expect((await run(cluster, 'status')).stdout).to.contain('paused: nobody but the present owner takes the lease');
        expect(await master.served()).to.deep.equal(before);

        await master.kill('agent');
        await eventually(() => locksIn(cluster)[0]?.kind === 'free', LIMIT_MS, 'the lock is not released');
        const others = cluster.others(master);
        for (const node of others) {
          await eventually(
            async () => (await node.state()).because === `paused: nobody but ${master.id} may take the lease`,
            LIMIT_MS,
          );
        }
        // Longer than it takes to be elected.
        const seen = Date.now();
        await eventually(() => Date.now() - seen > 4_000, LIMIT_MS);
        expect(locksIn(cluster)[0]?.kind).to.equal('free');
        expect((await run(cluster, 'resume')).stdout).to.equal('resumed\n');
        await cluster.untilMaster(others[0]?.id);
      });
    },

    'a switchover goes to its target also while that still listens': async () => {
      await withCluster({nodes: ['n1', 'n2', 'n3'], timings: CALM}, async (cluster) => {
        await cluster.init();
        await cluster.launch('n1');
        const master = await cluster.untilMaster('n1');
        await cluster.launch('n2');
        await cluster.untilCounted(master, 'n2');
        // It listens for three of its polls, and may claim nothing by itself before; the owner counts it long before that.
        await cluster.launch('n3', '--pollInterval', '8s');
        const to = (): Promise<CommandResult> => run(cluster, 'switchover', '--to', 'n3', '--leaseTimeout', '60s');
        const moved = await eventually(async () => [await to()].find(({code}) => code === 0), LIMIT_MS, 'n3 is not counted');
        expect(moved.stdout).to.contain('n3');
        await cluster.untilMaster('n3');
        await cluster.untilTold((records) => expect(records.map(({to: owner}) => owner.nodeId)).to.deep.equal(['n1', 'n3']));
      });
    },

    'accept is refused while an agent lives; then the nodes take the restored store, and others refuse the old one': async () => {
      await withCluster({nodes: ['n1', 'n2'], timings: {...CALM, leaseTimeout: '6s'}}, async (cluster) => {
        const {master, other} = await cluster.upAsPair();
        const backup = join(cluster.root, 'backup');
        cpSync(cluster.persistenceDir, backup, {recursive: true});
        expect((await run(cluster, 'switchover')).code).to.equal(0);
        const refused = await run(cluster, 'accept');
        expect(refused.code).to.equal(3);
        expect(refused.stderr).to.match(/not every node is stopped: there are changes by .*n1.*\n.*stop every node/);
        for (const node of [master, other]) await node.terminate();

        // A backup of an earlier day has taken the place of the store.
        rmSync(cluster.persistenceDir, {recursive: true});
        cpSync(backup, cluster.persistenceDir, {recursive: true});
        await other.launch();
        await eventually(async () => (await other.state()).because.includes('but epoch 4 has been seen before'), LIMIT_MS);
        expect(await cluster.master()).to.equal(undefined);
        await other.terminate();

        const accepted = JSON.parse((await run(cluster, 'accept', '--json', '--stateDir', other.stateDir)).stdout) as object;
        const {storeId} = JSON.parse(readFileSync(join(rootOf(cluster), 'store.json'), 'utf8')) as {storeId: string};
        expect(accepted).to.deep.include({storeId, epoch: 5});
        for (const node of [master, other]) await node.launch();
        const next = await cluster.untilMaster();
        expect((await next.served()).epoch).to.equal('6');
        for (const node of [master, other])
          await eventually(async () => (await node.state()).planeId === storeId, LIMIT_MS, `${node.id} has not taken the store`);
        expect(master.log()).to.match(/the operator has accepted the store [0-9a-f]{16} in place of [0-9a-f]{16}/);

        master.signal('SIGTERM', 'agent');
        await master.exit();
        master.start('--persistenceDir', backup);
        expect((await master.exit()).code).to.equal(3);
        expect(master.log()).to.contain(`but this node has known ${storeId}`);
      });
    },
  });
});

function run(cluster: Cluster, command: string, ...words: string[]): Promise<CommandResult> {
  const timings = words.includes('--leaseTimeout') ? QUICK : [...QUICK, '--leaseTimeout', '6s'];
  return cluster.cli(command, ...words, '--persistenceDir', cluster.persistenceDir, ...timings);
}

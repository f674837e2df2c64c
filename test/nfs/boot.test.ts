// A cluster on real machines with a real NFS share: who becomes master when all boot at once, and who after the master's agent was killed.
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {noteFinding} from './support/findings.ts';
import {withLabCluster} from './support/lab-cluster.ts';
import type {LabNode} from './support/lab-node.ts';
import {useLab} from './support/use-lab.ts';

const SEEN_MS = 60_000;

for (const vers of ['3', '4.2'] as const) {
  describe(`three nodes on NFS ${vers}`, function () {
    this.timeout(240_000);
    const lab = useLab({vers, clients: 3, graceS: 10});

    it('booted at once: one is master, and the others follow it', async () => {
      await withLabCluster(lab(), {}, async (cluster) => {
        const master = await cluster.up();
        const views = await Promise.all(cluster.nodes.map((node) => node.state()));
        expect(views.map(({masterId}) => masterId)).to.deep.equal([master.id, master.id, master.id]);
        expect((await cluster.masters()).map(({id}) => id)).to.deep.equal([master.id]);
        const {runs} = await cluster.witnessed();
        expect(runs.map(({node, epoch}) => [node, epoch])).to.deep.equal([[master.id, 1]]);
        noteFinding({
          vers,
          scenario: 'three nodes are booted at once',
          expected: 'exactly one is master, under epoch 1; the others are its standbys',
          observed: `${master.id} is master under epoch 1, the others are standbys`,
        });
      });
    });

    it('that see each other before the first election: the lowest id is the one master', async () => {
      await withLabCluster(lab(), {}, async (cluster) => {
        await cluster.init();
        const store = ['--persistenceDir', cluster.persistenceDir];
        expect(await cluster.cli('pause', ...store)).to.include({status: 0});
        await Promise.all(cluster.nodes.map((node) => node.launch()));
        const seesAll = async (node: LabNode): Promise<boolean> => {
          const {nodes} = await node.state();
          return cluster.nodes.every(({id}) => nodes[id]?.status === 'STANDBY');
        };
        for (const node of cluster.nodes)
          await eventually(() => seesAll(node), SEEN_MS, `${node.id} does not see all the others`);
        expect(await cluster.cli('resume', ...store)).to.include({status: 0});
        expect((await cluster.awaitMaster()).id).to.equal('n1');
        noteFinding({
          vers,
          scenario: 'three nodes are booted under pause, and resumed once they see each other',
          expected: 'nobody is elected before; then the lowest id',
          observed: 'nobody was; then n1',
        });
      });
    });

    it("kill -9 of the master's agent: another serves long before the silence is over", async () => {
      await withLabCluster(lab(), {timings: {leaseTimeout: '120s'}}, async (cluster) => {
        const master = await cluster.up();
        await master.kill('agent');
        // A silence of 120 s would be longer than this.
        const next = await cluster.awaitMaster(undefined, 60_000);
        expect(next.id).not.to.equal(master.id);
        const {runs} = await cluster.witnessed();
        expect(runs.map(({node}) => node)).to.deep.equal([master.id, next.id]);
      });
    });
  });
}

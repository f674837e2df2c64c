// A cluster on real machines with a real NFS share: who becomes master when all boot at once, and who after the master's agent was killed.
import {expect} from 'chai';
import {withLabCluster} from './support/lab-cluster.ts';
import {useLab} from './support/use-lab.ts';

for (const vers of ['3', '4.2'] as const) {
  describe(`three nodes on NFS ${vers}`, function () {
    this.timeout(240_000);
    const lab = useLab({vers, clients: 3, graceS: 10});

    it('launched at once: the lowest id is the one master', async () => {
      // All must be heard while the first one listens, for three polls: the lab starts them one after the other, on few cores.
      await withLabCluster(lab(), {timings: {pollInterval: '2s', leaseTimeout: '20s'}}, async (cluster) => {
        const master = await cluster.up();
        expect(master.id).to.equal('n1');
        const view = await cluster.node('n3').state();
        expect(view.masterId).to.equal('n1');
        expect((await cluster.masters()).map(({id}) => id)).to.deep.equal(['n1']);
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

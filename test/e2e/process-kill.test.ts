// End to end: kill -9 of agent, guardian, both, or the agent's process group. Two witnesses at one time are the failure.
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {withCluster} from './support/cluster.ts';
import {untilGone} from './support/processes.ts';

const TWO = {nodes: ['n1', 'n2']};

describe('kill -9', () => {
  it('of the agent: the guardian stops the service and releases the lock, so that the other serves long before the silence is over', async () => {
    await withCluster({...TWO, timings: {leaseTimeout: '60s'}}, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      const {guardian} = master;
      await master.kill('agent');
      // A silence of 60 s would be longer than this.
      await cluster.untilMaster(other.id, 45_000);
      expect((await other.served()).node).to.equal(other.id);
      await untilGone(guardian, 'the guardian');
      expect(cluster.witnessed().runs).to.have.length(2);
    });
  });

  it("of the agent's process group spares guardian and service's release alike", async () => {
    await withCluster({...TWO, timings: {leaseTimeout: '60s'}}, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      await master.killGroup();
      await cluster.untilMaster(other.id, 45_000);
      expect(cluster.witnessed().runs.map(({node}) => node)).to.deep.equal([master.id, other.id]);
    });
  });

  it('of the guardian: the service dies with it, and its node starts another guardian and the service again under the same epoch', async () => {
    await withCluster({nodes: ['n1']}, async (cluster) => {
      const master = await cluster.up();
      const before = await master.served();
      const {guardian} = master;
      await master.kill('guardian');
      const after = await eventually(async () => {
        const now = await master.served();
        return now.family !== before.family && now;
      }, 45_000);
      expect(after.epoch).to.equal(before.epoch);
      expect(master.guardian).not.to.deep.equal(guardian);
      await cluster.untilMaster(master.id);
    });
  });

  it('A16, S16: of agent and guardian together: nothing is left running, and the other takes over after the silence', async () => {
    await withCluster(TWO, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      await master.kill('agent', 'guardian');
      await cluster.untilMaster(other.id);
      await eventually(
        async () => (await cluster.history()).at(-1)?.why === 'silence',
        20_000,
        'nobody says that the silence was waited out',
      );
    });
  });

  it('of a standby disturbs nobody, and it comes back as a standby', async () => {
    await withCluster({...TWO, timings: {leaseTimeout: '60s'}}, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      const before = await master.served();
      await other.kill('agent', 'guardian');
      await cluster.launch(other.id);
      await other.untilState('STANDBY');
      expect(await master.served()).to.deep.equal(before);
    });
  });

  it('of everything on this host, and a restart: the local proof is enough, the silence is not waited out', async () => {
    await withCluster({nodes: ['n1'], timings: {leaseTimeout: '60s'}}, async (cluster) => {
      const master = await cluster.up();
      const before = await master.served();
      await master.kill('agent', 'guardian');
      await eventually(() => master.servicePids.length === 0, 20_000, 'the service is not gone');
      await cluster.launch(master.id);
      await cluster.untilMaster(master.id, 40_000);
      const after = await master.served();
      expect(Number(after.epoch)).to.equal(Number(before.epoch) + 1);
      const local = {epoch: Number(after.epoch), why: 'local'};
      await cluster.untilTold((records) => expect(records.at(-1)).to.include(local));
    });
  });
});

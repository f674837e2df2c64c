// End to end: a service that outlives its agent, and the next agent that takes it over without the service noticing.
import {isDeepStrictEqual} from 'node:util';
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {CALM, withCluster, type Cluster} from './support/cluster.ts';
import {TestNode} from './support/node.ts';
import {ensuredWitness, witness} from './support/witness.ts';

describe('the service of an agent that went', () => {
  it('with --keepService is adopted by the next launch: same process, same epoch, and it never was away', async () => {
    await withCluster({nodes: ['n1', 'n2'], timings: {leaseTimeout: '60s'}}, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      const before = await look(master);
      await keepService(cluster, master);
      expect(await look(master)).to.deep.equal(before);
      await cluster.launch(master.id);
      await cluster.untilMaster(master.id);
      expect(await look(master)).to.deep.equal(before);
      expect(cluster.witnessed().runs).to.have.length(1);
      // And the adopted one is fully in the hands of the new agent.
      await master.terminate();
      expect(master.servicePids).to.deep.equal([]);
      await cluster.untilMaster(other.id);
    });
  });

  it('with --keepService and nobody who comes back is stopped before the lease ends, and released', async () => {
    // The margin leaves the process that releases the lock the time to start, before the silence is over.
    await withCluster({nodes: ['n1', 'n2'], timings: {leaseTimeout: '14s', safetyMargin: '8s'}}, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      await keepService(cluster, master);
      await cluster.untilMaster(other.id);
      expect(master.servicePids).to.deep.equal([]);
      await cluster.untilTold((records) => expect(records.at(-1)?.why, 'the guardian has not released').to.equal('free'));
    });
  });

  it('after kill -9 waits --agentLossGrace for the next agent to adopt it', async () => {
    await withCluster(
      {nodes: ['n1', 'n2'], timings: {leaseTimeout: '60s'}, args: ['--agentLossGrace', '40s']},
      async (cluster) => {
        const {master} = await cluster.upAsPair();
        const before = await look(master);
        await master.kill('agent');
        await cluster.launch(master.id);
        await cluster.untilMaster(master.id);
        expect(await look(master)).to.deep.equal(before);
        expect(cluster.witnessed().runs).to.have.length(1);
      },
    );
  });

  it('after kill -9 is given up when the grace is over: another node takes over', async () => {
    await withCluster(
      {nodes: ['n1', 'n2'], timings: {leaseTimeout: '60s'}, args: ['--agentLossGrace', '500ms']},
      async (cluster) => {
        const {master, other} = await cluster.upAsPair();
        await master.kill('agent');
        await cluster.untilMaster(other.id, 40_000);
        await cluster.untilTold((records) => expect(records.at(-1)).to.include({epoch: 3, why: 'free'}));
      },
    );
  });

  it('survives several agents, one kill -9 after the other', async () => {
    await withCluster({nodes: ['n1'], timings: {leaseTimeout: '60s'}, args: ['--agentLossGrace', '40s']}, async (cluster) => {
      const master = await cluster.up();
      const before = await look(master);
      for (let round = 0; round < 3; round++) {
        await master.kill('agent');
        await cluster.launch(master.id);
        await cluster.untilMaster(master.id);
      }
      expect(await look(master)).to.deep.equal(before);
    });
  });
});

describe('a node whose kind of service has changed while its guardian kept the old one', () => {
  it('lets go of that guardian when nothing runs any more, and may be elected again', async () => {
    await withCluster({nodes: ['n1', 'n2'], service: ensuredWitness(), timings: CALM}, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      const before = await look(master);
      await keepService(cluster, master);
      const changed = new TestNode({...master.plan, service: witness()(master.plan.place)});
      try {
        await changed.launch();
        await eventually(() => changed.isMaster(), 45_000, 'the kept service is not adopted');
        // The active command may be looking after it at this moment.
        await eventually(async () => isDeepStrictEqual(await look(master), before), 45_000, 'it is not the same service');
        const instanceId = (await changed.state()).nodes[master.id]?.instanceId;
        const isHeard = async (): Promise<boolean> => (await other.state()).nodes[master.id]?.instanceId === instanceId;
        await eventually(isHeard, 45_000, 'the next agent is not heard');
        await cluster.untilCounted(changed, other.id);
        const {code, stderr} = await cluster.cli('switchover', '--to', other.id, '--persistenceDir', cluster.persistenceDir);
        expect(code, stderr).to.equal(0);
        await changed.untilState('STANDBY');
        await eventually(async () => (await changed.state()).eligible, 45_000, 'it does not become eligible again');
        await other.terminate();
        await eventually(() => changed.isMaster(), 45_000, 'it does not serve again');
        expect(await changed.served()).to.include({node: master.id});
      } finally {
        await changed.terminate();
      }
    });
  });
});

async function keepService(cluster: Cluster, {id, stateDir}: TestNode): Promise<void> {
  const {persistenceDir} = cluster;
  const {code, stderr} = await cluster.cli(
    'stop',
    '--keepService',
    ...['--persistenceDir', persistenceDir, '--nodeId', id, '--stateDir', stateDir],
  );
  expect(code, stderr).to.equal(0);
}

/** Who serves, as itself and as the host see it, and under whose guard. */
const look = async (node: TestNode): Promise<object> => ({
  served: await node.served(),
  pids: node.servicePids,
  guardian: node.guardianPid,
});

// End to end: `ensure` services as HAL runs them. Commands that start in the background, check, and stop; 0, 2, or a failure.
import fs from 'node:fs';
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {withCluster, type Cluster} from './support/cluster.ts';
import {untilGone} from './support/processes.ts';
import {ensuredWitness} from './support/witness.ts';

const PAIR = {nodes: ['n1', 'n2'], service: ensuredWitness(), timings: {stopTimeout: '5s', leaseTimeout: '60s'}};

describe('an ensure service', () => {
  it('is started (2), found running (0) and moved: the passive form runs here before the other begins', async () => {
    await withCluster(PAIR, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      await eventually(() => calls(cluster, other.id) !== '', 45_000, 'the standby is not made passive');
      expect(calls(cluster, other.id)).to.match(/^(passive passive \S+\n)+$/);
      const before = await master.served();
      const count = calls(cluster, master.id).length;
      await eventually(
        () => calls(cluster, master.id).slice(count).includes('active active 1\n'),
        45_000,
        'it is not checked again',
      );
      expect(await master.served()).to.deep.equal(before);
      expect(master.log(), 'what the active command complained of').not.to.contain('from=active');
      await master.kill('agent');
      await cluster.untilMaster(other.id, 40_000);
      expect(calls(cluster, master.id)).to.match(/passive passive 1\n$/);
      await cluster.untilTold((records) => expect(records.at(-1)).to.include({epoch: 3, why: 'free'}));
    });
  });

  it('whose active form fails makes the node give the lease away', async () => {
    await withCluster(PAIR, async (cluster) => {
      order(cluster, 'n1', 'active', 1);
      await cluster.init();
      for (const {id} of cluster.nodes) await cluster.launch(id);
      await cluster.untilMaster('n2');
      expect(calls(cluster, 'n1').match(/active active 1\n/g)).to.have.length(3);
      await cluster.untilTold((records) => expect(records[0]?.ended?.because).to.contain('exit status 1'));
      expect((await cluster.node('n1').state()).eligible).to.equal(false);
    });
  });

  it('whose passive form fails on a standby makes it not eligible: the next one is elected', async () => {
    await withCluster({...PAIR, nodes: ['n1', 'n2', 'n3']}, async (cluster) => {
      order(cluster, 'n2', 'passive', 1);
      await cluster.init();
      for (const {id} of cluster.nodes) await cluster.launch(id);
      const master = await cluster.untilMaster('n1');
      const n2 = cluster.node('n2');
      await eventually(
        async () => (await n2.state()).because.includes('not eligible'),
        45_000,
        'n2 does not say that it is not eligible',
      );
      expect((await n2.state()).eligible).to.equal(false);
      await cluster.node('n3').untilState('STANDBY');
      await eventually(async () => (await cluster.node('n3').state()).eligible, 45_000, 'n3 is not eligible');
      await master.kill('agent');
      await cluster.untilMaster('n3');
      mend(cluster, 'n2', 'passive');
      await eventually(async () => (await n2.state()).eligible, 45_000, 'n2 does not become eligible again');
    });
  });

  it('whose passive form fails when it is stopped: nothing is released, the silence is waited out, and the guardian goes on trying', async () => {
    await withCluster({...PAIR, timings: {stopTimeout: '3s', leaseTimeout: '10s'}}, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      const {guardian} = master;
      order(cluster, master.id, 'passive', 1);
      await master.kill('agent');
      await cluster.untilMaster(other.id);
      await eventually(
        async () => (await cluster.history()).at(-1)?.why === 'silence',
        45_000,
        'the lock was released without proof',
      );
      expect(master.isRunning('guardian'), 'whether the guardian still sees to its service').to.equal(true);
      mend(cluster, master.id, 'passive');
      await untilGone(guardian, 'the guardian that can prove its service stopped at last');
      expect(await cluster.master()).to.equal(other);
    });
  });

  it('outlives agent and guardian, and the passive form is the proof that lets its node claim again before the silence is over', async () => {
    await withCluster({...PAIR, nodes: ['n1']}, async (cluster) => {
      const master = await cluster.up();
      await master.kill('agent', 'guardian');
      expect(master.servicePids).to.have.length(1);
      await cluster.launch('n1');
      await cluster.untilMaster('n1', 40_000);
      await cluster.untilTold((records) => expect(records.at(-1)).to.include({epoch: 2, why: 'local'}));
    });
  });
});

/** The command of this node shall fail with this status from now on. */
function order(cluster: Cluster, id: string, role: 'active' | 'passive', status: number): void {
  fs.writeFileSync(`${cluster.logFile}.${id}.${role}`, String(status));
}

/** It shall do its work again. */
function mend(cluster: Cluster, id: string, role: 'active' | 'passive'): void {
  fs.rmSync(`${cluster.logFile}.${id}.${role}`);
}

const calls = (cluster: Cluster, id: string): string => fs.readFileSync(`${cluster.logFile}.${id}.calls`, 'utf8');

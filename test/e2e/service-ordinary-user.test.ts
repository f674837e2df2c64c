// End to end: everything as an ordinary user, whose services are held by a process group, or by a user namespace where the host allows it.
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {withCluster} from './support/cluster.ts';
import {NOBODY} from './support/command.ts';
import {witness} from './support/witness.ts';

describe('as an ordinary user', () => {
  const user = process.getuid?.() === 0 ? {user: NOBODY} : {};
  const pair = {nodes: ['n1', 'n2'], ...user};

  it('a service is held by its process group, also one that ignores SIGTERM; the promise line says what that is not safe against', async () => {
    await withCluster({...pair, service: witness('--ignore-term'), timings: {leaseTimeout: '60s'}}, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      expect(master.stdout())
        .to.contain('process group')
        .and.to.contain('not safe against kill -9 of agent and guardian together');
      await master.kill('agent');
      await cluster.untilMaster(other.id, 45_000);
      expect(master.servicePids).to.deep.equal([]);
      await other.terminate();
      expect(other.servicePids).to.deep.equal([]);
    });
  });

  it('kill -9 of agent and guardian takes a service along that does not run away from its group', async () => {
    await withCluster(pair, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      await master.kill('agent', 'guardian');
      await eventually(() => master.servicePids.length === 0, 20_000, 'the service is left');
      await cluster.untilMaster(other.id);
    });
  });

  it('a user namespace, where it is asked for and allowed, holds even a service that runs away', async function () {
    const service = witness('--escape', '--ignore-term');
    const said: string[] = [];
    const allowed = (): boolean => said.some((promise) => promise.includes('PID namespace of a user namespace'));
    await withCluster({nodes: ['n1'], ...user, service, containment: 'namespace'}, async (cluster) => {
      const master = await cluster.up();
      said.push(master.stdout());
      if (!allowed()) return;
      await eventually(() => master.servicePids.length === 2, 20_000, 'there should be two witnesses');
      await master.kill('agent', 'guardian');
      await eventually(() => master.servicePids.length === 0, 20_000, 'processes of the service are left');
    });
    if (!allowed()) {
      console.log('    SKIPPED: this host lets an ordinary user make no PID namespace');
      this.skip();
    }
  });
});

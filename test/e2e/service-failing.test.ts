// End to end: services that never become ready, or crash again and again. The lease goes to a node that can use it, and nobody flaps.
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {withCluster, type Cluster} from './support/cluster.ts';
import {witness, type ServiceOf, type WitnessMode} from './support/witness.ts';

const QUICK_TRIES = {attempts: 2, backoff: '100ms', coolDown: '3s'};

describe('a service that never becomes ready', () => {
  it('A13: is tried so often, then its node gives the lease away and sits out a cool-down, while another one serves', async () => {
    const service = onlyOn('n1', '--mute')({...QUICK_TRIES, startTimeout: '6s', coolDown: '8s'});
    await withCluster({nodes: ['n1', 'n2'], service, timings: {leaseTimeout: '60s'}}, async (cluster) => {
      await launchBoth(cluster);
      const n1 = cluster.node('n1');
      const view = await eventually(
        async () => {
          const seen = await n1.state();
          return seen.because.includes('cooling down') && seen;
        },
        45_000,
        'n1 does not say that it cools down',
      );
      expect(view.state).to.equal('STANDBY');
      expect(view.eligible, 'eligible while it cools down').to.equal(false);
      await cluster.untilMaster('n2');
      expect(cluster.witnessed().runs.filter(({node}) => node === 'n1')).to.have.length(2);
      await cluster.untilTold((records) => expect(records[0]?.ended?.because).to.contain('not ready in time'));
      await eventually(async () => (await n1.state()).eligible, 45_000, 'n1 does not become eligible again');
      expect(await cluster.master()).to.equal(cluster.node('n2'));
    });
  });
});

describe('a service that crashes in a loop', () => {
  it('on one node: that node gives the lease away, and says why', async () => {
    // It still cools down when the other one serves, however long that takes to start.
    const service = onlyOn('n1', '--crash=100')({...QUICK_TRIES, coolDown: '10m'});
    await withCluster({nodes: ['n1', 'n2'], service, timings: {leaseTimeout: '60s'}}, async (cluster) => {
      await launchBoth(cluster);
      const master = await cluster.untilMaster('n2');
      const before = await master.served();
      expect(cluster.witnessed().runs.filter(({node}) => node === 'n1')).to.have.length(2);
      await cluster.untilTold((records) =>
        expect(records[0]?.ended?.because).to.contain('failed 2 times').and.to.contain('exit status 7'),
      );
      expect((await cluster.node('n1').state()).because).to.contain('cooling down');
      expect(await master.served()).to.deep.equal(before);
    });
  });

  it('on every node: each tries so often and no more before its cool-down is over', async () => {
    const service = onlyOn(undefined, '--crash=50')(QUICK_TRIES);
    await withCluster({nodes: ['n1', 'n2'], service, timings: {leaseTimeout: '60s'}}, async (cluster) => {
      await launchBoth(cluster);
      const runsOf = (id: string) => cluster.witnessed().runs.filter(({node}) => node === id);
      await eventually(
        () => runsOf('n1').length >= 3 && runsOf('n2').length >= 3,
        60_000,
        'they do not try again after the cool-down',
      );
      for (const id of ['n1', 'n2']) {
        const runs = runsOf(id);
        const epochs = [...new Set(runs.map(({epoch}) => epoch))];
        for (const epoch of epochs) expect(runs.filter((run) => run.epoch === epoch).length).to.be.at.most(2);
        const [, last, next] = runs;
        const pauseMs = Number(next!.from - last!.to) / 1e6;
        expect(pauseMs, `${id} tried again too early`).to.be.at.least(2_900);
      }
    });
  });

  it('alone: it goes on trying, and status says why nobody is master', async () => {
    const service = onlyOn('n1', '--crash=50')({...QUICK_TRIES, coolDown: '1s'});
    await withCluster({nodes: ['n1'], service}, async (cluster) => {
      await cluster.init();
      await cluster.launch('n1');
      await eventually(() => cluster.witnessed().runs.length >= 2, 30_000, 'it is not tried twice');
      const status = await eventually(
        async () => {
          const {stdout} = await cluster.cli('status', '--persistenceDir', cluster.persistenceDir);
          return /cooling down|service failed/.test(stdout) && stdout;
        },
        30_000,
        'status does not say why',
      );
      expect(status).to.contain('n1');
      await eventually(() => cluster.witnessed().runs.length >= 4, 45_000, 'it is not tried again after its cool-down');
    });
  });
});

/** A witness that misbehaves on one node (undefined: on every node), where these settings of `service:` hold. */
const onlyOn =
  (id: string | undefined, mode: WitnessMode) =>
  (settings: object): ServiceOf =>
  (place) => {
    const bad = id === undefined || place.nodeId === id;
    const made = witness(...(bad ? [mode] : []))(place);
    return bad ? {...made, config: {...made.config, service: settings}} : made;
  };

/** n1 first, so that it is the one that is elected. */
async function launchBoth(cluster: Cluster): Promise<void> {
  await cluster.init();
  for (const {id} of cluster.nodes) await cluster.launch(id);
}

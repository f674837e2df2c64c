// End to end: a watchdog is fed while its node runs the service, disarmed when the service is gone, and fires in time when the node hangs.
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {useTempDir} from '../support/temp-dir.ts';
import {TestWatchdog} from '../support/watchdog.ts';
import {CALM, withCluster, type ClusterOptions} from '../e2e/support/cluster.ts';
import {witness, type ServiceOf} from '../e2e/support/witness.ts';

const W_MS = 1_000;

describe('a watchdog', () => {
  const dir = useTempDir();
  let watchdogs: Readonly<Record<string, TestWatchdog>>;

  beforeEach(async () => {
    watchdogs = {n1: await TestWatchdog.create(dir(), W_MS, 'n1'), n2: await TestWatchdog.create(dir(), W_MS, 'n2')};
  });
  afterEach(async () => {
    for (const watchdog of Object.values(watchdogs)) await watchdog.end();
  });

  const of = ({id}: {readonly id: string}): TestWatchdog => watchdogs[id]!;
  /** The device hears of it a moment after the guardian has done it. */
  const untilDisarmed = (node: {readonly id: string}): Promise<unknown> =>
    eventually(() => of(node).events().at(-1)?.what === 'disarmed', 30_000, `the watchdog of ${node.id} is not disarmed`);

  /** Each node with a device of its own. */
  const watched =
    (keys: Readonly<Record<string, unknown>> = {}): ServiceOf =>
    (place) => {
      const {config, ...rest} = witness()(place);
      const own = {watchdog: 'required', watchdogDevice: of({id: place.nodeId}).device, watchdogTimeout: `${W_MS}ms`};
      return {...rest, config: {...config, ...own, ...keys}};
    };
  const pair = (other: Partial<ClusterOptions> = {}): ClusterOptions => ({nodes: ['n1', 'n2'], service: watched(), ...other});

  it('is armed where the service is, and disarmed where it is no longer: switchover, kill -9 of the agent, stop', async () => {
    await withCluster(pair({timings: CALM}), async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      await of(master).until('fed', 3);
      expect(
        of(other)
          .events()
          .map(({what}) => what),
      ).to.deep.equal(['ready']);

      const {code, stderr} = await cluster.cli('switchover', '--to', other.id, '--persistenceDir', cluster.persistenceDir);
      expect(code, stderr).to.equal(0);
      await untilDisarmed(master);
      await of(other).until('fed', 3);

      await other.kill('agent');
      await cluster.untilMaster(master.id, 45_000);
      await untilDisarmed(other);

      await master.terminate();
      await untilDisarmed(master);
      expect([of(master).seen('reset'), of(other).seen('reset')]).to.deep.equal([0, 0]);
    });
  });

  it('resets a host whose agent and guardian are frozen before another node takes over', async () => {
    await withCluster(pair({timings: {leaseTimeout: '8s', safetyMargin: '3s'}}), async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      await of(master).until('fed', 3);
      of(master).willKill([master.agentPid, master.guardianPid]);
      master.freeze('agent', 'guardian');
      await of(master).until('reset');
      // That nobody served beside it is what the witnesses are asked for at the end.
      await cluster.untilMaster(other.id);
      expect(master.servicePids).to.deep.equal([]);
      await of(other).until('fed');
    });
  });

  it('fires after kill -9 of agent and guardian together: nobody is left who could know that the service is gone', async () => {
    await withCluster(pair({nodes: ['n1'], timings: {leaseTimeout: '60s'}}), async (cluster) => {
      const master = await cluster.up();
      const watchdog = of(master);
      await watchdog.until('fed', 3);
      await master.kill('agent', 'guardian');
      await watchdog.until('reset');
      expect(watchdog.seen('disarmed')).to.equal(0);
    });
  });

  it('that is required and cannot be armed keeps its node from being elected, and says why, until it can be', async () => {
    const nowhere: ServiceOf = (place) => watched(place.nodeId === 'n1' ? {watchdogDevice: `${dir()}/late`} : {})(place);
    await withCluster(pair({service: nowhere}), async (cluster) => {
      await cluster.init();
      for (const node of cluster.nodes) await node.launch();
      await cluster.untilMaster('n2');
      const view = await cluster.node('n1').untilState('STANDBY');
      expect(view).to.include({eligible: false});
      const line = await eventually(
        async () => (await cluster.node('n1').state()).because.includes(`the watchdog it needs: ${dir()}/late is not there`),
        30_000,
        'the reason is not shown',
      );
      expect(line).to.equal(true);
      const late = await TestWatchdog.create(dir(), W_MS, 'late');
      try {
        await eventually(async () => (await cluster.node('n1').state()).eligible, 45_000, 'n1 is not eligible');
        await cluster.node('n2').terminate();
        await cluster.untilMaster('n1');
        await late.until('fed', 3);
        await cluster.node('n1').terminate();
      } finally {
        await late.end();
      }
    });
  });

  it('that is only wanted is done without, with a warning', async () => {
    const service = watched({watchdog: 'automatic', watchdogDevice: '/dev/no-such-watchdog'});
    await withCluster(pair({nodes: ['n1'], service}), async (cluster) => {
      const master = await cluster.up();
      expect(master.log()).to.contain('the service runs without a watchdog: /dev/no-such-watchdog is not there');
    });
  });

  it('that is only wanted and would fire too late is not armed, and not promised', async () => {
    const service = watched({watchdog: 'automatic', watchdogTimeout: '57s'});
    const timings = {leaseTimeout: '60s', heartbeatInterval: '1s'};
    await withCluster(pair({nodes: ['n1'], service, timings}), async (cluster) => {
      const master = await cluster.up();
      expect(master.log()).to.match(/the service runs without a watchdog: .* is more than leaseTimeout 60000 ms/);
      expect(master.stdout()).not.to.contain('watchdog');
      expect(of(master).seen('armed')).to.equal(0);
    });
  });

  it('that is required and would fire too late is refused with exit status 3', async () => {
    await withCluster(pair({nodes: ['n1'], service: watched({watchdogTimeout: '20s'})}), async (cluster) => {
      await cluster.init();
      const node = cluster.node('n1');
      node.start();
      expect((await node.exit()).code).to.equal(3);
      expect(node.log()).to.contain('is more than leaseTimeout 6000 ms').and.to.contain('soft_margin');
    });
  });
});

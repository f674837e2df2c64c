// The server stands still for longer and longer: the master rides out T - S - d, then its guardian stops the service, and nobody else can start.
import {expect} from 'chai';
import type {Run} from '../e2e/support/witness-log.ts';
import {skipAloud} from '../store/temp-store.ts';
import {eventually} from '../support/eventually.ts';
import {DEFAULTS, ENDS_MS} from './support/defaults.ts';
import {noteFinding} from './support/findings.ts';
import type {LabCluster} from './support/lab-cluster.ts';
import type {LabNode} from './support/lab-node.ts';
import {withWatchedCluster} from './support/lock-watch.ts';
import {LEASE_MS, MARGIN_MS, SHORT_LEASE} from './support/takeover.ts';
import {awaitRunAfter, awaitStopped, hostNs, nsOf, runsOf, seconds, sleepUntil} from './support/trace.ts';
import {useLab} from './support/use-lab.ts';

const LONG = process.env['HA_AGENT_LONG'] === '1';
const RENEWED_MS = 60_000;
const WHY_LONG = 'the server stands still for 120 s: HA_AGENT_LONG=1 runs it';

/** The server answers nothing from the first moment on at the latest, and again from the second on. */
interface Freeze {
  readonly beganNs: bigint;
  readonly endedNs: bigint;
}

/** `meanwhile` is run while the server stands still, which it does for at least so long. */
async function freezeServer(
  {lab}: LabCluster,
  forMs: number,
  meanwhile: () => Promise<unknown> = async () => undefined,
): Promise<Freeze> {
  const from = hostNs();
  await lab.freeze('server');
  const beganNs = hostNs();
  await meanwhile();
  await sleepUntil(from + nsOf(forMs));
  const endedNs = hostNs();
  await lab.thaw('server');
  return {beganNs, endedNs};
}

for (const vers of ['3', '4.2'] as const) {
  describe(`a server that stands still, on NFS ${vers}`, function () {
    this.timeout(400_000);
    const lab = useLab({vers, clients: 2, graceS: 10});

    it('for 10 s stops nothing: with the default timings the same service serves on', async () => {
      await withWatchedCluster(lab(), {nodes: 2, timings: DEFAULTS}, async (cluster) => {
        const master = await cluster.up();
        const {endedNs} = await freezeServer(cluster, 10_000);
        const renewedNs = await awaitRenewal(master);
        const runs = await runsOf(cluster);
        expect(runs.map(({node, epoch}) => [node, epoch])).to.deep.equal([[master.id, 1]]);
        expect((await cluster.masters()).map(({id}) => id)).to.deep.equal([master.id]);
        noteFinding({
          vers,
          scenario: 'the server stands still for 10 s, default timings',
          expected: 'the service serves on',
          observed: `it served on under epoch 1; the next renewal was seen ${seconds(renewedNs - endedNs)} after the server went on`,
        });
      });
    });

    it('for 25 s stops the service in time, nobody else starts it, and the same node goes on under the same epoch', async () => {
      await withWatchedCluster(lab(), {nodes: 2, timings: DEFAULTS}, async (cluster) => {
        const master = await cluster.up();
        const stopped = await stopsInTime(cluster, {forMs: 25_000, endsMs: ENDS_MS});
        const again = await awaitRunAfter(cluster, stopped.run);
        await cluster.awaitMaster(master.id);
        expect([again.node, again.epoch]).to.deep.equal([master.id, 1]);
        const history = await cluster.history();
        expect(history.map(({epoch, to}) => [epoch, to.nodeId])).to.deep.equal([[1, master.id]]);
        noteFinding({
          vers,
          scenario: 'the server stands still for 25 s, default timings',
          expected: 'the service is stopped before T - d = 28 s, nobody starts it, the same node goes on under the same epoch',
          observed:
            `stopped ${stopped.after}, nobody started; ` +
            `active again under epoch 1 ${seconds(again.from - stopped.freeze.endedNs)} after the server went on`,
        });
      });
    });

    const longer = 'for four leases: nobody starts the service meanwhile, and one node serves when it is over';
    it(longer, async () => {
      await withWatchedCluster(lab(), {nodes: 2, timings: SHORT_LEASE}, async (cluster) => {
        await outlastsLease(cluster, {forMs: 4 * LEASE_MS, endsMs: LEASE_MS - MARGIN_MS}, 'four leases (T = 8 s)');
      });
    });

    it(`${longer} (default timings, 120 s)`, async function () {
      if (!LONG) return skipAloud(this, WHY_LONG);
      await withWatchedCluster(lab(), {nodes: 2, timings: DEFAULTS}, async (cluster) => {
        await outlastsLease(cluster, {forMs: 120_000, endsMs: ENDS_MS}, '120 s, default timings');
      });
    });

    /** The owner has started nothing for a whole lease by then: it lets go, so that another node can try. */
    async function outlastsLease(cluster: LabCluster, given: Given, what: string): Promise<void> {
      const master = await cluster.up();
      const stopped = await stopsInTime(cluster, given);
      const again = await awaitRunAfter(cluster, stopped.run);
      const next = await cluster.awaitMaster();
      expect(again.node).to.equal(next.id);
      expect(again.epoch).to.be.at.least(stopped.run.epoch);
      const {to, epoch} = (await cluster.history()).at(-1)!;
      expect([to.nodeId, epoch]).to.deep.equal([next.id, again.epoch]);
      for (const other of cluster.others(next)) expect((await other.untilState('STANDBY')).masterId).to.equal(next.id);
      noteFinding({
        vers,
        scenario: `the server stands still for ${what}`,
        expected: 'the service is stopped before T - d, nobody starts it, and when it is over exactly one node serves',
        observed:
          `stopped ${stopped.after}, nobody started; active again ${seconds(again.from - stopped.freeze.endedNs)} after the server ` +
          `went on, under epoch ${again.epoch} on ${next === master ? 'the same' : 'the other'} node`,
      });
    }
  });
}

/** Waits until it holds a lease that began less than 5 s ago. @returns when that was seen */
async function awaitRenewal(master: LabNode): Promise<bigint> {
  await eventually(
    async () => ((await master.state()).leaseLeftMs ?? 0) > 25_000,
    RENEWED_MS,
    `${master.id} has not renewed its lease`,
  );
  return hostNs();
}

interface Given {
  readonly forMs: number;
  /** How long after the last renewal the service has ended at the latest. */
  readonly endsMs: number;
}

interface Stopped {
  readonly run: Run;
  readonly freeze: Freeze;
  /** How long after the freeze, for a finding. */
  readonly after: string;
}

/** The service stops while the server stands still, early enough, and nothing is started meanwhile. */
async function stopsInTime(cluster: LabCluster, {forMs, endsMs}: Given): Promise<Stopped> {
  const [before] = await runsOf(cluster);
  const freeze = await freezeServer(cluster, forMs, () => awaitStopped(cluster));
  const runs = (await runsOf(cluster)).filter(({from}) => from < freeze.endedNs);
  expect(
    runs.map(({family}) => family),
    'started while the server stood still',
  ).to.deep.equal([before?.family]);
  const run = runs[0]!;
  // No renewal was issued later than the freeze and answered before the thaw.
  expect(run.to < freeze.beganNs + nsOf(endsMs), `stopped ${seconds(run.to - freeze.beganNs)} after`).to.equal(true);
  return {run, freeze, after: `${seconds(run.to - freeze.beganNs)} after`};
}

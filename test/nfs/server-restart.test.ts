// The server's NFS service is restarted, and its power cut: with short lease and grace times a master with the default timings rides it out.
import path from 'node:path';
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {skipAloud} from '../store/temp-store.ts';
import {formatLockName} from '../../lib/protocol/lock-name.ts';
import type {Lab} from '../../scripts/nfs-lab/lab.ts';
import type {Run} from '../e2e/support/witness-log.ts';
import {DEFAULTS, ENDS_MS, RIDES_OUT_MS} from './support/defaults.ts';
import {noteFinding} from './support/findings.ts';
import type {LabCluster} from './support/lab-cluster.ts';
import type {LabNode} from './support/lab-node.ts';
import {LockWatch, withWatchedCluster, type Sighting} from './support/lock-watch.ts';
import {hostNs, nsOf, runsOf, seconds} from './support/trace.ts';
import {useLab} from './support/use-lab.ts';

const LONG = process.env['HA_AGENT_LONG'] === '1';
const WHY_LONG = 'a whole grace period of 90 s: HA_AGENT_LONG=1 runs it';
const GRACE_S = 10;
const SERVES_MS = 200_000;
/** So many of them say that it works again. */
const RENEWALS = 5;
const SHORT_GRACE = `lease and grace time ${GRACE_S} s, default timings`;
const OPEN_MS = 30_000;
const DEAD_CLIENT = 'c3';

for (const vers of ['3', '4.2'] as const) {
  describe(`a server that is restarted, on NFS ${vers}`, function () {
    this.timeout(300_000);
    const lab = useLab({vers, clients: 3, graceS: GRACE_S});

    it('with all its clients alive: a master with the default timings rides it out', async () => {
      await withWatchedCluster(lab(), {timings: DEFAULTS, nodes: 2}, async (cluster, watch) => {
        const master = await cluster.up();
        const silence = await ridesOut(cluster, watch, master, () => lab().server.restart());
        noteFinding({
          vers,
          scenario: `nfsd is restarted, all clients alive, ${SHORT_GRACE}`,
          expected: 'the service serves on',
          observed: `it served on; the lock stood still for ${silence}`,
        });
      });
    });

    const dead = 'with one client dead that held an open file';
    it(`${dead}: the master comes through it, or its service stops in time and goes on under the same epoch`, async () => {
      await withWatchedCluster(lab(), {timings: DEFAULTS, nodes: 2}, async (cluster, watch) => {
        const master = await cluster.up();
        await dieHoldingAFile(lab(), cluster);
        const beganNs = hostNs();
        await lab().server.restart();
        const restartedNs = hostNs();
        await watch.awaitRenewals(RENEWALS);
        const silence = watch.longestSilenceNs(beganNs);
        if (vers !== '3') expect(silence > nsOf(GRACE_S * 1_000), `the lock stood still for ${seconds(silence)}`).to.equal(true);
        const story = await cameThrough(cluster, master, {beganNs, overNs: restartedNs});
        noteFinding({
          vers,
          scenario: `nfsd is restarted ${dead}, ${SHORT_GRACE}`,
          expected:
            (vers === '3' ? '' : 'RENAME is refused for the whole grace period; ') +
            'the service serves on, or is stopped in time and goes on under the same epoch',
          observed: `the lock stood still for ${seconds(silence)}; ${story}`,
        });
      });
    });

    it('by a power cut: the master comes through it, or its service stops in time and goes on under the same epoch', async () => {
      await withWatchedCluster(lab(), {timings: DEFAULTS, nodes: 2}, async (cluster, watch) => {
        const master = await cluster.up();
        const offNs = hostNs();
        await lab().crash('server');
        const goneNs = hostNs();
        const before = watch.latest;
        await lab().boot('server');
        const onNs = hostNs();
        const after = await LockWatch.open(lab(), cluster.persistenceDir);
        try {
          await after.awaitRenewals(RENEWALS);
          after.check();
          const story = await cameThrough(cluster, master, {beganNs: offNs, overNs: goneNs});
          noteFinding({
            vers,
            scenario: `power cut of the server, on again after ${seconds(onNs - offNs)}, ${SHORT_GRACE}`,
            expected: 'the service serves on, or is stopped in time and goes on under the same epoch',
            observed: `the first renewal came ${seconds(firstRenewalNs(after, before) - offNs)} after the cut; ${story}`,
          });
        } finally {
          after.release();
        }
      });
    });
  });
}

describe("a server with the kernel's own grace period of 90 s, on NFS 4.2", function () {
  this.timeout(400_000);
  before(function () {
    if (!LONG) skipAloud(this, WHY_LONG);
  });
  const lab = useLab({vers: '4.2', clients: 3});

  it('that is restarted while one client is dead: the service stops in time, nobody else starts it before the grace period is over', async () => {
    await withWatchedCluster(lab(), {timings: DEFAULTS, nodes: 2}, async (cluster, watch) => {
      const master = await cluster.up();
      await dieHoldingAFile(lab(), cluster);
      const beganNs = hostNs();
      await lab().server.restart();
      const restartedNs = hostNs();
      await watch.awaitRenewals(RENEWALS, SERVES_MS);
      const silence = watch.longestSilenceNs(beganNs);
      expect(silence > nsOf(RIDES_OUT_MS), `the lock stood still for only ${seconds(silence)}`).to.equal(true);
      const next = await cluster.awaitMaster();
      const [run, again, ...more] = await settled(cluster, next);
      expect([run?.node, again?.node, more.length]).to.deep.equal([master.id, next.id, 0]);
      expect(run!.to < restartedNs + nsOf(ENDS_MS), `stopped ${seconds(run!.to - beganNs)} after`).to.equal(true);
      noteFinding({
        vers: '4.2',
        scenario: 'nfsd is restarted, one client dead that held an open file, grace time 90 s, default timings',
        expected:
          'RENAME is refused for the whole grace period: the service is stopped in time, and one node serves when it is over',
        observed:
          `the lock stood still for ${seconds(silence)}; stopped ${seconds(run!.to - beganNs)} and active again ` +
          `${seconds(again!.from - beganNs)} after the restart, under epoch ${again!.epoch} on ${next === master ? 'the same' : 'the other'} node`,
      });
    });
  });
});

/** The trouble passes, and the very service that ran before runs after it. @returns how long the lock stood still */
async function ridesOut(cluster: LabCluster, watch: LockWatch, master: LabNode, trouble: () => Promise<void>): Promise<string> {
  const beganNs = hostNs();
  await trouble();
  await watch.awaitRenewals(RENEWALS);
  const silence = watch.longestSilenceNs(beganNs);
  const runs = await settled(cluster, master);
  expect(runs.map(({node, epoch}) => [node, epoch])).to.deep.equal([[master.id, 1]]);
  return seconds(silence);
}

/** From then on nothing was renewed for a while: not before the first moment, and certainly after the second one. */
interface Trouble {
  readonly beganNs: bigint;
  readonly overNs: bigint;
}

/** The same node serves under the same epoch; if its service was stopped meanwhile, that was early enough. @returns what happened */
async function cameThrough(cluster: LabCluster, master: LabNode, {beganNs, overNs}: Trouble): Promise<string> {
  const [run, again, ...more] = await settled(cluster, master);
  expect([run?.node, run?.epoch, more.length]).to.deep.equal([master.id, 1, 0]);
  if (!again) return 'it served on';
  expect([again.node, again.epoch]).to.deep.equal([master.id, 1]);
  const after = (ns: bigint): string => seconds(ns - beganNs);
  expect(run!.to < overNs + nsOf(ENDS_MS), `stopped ${after(run!.to)} after`).to.equal(true);
  return `stopped ${after(run!.to)} and active again ${after(again.from)} after it began`;
}

/** One node is master, and the other one follows it. @returns all runs so far */
async function settled(cluster: LabCluster, master: LabNode): Promise<readonly Run[]> {
  await cluster.awaitMaster(master.id);
  for (const node of cluster.others(master)) expect((await node.untilState('STANDBY')).masterId).to.equal(master.id);
  return runsOf(cluster);
}

/** As the server sees it after it was off: at the latest when the first name is seen that is another one than before. */
function firstRenewalNs(after: LockWatch, before: Sighting): bigint {
  const text = before.name && formatLockName(before.name);
  const first = after.sightings.find(({name}) => name && formatLockName(name) !== text);
  if (!first) throw new Error('the lock has not been renewed');
  return first.seenNs;
}

/** The server knows of this client and what it had open, and waits for it after a restart. */
async function dieHoldingAFile(lab: Lab, {persistenceDir}: LabCluster): Promise<void> {
  let said = '';
  const file = path.join(persistenceDir, 'held-by-the-dead');
  const holder = await lab.start(DEAD_CLIENT, ['sh', '-c', `exec 3>>${file}; echo open; exec sleep 600`], {
    onStdout: (piece) => (said += piece.toString()),
  });
  await eventually(() => said.includes('open'), OPEN_MS, `${DEAD_CLIENT} cannot open ${file}`);
  await lab.crash(DEAD_CLIENT);
  holder.release();
}

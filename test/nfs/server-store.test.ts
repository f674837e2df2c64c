// The share itself is changed under running agents: restored from an older copy, emptied, unmounted, its files and directories replaced.
import path from 'node:path';
import {expect} from 'chai';
import type {Run} from '../e2e/support/witness-log.ts';
import {EXPORTED} from '../../scripts/nfs-lab/plan.ts';
import {skipAloud} from '../store/temp-store.ts';
import {eventually} from '../support/eventually.ts';
import {noteFinding} from './support/findings.ts';
import {withLabCluster, type LabCluster} from './support/lab-cluster.ts';
import type {LabNode} from './support/lab-node.ts';
import {LockWatch, withWatchedCluster} from './support/lock-watch.ts';
import {launchInTurn, LEASE_MS, loseMaster, MARGIN_MS, settles, SHORT_LEASE} from './support/takeover.ts';
import {awaitRunAfter, awaitSays, awaitStopped, hostNs, nsOf, runsOf, seconds, sleepUntil} from './support/trace.ts';
import {useLab} from './support/use-lab.ts';

const LONG = process.env['HA_AGENT_LONG'] === '1';
const WHY_LONG = 'evidence is believed only after 60 s: HA_AGENT_LONG=1 runs it';
/** The first warning, without its time. */
const WARNED = / warn +([^\n]*)/;
/** A client may believe for 60 s what it knew of a directory. */
const NOTICED_MS = 150_000;
const HEARD_MS = 60_000;
const MISSING = /not the store we knew: the directory .* does not exist/;
/** The lock may be renamed while it is copied. */
const COPY =
  'for try in 1 2 3 4 5; do rm -rf older; cp -a default older && test $(ls older/lock.* | wc -l) = 1 && exit; done; exit 1';
const DECIDE = /not the store we knew: .*; bring the right one back, or decide with "ha-agent accept"/;

for (const vers of ['3', '4.2'] as const) {
  describe(`a share, on NFS ${vers},`, function () {
    this.timeout(400_000);
    const lab = useLab({vers, clients: 2, graceS: 10});

    it('that is restored from an older copy: the service is stopped in time, nothing is claimed or extended, until the operator accepts it', async () => {
      await withLabCluster(lab(), {nodes: 2, timings: SHORT_LEASE}, async (cluster) => {
        const {restoredNs, watch, run, says} = await restoreOlder(cluster);
        try {
          // A standby that believed it would have claimed it by then.
          await sleepUntil(restoredNs + nsOf(2 * LEASE_MS));
          expect(watch.sightings, watch.story()).to.have.length(1);
          expect(await cluster.masters()).to.deep.equal([]);
        } finally {
          watch.release();
        }
        const acceptedEpoch = await accept(cluster);
        await Promise.all(cluster.nodes.map((node) => node.launch()));
        const next = await cluster.awaitMaster();
        const again = await awaitRunAfter(cluster, run);
        expect([again.node, again.epoch]).to.deep.equal([next.id, acceptedEpoch + 1]);
        expect(acceptedEpoch).to.be.above(run.epoch);
        noteFinding({
          vers,
          scenario: 'the store is removed and restored from an older copy under running agents, then accepted',
          expected:
            'the service is stopped before T - d = 7 s, nothing is claimed or extended; after "ha-agent accept" epochs go on above',
          observed:
            `stopped ${seconds(run.to - restoredNs)} after it; both said "${says}"; ` +
            `the lock was left alone; after accept, epoch ${again.epoch}`,
        });
      });
    });

    it('that stays an older copy: after a minute every node says what to do, and no node is master', async function () {
      if (!LONG) return skipAloud(this, WHY_LONG);
      await withLabCluster(lab(), {nodes: 2, timings: SHORT_LEASE}, async (cluster) => {
        const {restoredNs, watch} = await restoreOlder(cluster);
        try {
          for (const node of cluster.nodes) await awaitSays(node, DECIDE, NOTICED_MS);
          const decidedNs = hostNs();
          expect(watch.sightings, watch.story()).to.have.length(1);
          expect(await cluster.masters()).to.deep.equal([]);
          noteFinding({
            vers,
            scenario: 'the store stays an older copy',
            expected: 'after more than 60 s every node says what to do; nothing is claimed or extended',
            observed: `both said 'bring the right one back, or decide with "ha-agent accept"' ${seconds(decidedNs - restoredNs)} after it; the lock was left alone`,
          });
        } finally {
          watch.release();
        }
      });
    });

    it('that is empty for a while: both nodes say so, nobody starts anything, and one serves when the store is back', async () => {
      await withWatchedCluster(lab(), {nodes: 2, timings: SHORT_LEASE}, async (cluster, watch) => {
        const master = await cluster.up();
        const awayNs = hostNs();
        await onServer(cluster, 'mv default default.away');
        // Until its client looks at the directory again, the master goes on renewing where the store is now.
        for (const node of cluster.nodes) await awaitSays(node, MISSING, NOTICED_MS);
        const noticedNs = hostNs();
        const run = await awaitStopped(cluster);
        expect([run.node, run.epoch]).to.deep.equal([master.id, 1]);
        const backNs = hostNs();
        await onServer(cluster, 'mv default.away default');
        const again = await awaitRunAfter(cluster, run);
        const next = await cluster.awaitMaster();
        await watch.awaitRenewals(3);
        expect([again.node, again.epoch]).to.deep.equal([next.id, watch.epoch]);
        noteFinding({
          vers,
          scenario: 'the share is empty for a while',
          expected: 'both nodes say so, the service is stopped, nobody starts it; one serves when the store is back',
          observed:
            `both had noticed after ${seconds(noticedNs - awayNs)}, stopped after ${seconds(run.to - awayNs)}; active again ` +
            `${seconds(again.from - backNs)} after the store was back, under epoch ${again.epoch} on ${next === master ? 'the same' : 'the other'} node`,
        });
      });
    });

    it('that is unmounted under the master (umount -l): its service ends in time, another takes over, and mounted again it is a standby', async () => {
      await withWatchedCluster(lab(), {nodes: 2, timings: SHORT_LEASE}, async (cluster, watch) => {
        const [n1, n2] = [cluster.node('n1'), cluster.node('n2')];
        await launchInTurn(cluster, n1);
        const {story} = await loseMaster(cluster, watch, n1, () => lab().unmount(n1.machine));
        await awaitSays(n1, MISSING);
        const mountedNs = hostNs();
        await lab().mount(n1.machine);
        const followedNs = await settles(cluster, watch, n2);
        noteFinding({
          vers,
          scenario: 'the share is unmounted under the master (umount -f -l), and mounted again',
          expected:
            'its service ends before T - d = 7 s, another claims after T = 8 s; mounted again it is a standby, without a restart',
          observed: `${story}; the node said that the directory does not exist; a standby ${seconds(followedNs - mountedNs)} after the mount`,
        });
      });
    });

    it('whose directories and files are replaced on the server: heartbeats recover by themselves, and the service serves on', async () => {
      await withWatchedCluster(lab(), {nodes: 2, timings: SHORT_LEASE}, async (cluster, watch) => {
        const [n1, n2] = [cluster.node('n1'), cluster.node('n2')];
        await launchInTurn(cluster, n1);
        const marks = cluster.nodes.map((node) => node.log.length);
        const copies = 'for f in nodes/*.json; do cp -p $f new && mv new $f; done';
        const took = [];
        for (const what of [`cd default && ${copies}`, 'cd default && rm -rf nodes && mkdir -m 700 nodes']) {
          const sinceNs = hostNs();
          await onServer(cluster, what);
          await hearEachOther(n1, n2);
          took.push(seconds(hostNs() - sinceNs));
        }
        await onServer(cluster, 'cd default && rm -rf history control && mkdir -m 700 history control');
        await watch.awaitRenewals(10);
        expect((await runsOf(cluster)).map(({node, epoch}) => [node, epoch])).to.deep.equal([['n1', 1]]);
        const said = cluster.nodes.flatMap((node, index) => WARNED.exec(node.log.slice(marks[index]))?.[1] ?? []);
        noteFinding({
          vers,
          scenario: 'heartbeat files, then the directory of heartbeats are replaced on the server',
          expected: 'heartbeats recover by themselves, the service serves on',
          observed: `both nodes heard each other again within ${took.join(' and ')}; said: ${said.join('; ') || 'nothing'}; it served on`,
        });
      });
    });
  });
}

/** Where the server has what the cluster's persistenceDir is. */
const onServer = async ({lab, persistenceDir}: LabCluster, script: string): Promise<string> =>
  lab.must('server', ['sh', '-ec', `cd ${path.join(EXPORTED, path.basename(persistenceDir))}; ${script}`]);

interface Restored {
  readonly restoredNs: bigint;
  /** Opened afterwards. */
  readonly watch: LockWatch;
  readonly run: Run;
  readonly says: string;
}

/** A copy of an earlier epoch takes the place of the store, and both nodes notice. */
async function restoreOlder(cluster: LabCluster): Promise<Restored> {
  const [n1, n2] = [cluster.node('n1'), cluster.node('n2')];
  await launchInTurn(cluster, n1);
  await onServer(cluster, COPY);
  const older = (await n1.state()).epoch;
  const {status, stderr} = await cluster.cli('switchover', '--persistenceDir', cluster.persistenceDir);
  expect(status, stderr).to.equal(0);
  await cluster.awaitMaster(n2.id);
  const {epoch} = await n2.state();
  // Heartbeats are created again while it is being removed.
  await onServer(cluster, 'until rm -rf default; do :; done; cp -a older default; sync');
  const restoredNs = hostNs();
  const watch = await LockWatch.open(cluster.lab, cluster.persistenceDir);
  const says = `the lock shows epoch ${older}, but epoch ${epoch} has been seen before`;
  for (const node of cluster.nodes) await awaitSays(node, new RegExp(`this is not the store we knew: ${says}`), NOTICED_MS);
  const run = await awaitStopped(cluster);
  expect([run.node, run.epoch]).to.deep.equal([n2.id, epoch]);
  expect(run.to < restoredNs + nsOf(LEASE_MS - MARGIN_MS), `stopped ${seconds(run.to - restoredNs)} after`).to.equal(true);
  return {restoredNs, watch, run, says};
}

/** All agents are stopped, and the operator decides. @returns the epoch of the store from then on */
async function accept(cluster: LabCluster): Promise<number> {
  for (const node of cluster.nodes) await node.terminate();
  const [first] = cluster.nodes;
  const {stdout, stderr} = await cluster.cliOn(
    first!,
    'accept',
    '--json',
    '--persistenceDir',
    cluster.persistenceDir,
    '--stateDir',
    first!.plan.stateDir,
  );
  expect(stdout, stderr).to.match(/^\{/);
  return (JSON.parse(stdout) as {epoch: number}).epoch;
}

/** Each sees heartbeats of the other that were written from now on. */
async function hearEachOther(one: LabNode, two: LabNode): Promise<void> {
  for (const [node, other] of [
    [one, two],
    [two, one],
  ] as const) {
    const heard = async (): Promise<number> => (await node.state()).nodes[other.id]?.localTimestamp ?? 0;
    const before = await heard();
    await eventually(async () => (await heard()) > before + 2_000, HEARD_MS, `${node.id} does not hear ${other.id}`);
  }
}

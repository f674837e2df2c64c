// The server carries a rename out, its reply is lost, and the server forgets it: the winner is told ENOENT, and must not believe that it has lost.
import {expect} from 'chai';
import type {LockName} from '../../lib/protocol/lock-name.ts';
import type {Lab} from '../../scripts/nfs-lab/lab.ts';
import {makeForget} from '../../scripts/nfs-lab/lost-reply.ts';
import {eventually} from '../support/eventually.ts';
import {noteFinding} from './support/findings.ts';
import type {LabNode} from './support/lab-node.ts';
import {withWatchedCluster, type LockWatch} from './support/lock-watch.ts';
import {launchInTurn} from './support/takeover.ts';
import {hostNs, nsOf, runsOf, seconds} from './support/trace.ts';
import {useLab} from './support/use-lab.ts';

/** Longer than all the trouble: here nothing is to happen but the loss of one reply. */
const PATIENT = {leaseTimeout: '90s'};
/** What the server sends takes so long: time enough to see what it has done, and to cut the cable before the reply is out. */
const DELAY_MS = 3_000;
const TOLD_MS = 120_000;

interface Loss {
  readonly node: LabNode;
  /** Brings the call about. */
  readonly begin?: () => Promise<unknown>;
  /** Whether the server has carried it out. */
  readonly isMade: (name: LockName) => boolean;
}

for (const vers of ['3', '4.2'] as const) {
  // With version 3 the reply cache outlives a restart of the service.
  const forget = vers === '3' ? 'crash' : 'restart';
  const forgetting = forget === 'crash' ? 'a power cut of the server' : 'a restart of nfsd';

  describe(`a rename whose reply is lost in ${forgetting}, on NFS ${vers}`, function () {
    this.timeout(300_000);
    const lab = useLab({vers, clients: 2, graceS: 10});

    it('renewing: the owner is told that it failed, renews again and serves on, and nobody takes over', async () => {
      await withWatchedCluster(lab(), {nodes: 2, timings: PATIENT}, async (cluster, watch) => {
        const [n1, n2] = [cluster.node('n1'), cluster.node('n2')];
        await launchInTurn(cluster, n1);
        const attempt = watch.latest.name?.attempt ?? 0;
        // The very next one may have been under way before the delay.
        const lostNs = await lose(lab(), watch, forget, {node: n1, isMade: (name) => name.attempt > attempt + 1});
        const renewals = await eventually(async () => {
          const {renewalFailures, renewals} = await leaseCounts(n1);
          return renewalFailures > 0 && renewals;
        }, TOLD_MS);
        await eventually(async () => (await leaseCounts(n1)).renewals > renewals, TOLD_MS);
        const tookNs = hostNs() - lostNs;
        expect((await n2.untilState('STANDBY')).masterId).to.equal('n1');
        await cluster.awaitMaster('n1');
        expect((await runsOf(cluster)).map(({node, epoch}) => [node, epoch])).to.deep.equal([['n1', 1]]);
        noteFinding({
          vers,
          scenario: `the reply to a renewal is lost in ${forgetting}`,
          expected: 'the owner is told that it failed (ENOENT), looks, renews again and serves on under the same epoch',
          observed: `told so; renewed again and serving ${seconds(tookNs)} after the cut`,
        });
      });
    });

    it('claiming: the standby is told that it failed, finds that the lock is its own, and serves under the one epoch it claimed', async () => {
      await withWatchedCluster(lab(), {nodes: 2, timings: PATIENT}, async (cluster, watch) => {
        const [n1, n2] = [cluster.node('n1'), cluster.node('n2')];
        await launchInTurn(cluster, n1);
        const lostNs = await lose(lab(), watch, forget, {
          node: n2,
          begin: () => n1.signal('SIGTERM', 'agent'),
          isMade: ({kind, writer}) => kind === 'held' && writer?.nodeId === 'n2',
        });
        await n1.end();
        await cluster.awaitMaster('n2');
        const tookNs = hostNs() - lostNs;
        // No claim of its own has ever been answered with success, and yet it is master.
        expect((await leaseCounts(n2)).claims).to.equal(0);
        expect((await runsOf(cluster)).map(({node, epoch}) => [node, epoch])).to.deep.equal([
          ['n1', 1],
          ['n2', 3],
        ]);
        expect((await cluster.history(n2)).map(({epoch, to}) => [epoch, to.nodeId])).to.deep.equal([
          [1, 'n1'],
          [3, 'n2'],
        ]);
        noteFinding({
          vers,
          scenario: `the reply to a claim is lost in ${forgetting}`,
          expected: 'the standby is told that it failed (ENOENT), looks, renews what it finds to be its own, and serves',
          observed: `told so; it served ${seconds(tookNs)} after the cut, under the epoch that it had claimed`,
        });
      });
    });

    it('releasing: the owner finds that it has happened and ends cleanly, and the other node serves under the next epoch', async () => {
      await withWatchedCluster(lab(), {nodes: 2, timings: PATIENT}, async (cluster, watch) => {
        const [n1, n2] = [cluster.node('n1'), cluster.node('n2')];
        await launchInTurn(cluster, n1);
        const lostNs = await lose(lab(), watch, forget, {
          node: n1,
          begin: () => n1.signal('SIGTERM', 'agent'),
          isMade: ({kind, epoch}) => kind === 'free' || epoch > 2,
        });
        await n1.end(TOLD_MS);
        const tookNs = hostNs() - lostNs;
        expect(n1.log).to.match(/ ended: SIGTERM code=0/);
        await cluster.awaitMaster('n2');
        expect((await runsOf(cluster)).map(({node, epoch}) => [node, epoch])).to.deep.equal([
          ['n1', 1],
          ['n2', 3],
        ]);
        expect((await cluster.history(n2)).at(0)?.ended?.because).to.be.a('string');
        noteFinding({
          vers,
          scenario: `the reply to a release is lost in ${forgetting}`,
          expected: 'the owner looks, finds that it has happened, and ends; the other node serves under the next epoch',
          observed: `its agent ended with status 0 ${seconds(tookNs)} after the cut, the other node serves under epoch 3`,
        });
      });
    });
  });
}

/** @returns when the cable was cut; it is whole again, and the server has forgotten the call. */
async function lose(lab: Lab, watch: LockWatch, forget: 'restart' | 'crash', {node, begin, isMade}: Loss): Promise<bigint> {
  await lab.delay('server', DELAY_MS);
  await begin?.();
  const {sinceNs} = await watch.awaitName((name) => name !== undefined && isMade(name));
  await lab.cut(node.machine, 'replies');
  const cutNs = hostNs();
  if (cutNs - sinceNs > nsOf(DELAY_MS))
    throw new Error(`the reply was out ${seconds(cutNs - sinceNs)} after the call, before it could be cut`);
  await lab.delay('server', 0);
  await makeForget(lab, node.machine, forget);
  await lab.heal(node.machine);
  return cutNs;
}

interface LeaseCounts {
  readonly renewals: number;
  readonly renewalFailures: number;
  readonly claims: number;
}

/** What the agent counts: a call that was answered with an error counts as a failure, whatever has become of it. */
async function leaseCounts(node: LabNode): Promise<LeaseCounts> {
  const {text} = await node.get('/v1/server/ha/metrics');
  return (JSON.parse(text) as {lease: LeaseCounts}).lease;
}

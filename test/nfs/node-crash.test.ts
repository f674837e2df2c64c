// What is killed on the master's machine, up to the machine itself: the service never outlives it, and nobody takes over before the silence is over.
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {noteFinding} from './support/findings.ts';
import {leftOver} from './support/left-over.ts';
import {withWatchedCluster} from './support/lock-watch.ts';
import {IN_TIME, launchInTurn, loseMaster, settles, SHORT_LEASE} from './support/takeover.ts';
import {awaitRunAfter, hostNs, lastRun, runsOf, seconds} from './support/trace.ts';
import {useLab} from './support/use-lab.ts';

const GONE_MS = 30_000;

for (const vers of ['3', '4.2'] as const) {
  describe(`a crash on the master's machine, on NFS ${vers}`, function () {
    this.timeout(300_000);
    const lab = useLab({vers, clients: 2, graceS: 10});

    it('of the guardian alone: the service dies with it, and the same node starts it again under the same epoch', async () => {
      await withWatchedCluster(lab(), {}, async (cluster, watch) => {
        const n1 = cluster.node('n1');
        await launchInTurn(cluster, n1);
        const before = await lastRun(cluster);
        const killedNs = hostNs();
        await n1.kill('guardian');
        const again = await awaitRunAfter(cluster, before);
        const {to} = (await runsOf(cluster))[0]!;
        expect([again.node, again.epoch]).to.deep.equal(['n1', before.epoch]);
        await cluster.awaitMaster('n1');
        expect(watch.ownersSince(0n)).to.deep.equal(['n1 1']);
        const silenceNs = watch.longestSilenceNs(killedNs);
        noteFinding({
          vers,
          scenario: 'kill -9 of the guardian of the master',
          expected: 'the service dies with it; the same node starts it again under the same epoch; nobody else takes over',
          observed:
            `the service ended ${seconds(to - killedNs)} after the kill and ran again ${seconds(again.from - to)} later, under the ` +
            `same epoch; renewals at most ${seconds(silenceNs)} apart`,
        });
      });
    });

    it('of agent and guardian together: the service is gone at once, the other node waits out the silence', async () => {
      await withWatchedCluster(lab(), {timings: SHORT_LEASE}, async (cluster, watch) => {
        const n1 = cluster.node('n1');
        await launchInTurn(cluster, n1);
        const {story, lost, faultNs} = await loseMaster(cluster, watch, n1, async () => {
          await n1.kill('agent', 'guardian');
          await eventually(async () => (await leftOver(n1, 'service')).length === 0, GONE_MS, 'the service is still there');
        });
        await n1.launch();
        await settles(cluster, watch, cluster.node('n2'));
        noteFinding({
          vers,
          scenario: 'kill -9 of agent and guardian of the master together, and a launch',
          expected: `the service is gone at once; ${IN_TIME}; launched again, the node is a standby`,
          observed: `the service ended ${seconds(lost.to - faultNs)} after the kill; ${story}`,
        });
      });
    });

    it('of the whole machine: the other node waits out the silence; booted and launched again, it is a standby', async () => {
      await withWatchedCluster(lab(), {timings: SHORT_LEASE}, async (cluster, watch) => {
        const n1 = cluster.node('n1');
        await launchInTurn(cluster, n1);
        const {story} = await loseMaster(cluster, watch, n1, () => lab().crash('c1'));
        await cluster.boot(n1);
        const launchedNs = hostNs();
        await n1.launch();
        const followedNs = await settles(cluster, watch, cluster.node('n2'));
        noteFinding({
          vers,
          scenario: 'power cut of the machine of the master, boot and launch',
          expected: `${IN_TIME}; launched again, the node is a standby`,
          observed: `${story}; a standby ${seconds(followedNs - launchedNs)} after its launch`,
        });
      });
    });
  });
}

// What is killed on the master's machine, up to the machine itself: the service never outlives it, and nobody takes over before the silence is over.
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {noteFinding} from './support/findings.ts';
import {leftOver} from './support/left-over.ts';
import {withWatchedCluster} from './support/lock-watch.ts';
import {inTime, launchInTurn, loseMaster, settles} from './support/takeover.ts';
import {awaitRunAfter, hostNs, lastRun, runsOf, seconds} from './support/trace.ts';
import {useLab} from './support/use-lab.ts';

const GONE_MS = 30_000;
/** The lab's own T: with less, an owner that is slow to start its service again on a loaded host lets go. */
const LEASE_MS = 12_000;

for (const vers of ['3', '4.2'] as const) {
  describe(`a crash on the master's machine, on NFS ${vers}`, function () {
    this.timeout(300_000);
    const lab = useLab({vers, clients: 2, graceS: 10});

    it('of guardian, agent or machine: the service never outlives it, nobody takes over early, and what is launched again is a standby', async () => {
      await withWatchedCluster(lab(), {nodes: 2}, async (cluster, watch) => {
        const [n1, n2] = [cluster.node('n1'), cluster.node('n2')];
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

        const killed = await loseMaster(cluster, watch, n1, async () => {
          await n1.kill('agent', 'guardian');
          await eventually(async () => (await leftOver(n1, 'service')).length === 0, GONE_MS, 'the service is still there');
        });
        await n1.launch();
        await settles(cluster, watch, n2);
        noteFinding({
          vers,
          scenario: 'kill -9 of agent and guardian of the master together, and a launch',
          expected: `the service is gone at once; ${inTime(LEASE_MS)}; launched again, the node is a standby`,
          observed: `the service ended ${seconds(killed.lost.to - killed.faultNs)} after the kill; ${killed.story}`,
        });

        const off = await loseMaster(cluster, watch, n2, () => lab().crash('c2'));
        await cluster.boot(n2);
        const launchedNs = hostNs();
        await n2.launch();
        const followedNs = await settles(cluster, watch, n1);
        noteFinding({
          vers,
          scenario: 'power cut of the machine of the master, boot and launch',
          expected: `${inTime(LEASE_MS)}; launched again, the node is a standby`,
          observed: `${off.story}; a standby ${seconds(followedNs - launchedNs)} after its launch`,
        });
      });
    });
  });
}

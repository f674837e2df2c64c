// Clients cut off from the storage network, wholly or in one direction, and healed: the one that is cut off stops in time, nobody overlaps, nobody takes back.
import {expect} from 'chai';
import {noteFinding} from './support/findings.ts';
import {withWatchedCluster} from './support/lock-watch.ts';
import {inTime, launchInTurn, loseMaster, settles, SHORT_LEASE} from './support/takeover.ts';
import {awaitSays, hostNs, runsOf, seconds} from './support/trace.ts';
import {useLab} from './support/use-lab.ts';

const SILENT = /^the store has not answered for more than/;

for (const vers of ['3', '4.2'] as const) {
  describe(`a client that is cut off, on NFS ${vers}`, function () {
    this.timeout(300_000);
    const lab = useLab({vers, clients: 3, graceS: 10});

    it('as master stops in time and comes back as a standby; as standby, even with the lowest id, it disturbs nobody and takes nothing back', async () => {
      await withWatchedCluster(lab(), {timings: SHORT_LEASE}, async (cluster, watch) => {
        const [n1, n2, n3] = [cluster.node('n1'), cluster.node('n2'), cluster.node('n3')];
        await launchInTurn(cluster, n1);
        const first = await loseMaster(cluster, watch, n1, () => lab().cut('c1'));
        expect(first.next.id).to.equal('n2');
        await awaitSays(n1, SILENT);
        expect((await n1.get('/health')).status).to.equal(200);
        expect((await n1.get('/master')).status).to.equal(503);
        let healedNs = hostNs();
        await lab().heal('c1');
        let followedNs = await settles(cluster, watch, n2);
        noteFinding({
          vers,
          scenario: 'the master, the lowest id, is cut off and healed',
          expected: `${inTime()}; the next lowest id takes over; the healed node is a standby and does not take it back`,
          observed: `${first.story}; n1 a standby ${seconds(followedNs - healedNs)} after it was healed`,
        });

        const cutNs = hostNs();
        await lab().cut('c1');
        await awaitSays(n1, SILENT);
        await watch.awaitRenewals(10);
        const silenceNs = watch.longestSilenceNs(cutNs);
        expect(watch.ownersSince(cutNs)).to.deep.equal([`n2 ${first.won.epoch}`]);
        expect((await runsOf(cluster)).at(-1)?.family).to.equal(first.won.family);
        const second = await loseMaster(cluster, watch, n2, () => lab().cut('c2'));
        expect(second.next.id).to.equal('n3');
        healedNs = hostNs();
        await lab().heal();
        followedNs = await settles(cluster, watch, n3);
        noteFinding({
          vers,
          scenario: 'a standby, the lowest id, is cut off; then the master too; both are healed',
          expected: `nothing happens at first; then ${inTime()}; the last node takes over and keeps it`,
          observed:
            `at first the lock was renewed on, at most ${seconds(silenceNs)} apart; then ${second.story}; ` +
            `both standbys ${seconds(followedNs - healedNs)} after they were healed`,
        });
      });
    });

    it('in one direction only, that of its requests or that of the answers, is no different as master', async () => {
      await withWatchedCluster(lab(), {nodes: 2, timings: SHORT_LEASE}, async (cluster, watch) => {
        let master = cluster.node('n1');
        await launchInTurn(cluster, master);
        for (const direction of ['replies', 'requests'] as const) {
          const {next, story} = await loseMaster(cluster, watch, master, () => lab().cut(master.machine, direction));
          const healedNs = hostNs();
          await lab().heal(master.machine);
          const followedNs = await settles(cluster, watch, next);
          noteFinding({
            vers,
            scenario: `only the ${direction} of the master are cut off, and healed`,
            expected: inTime(),
            observed: `${story}; ${master.id} a standby ${seconds(followedNs - healedNs)} after it was healed`,
          });
          master = next;
        }
      });
    });
  });
}

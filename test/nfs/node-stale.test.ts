// A standby whose mount caches for ten minutes and does not ask when it opens: what it sees is old, which costs tries that fail and nothing else.
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {noteFinding} from './support/findings.ts';
import {withWatchedCluster} from './support/lock-watch.ts';
import {launchInTurn, settles, SHORT_LEASE} from './support/takeover.ts';
import {hostNs, runsOf, seconds} from './support/trace.ts';
import {useLab} from './support/use-lab.ts';

const STALE = 'nosharecache,nocto,actimeo=600';
const FOLLOWS_MS = 120_000;
const TRIES_MS = 90_000;

for (const vers of ['3', '4.2'] as const) {
  describe(`a standby with a long attribute cache, on NFS ${vers}`, function () {
    this.timeout(300_000);
    const lab = useLab({vers, clients: 3, graceS: 10});
    const remount = async (opts?: string): Promise<void> => {
      await lab().unmount('c3');
      await lab().mount('c3', opts);
    };
    beforeEach(() => remount(STALE));
    afterEach(() => remount());

    it('claims from old names in vain, and follows a switchover between the others in the end', async () => {
      expect(await lab().mountOptions('c3')).to.include.members(['nocto', 'acdirmax=600', 'acdirmin=600']);
      await withWatchedCluster(lab(), {timings: SHORT_LEASE}, async (cluster, watch) => {
        const [n1, n2, n3] = [cluster.node('n1'), cluster.node('n2'), cluster.node('n3')];
        await launchInTurn(cluster, n1);
        const tries = (): number => n3.log.split('claiming epoch').length - 1;
        await eventually(() => tries() >= 2, TRIES_MS, 'the standby tries nothing');
        expect(watch.ownersSince(0n)).to.deep.equal(['n1 1']);

        const switchedNs = hostNs();
        const {status, stderr} = await cluster.cli('switchover', '--to', 'n2', '--persistenceDir', cluster.persistenceDir);
        expect(status, stderr).to.equal(0);
        const servesNs = hostNs();
        expect(watch.ownersSince(switchedNs).at(-1)).to.equal('n2 3');
        await eventually(async () => (await n3.state()).masterId === 'n2', FOLLOWS_MS, 'the standby does not follow');
        const followedNs = hostNs();
        await settles(cluster, watch, n2);
        expect(watch.ownersSince(0n)).to.deep.equal(['n1 1', 'n2 3']);
        expect((await runsOf(cluster)).map(({node, epoch}) => [node, epoch])).to.deep.equal([
          ['n1', 1],
          ['n2', 3],
        ]);
        noteFinding({
          vers,
          scenario: `a standby mounted with ${STALE}; switchover between the two others`,
          expected: 'what it sees is old: it tries to claim, which fails, and follows in the end',
          observed:
            `${tries()} tries of the standby in all, none of which changed the lock; it followed ` +
            `${seconds(followedNs - servesNs)} after the switchover was done`,
        });
      });
    });
  });
}

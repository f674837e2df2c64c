// Somebody removes the lock directory of a running cluster by hand: rule B, from the first sight to the operator's decision.
import path from 'node:path';
import {expect} from 'chai';
import {EXPORTED} from '../../scripts/nfs-lab/plan.ts';
import {skipAloud} from '../store/temp-store.ts';
import {eventually} from '../support/eventually.ts';
import {noteFinding} from './support/findings.ts';
import {withWatchedCluster} from './support/lock-watch.ts';
import {launchInTurn, LEASE_MS, MARGIN_MS, settles, SHORT_LEASE} from './support/takeover.ts';
import {awaitSays, awaitStopped, hostNs, nsOf, runsOf, seconds} from './support/trace.ts';
import {useLab} from './support/use-lab.ts';

const LONG = process.env['HA_AGENT_LONG'] === '1';
const WHY_LONG = 'more than a minute of doubt, as on the other version: HA_AGENT_LONG=1 runs it';
const REMOVED_MS = 20_000;
/** Evidence is confirmed after more than 60 s, at one of the next looks. */
const DOUBT_MS = 60_000;
const CONFIRMED_MS = 150_000;

for (const vers of ['3', '4.2'] as const) {
  describe(`a lock directory that is removed by hand, on NFS ${vers}`, function () {
    this.timeout(400_000);
    const lab = useLab({vers, clients: 2, graceS: 10});

    it('stops the service at its deadline, is doubted for a minute, and then needs an operator: `ha-agent accept`', async function () {
      if (vers === '3' && !LONG) return skipAloud(this, WHY_LONG);
      await withWatchedCluster(lab(), {nodes: 2, timings: SHORT_LEASE}, async (cluster, watch) => {
        const [n1, n2] = [cluster.node('n1'), cluster.node('n2')];
        await launchInTurn(cluster, n1);
        const root = path.join(EXPORTED, path.basename(cluster.persistenceDir), 'default');
        // The master renames while rm looks.
        const remove = `rm -rf "$0"/lock.*; ! ls -d "$0"/lock.*`;
        await eventually(async () => (await lab().run('server', ['sh', '-c', remove, root])).status === 0, REMOVED_MS);
        const removed = await watch.awaitName((name) => name === undefined);
        const last = watch.sightings.findLast(({name}) => name?.kind === 'held')!;

        const doubts = await Promise.all([n1, n2].map((node) => awaitSays(node, /looking again before it is believed/)));
        for (const says of doubts) expect(says).to.contain('store.json is there, but its lock directory is missing');
        const run = await awaitStopped(cluster);
        const stoppedNs = run.to - last.seenNs;
        expect(stoppedNs < nsOf(LEASE_MS - MARGIN_MS), `stopped ${seconds(stoppedNs)} after the last renewal`).to.equal(true);

        const verdicts = await Promise.all([n1, n2].map((node) => node.untilState('FAILED', CONFIRMED_MS)));
        const confirmedNs = hostNs() - removed.sinceNs;
        expect(confirmedNs > nsOf(DOUBT_MS), `confirmed ${seconds(confirmedNs)} after the removal`).to.equal(true);
        for (const {because} of verdicts)
          expect(because).to.contain('bring the right one back, or decide with "ha-agent accept"');
        expect(watch.latest, 'nobody makes a lock').to.equal(removed);
        expect(await runsOf(cluster)).to.have.length(1);

        await Promise.all([n1, n2].map((node) => node.terminate()));
        const {persistenceDir, stateDir} = n1.plan;
        const own = ['--persistenceDir', persistenceDir, '--stateDir', stateDir, '--nodeId', n1.id];
        const timings = ['--leaseTimeout', '8s', '--stopTimeout', '1s', '--safetyMargin', '1s', '--heartbeatInterval', '500ms'];
        const {status, stdout, stderr} = await cluster.cliOn(n1, 'accept', ...own, ...timings);
        expect(status, stdout + stderr).to.equal(0);
        const born = await watch.awaitName((name) => name?.kind === 'held' && name.writer === undefined);
        expect(born.name?.epoch).to.be.above(1);
        await Promise.all([n1, n2].map((node) => node.launch()));
        const {claimed, mostNs} = await watch.awaitClaimAfter(born.name?.epoch ?? 0);
        expect(mostNs >= nsOf(LEASE_MS), 'everybody waits T before the first claim').to.equal(true);
        await settles(cluster, watch, await cluster.awaitMaster());
        noteFinding({
          vers,
          scenario: 'the lock directory is removed by hand; after the verdict: stop, `ha-agent accept`, launch',
          expected:
            'nothing is claimed; the service ends before T - d = 7 s after the last renewal; confirmed after more than 60 s; a larger epoch after accept',
          observed:
            `both nodes said that it is missing; the service ended ${seconds(stoppedNs)} after the last renewal; both FAILED ` +
            `${seconds(confirmedNs)} after the removal and named \`ha-agent accept\`; after it a master under epoch ${claimed.name?.epoch}`,
        });
      });
    });
  });
}

// Wall clocks that are an hour off, and that jump while the cluster runs: nobody compares them, so nothing happens.
import {expect} from 'chai';
import {noteFinding} from './support/findings.ts';
import {withWatchedCluster} from './support/lock-watch.ts';
import type {LabNode} from './support/lab-node.ts';
import {inTime, launchInTurn, loseMaster, settles, SHORT_LEASE} from './support/takeover.ts';
import {hostNs, runsOf, seconds} from './support/trace.ts';
import {useLab} from './support/use-lab.ts';

const HOUR_MS = 3_600_000;

for (const vers of ['3', '4.2'] as const) {
  describe(`a wall clock that is wrong, on NFS ${vers}`, function () {
    this.timeout(300_000);
    const lab = useLab({vers, clients: 2, graceS: 10});
    afterEach(async () => {
      for (const machine of lab().clients) await lab().must(machine, ['date', '-s', `@${Date.now() / 1_000}`]);
    });

    const wallMs = async ({machine}: LabNode): Promise<number> => Number(await lab().must(machine, ['date', '+%s.%N'])) * 1_000;
    const step = async (node: LabNode, byMs: number): Promise<void> => {
      const offMs = (await wallMs(node)) - Date.now();
      await lab().must(node.machine, ['date', '-s', `@${(Date.now() + offMs + byMs) / 1_000}`]);
      expect((await wallMs(node)) - Date.now() - offMs, 'the clock was stepped').to.be.closeTo(byMs, 60_000);
    };

    it('by an hour before the start, and stepped by an hour to and fro on the master and on a standby, changes nothing, not even what is due when the master is cut off', async () => {
      await withWatchedCluster(lab(), {nodes: 2, timings: SHORT_LEASE}, async (cluster, watch) => {
        const [master, standby] = [cluster.node('n1'), cluster.node('n2')];
        await step(master, HOUR_MS);
        await launchInTurn(cluster, master);
        const sinceNs = hostNs();
        for (const node of [master, standby]) {
          for (const byMs of [-HOUR_MS, -HOUR_MS, HOUR_MS, HOUR_MS]) {
            await step(node, byMs);
            await watch.awaitRenewals(6);
          }
        }
        const silenceNs = watch.longestSilenceNs(sinceNs);
        await settles(cluster, watch, master);
        expect(watch.ownersSince(0n)).to.deep.equal(['n1 1']);
        expect(await runsOf(cluster)).to.have.length(1);
        noteFinding({
          vers,
          scenario: "the master's wall clock is an hour ahead at its start; then both nodes' are stepped by an hour to and fro",
          expected: 'nothing happens',
          observed: `one owner and one run of the service throughout; renewals at most ${seconds(silenceNs)} apart`,
        });

        const {story} = await loseMaster(cluster, watch, master, async () => {
          await lab().cut(master.machine);
          await Promise.all([step(master, -HOUR_MS), step(standby, HOUR_MS)]);
        });
        noteFinding({
          vers,
          scenario: "the master is cut off, its wall clock stepped back by an hour, the standby's ahead by an hour",
          expected: inTime(),
          observed: story,
        });
      });
    });
  });
}

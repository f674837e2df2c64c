// Ending agents whose calls to the store hang: asked to, they end within bounds, and kill -9 of everything leaves nothing.
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {noteFinding} from './support/findings.ts';
import {leftOver} from './support/left-over.ts';
import {withWatchedCluster} from './support/lock-watch.ts';
import {inTime, launchInTurn, LEASE_MS, loseMaster, settles, SHORT_LEASE} from './support/takeover.ts';
import {awaitSays, hostNs, seconds} from './support/trace.ts';
import {useLab} from './support/use-lab.ts';

const SILENT = /^the store has not answered for more than/;
/** After this long `ha-agent stop` gives up: T + S + 5 s. */
const STOP_MS = LEASE_MS + 1_000 + 5_000;
const GONE_MS = 30_000;

for (const vers of ['3', '4.2'] as const) {
  describe(`an agent that has to end while the store hangs, on NFS ${vers}`, function () {
    this.timeout(300_000);
    const lab = useLab({vers, clients: 3, graceS: 10});

    it('ends by SIGTERM or `ha-agent stop`, its service with it, and kill -9 of everything leaves nothing, now or later', async () => {
      await withWatchedCluster(lab(), {timings: SHORT_LEASE}, async (cluster, watch) => {
        const [master, standby, last] = [cluster.node('n1'), cluster.node('n2'), cluster.node('n3')];
        await launchInTurn(cluster, master);
        await lab().cut(standby.machine);
        await awaitSays(standby, SILENT);
        const termNs = hostNs();
        await standby.signal('SIGTERM', 'agent');
        await standby.end(STOP_MS);
        const standbyNs = hostNs() - termNs;

        let masterNs = 0n;
        const {story} = await loseMaster(cluster, watch, master, async () => {
          await lab().cut(master.machine);
          await awaitSays(master, SILENT);
          const stopNs = hostNs();
          const {persistenceDir, stateDir} = master.plan;
          const places = ['--persistenceDir', persistenceDir, '--stateDir', stateDir, '--nodeId', master.id];
          const {status, stderr} = await cluster.cliOn(master, 'stop', ...places, '--leaseTimeout', '8s', '--stopTimeout', '1s');
          masterNs = hostNs() - stopNs;
          expect(status, stderr).to.equal(0);
          expect(master.isRunning).to.equal(false);
          expect(await leftOver(master, 'anything')).to.deep.equal([]);
        });
        await lab().heal();
        await Promise.all([master, standby].map((node) => node.launch()));
        await settles(cluster, watch, last);
        noteFinding({
          vers,
          scenario: 'SIGTERM to a standby, and `ha-agent stop` on the master, that are cut off',
          expected: `both end, at the latest after T + S + 5 s = 14 s; ${inTime()}`,
          observed: `the standby ended ${seconds(standbyNs)} after SIGTERM, stop took ${seconds(masterNs)}; ${story}`,
        });

        let goneNs = 0n;
        const killed = await loseMaster(cluster, watch, last, async () => {
          await lab().cut(last.machine);
          await awaitSays(last, SILENT);
          const tree = await leftOver(last, 'anything');
          const killedNs = hostNs();
          // Some die with others before their turn comes, which kill calls a failure.
          await lab().run(last.machine, ['kill', '-9', ...tree]);
          await eventually(async () => (await leftOver(last, 'anything')).length === 0, GONE_MS, 'not all of it dies');
          goneNs = hostNs() - killedNs;
        });
        await lab().heal();
        await last.launch();
        await settles(cluster, watch, killed.next);
        noteFinding({
          vers,
          scenario: 'kill -9 of agent, guardian and service together on a master that is cut off; healed, and launched again',
          expected: `all of them die although their calls hang; ${inTime()}; launched again, the node is a standby`,
          observed: `all were gone within ${seconds(goneNs)}; ${killed.story}`,
        });
      });
    });
  });
}

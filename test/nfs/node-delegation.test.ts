// A reader that has nothing to do with the agents opens their heartbeats, is given delegations where the version has them, and is cut off with them.
import path from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {expect} from 'chai';
import type {Lab} from '../../scripts/nfs-lab/lab.ts';
import {eventually} from '../support/eventually.ts';
import {ChangeWatch} from './support/change-watch.ts';
import {noteFinding} from './support/findings.ts';
import type {LabNode} from './support/lab-node.ts';
import {withWatchedCluster} from './support/lock-watch.ts';
import {launchInTurn} from './support/takeover.ts';
import {hostNs, nsOf, runsOf, seconds} from './support/trace.ts';
import {useLab} from './support/use-lab.ts';

const WAIT_MS = 120_000;
const POLL_MS = 250;
/** T - S - d with the lab's timings. */
const RIDES_OUT_MS = 10_000;
/** What the agents do not do: write aside and rename. */
const ASIDE = 'while :; do date +%N >"$0.tmp" && mv "$0.tmp" "$0"; sleep 0.2; done';

for (const vers of ['3', '4.2'] as const) {
  describe(`a reader of the heartbeats that is cut off, on NFS ${vers}`, function () {
    this.timeout(300_000);
    const lab = useLab({vers, clients: 3, graceS: 10});

    it('holds up no renewal, even with delegations for them; the agents themselves never have one', async () => {
      await withWatchedCluster(lab(), {}, async (cluster, watch) => {
        const [n1, n2] = [cluster.node('n1'), cluster.node('n2')];
        await launchInTurn(cluster, n1);
        const plain = `${cluster.persistenceDir}/plain`;
        await lab().must('c1', ['sh', '-c', 'mkdir "$0" && date >"$0/aside" && date >"$0/probe"', plain]);
        const heartbeats = ['n1', 'n2'].map((id) => `${cluster.persistenceDir}/default/nodes/${id}.json`);
        if (vers !== '3') await awaitDelegations(lab(), `${plain}/probe`);
        // n3 has read them all the time, this command reads them now.
        const {status} = await cluster.cliOn(cluster.node('n3'), 'status', '--persistenceDir', cluster.persistenceDir);
        expect(status).to.equal(0);
        expect((await delegated(lab())).filter((file) => file.startsWith('n'))).to.deep.equal([]);

        await standStill(lab(), [n1, n2]);
        await lab().must('c3', ['cat', ...heartbeats, `${plain}/aside`]);
        const held = await delegated(lab());
        await lab().cut('c3');
        const cutNs = hostNs();
        await Promise.all([n1, n2].map((node) => node.signal('SIGCONT', 'agent')));
        if (vers !== '3') expect(held).to.include.members(['n1.json', 'n2.json', 'aside']);

        const changes = await ChangeWatch.open(lab(), cluster.persistenceDir, ['default/nodes', 'plain']);
        const writer = await lab().start('c1', ['sh', '-c', ASIDE, `${plain}/aside`]);
        const files = ['n1.json', 'n2.json', 'aside'];
        const last = await eventually(
          async () => {
            await sleep(POLL_MS);
            return files.every((file) => changes.count(file) > 5) && hostNs();
          },
          WAIT_MS,
          'something is never written again',
        );
        await watch.awaitRenewals(5);
        const silenceNs = watch.longestSilenceNs(cutNs);
        expect(silenceNs < nsOf(RIDES_OUT_MS), `renewals ${seconds(silenceNs)} apart`).to.equal(true);
        expect(watch.ownersSince(0n)).to.deep.equal(['n1 1']);
        expect(await runsOf(cluster)).to.have.length(1);
        const silences = files.map((file) => changes.longestSilenceNs(file, cutNs, last));
        if (vers === '3') for (const each of silences) expect(each < nsOf(RIDES_OUT_MS), seconds(each)).to.equal(true);
        const [master, standby, aside] = silences.map(seconds);
        writer.release();
        changes.release();
        noteFinding({
          vers,
          scenario:
            'a program reads the heartbeats with plain open and read, and its client is cut off with the delegations that it got',
          expected:
            vers === '3'
              ? 'there are no delegations: nothing is held up'
              : "renewals go on; what it has a delegation for cannot be written until the server's lease (10 s) is over",
          observed:
            `${vers === '3' ? '' : 'agents had no delegation for a heartbeat, the program had; '}renewals at most ` +
            `${seconds(silenceNs)} apart; the master's heartbeat ${master}, the standby's ${standby}; a file written aside and renamed ${aside}`,
        });
      });
    });
  });
}

/** Stops these agents while neither has its heartbeat open: nothing is recalled then, and there is nothing that stands against a delegation. */
async function standStill(lab: Lab, nodes: readonly LabNode[]): Promise<void> {
  await eventually(
    async () => {
      await Promise.all(nodes.map((node) => node.signal('SIGSTOP', 'agent')));
      const open = await filesIn(lab, 'open');
      if (!nodes.some(({id}) => open.includes(`${id}.json`))) return true;
      await Promise.all(nodes.map((node) => node.signal('SIGCONT', 'agent')));
      await sleep(POLL_MS);
      return false;
    },
    WAIT_MS,
    'a heartbeat is open all the time',
  );
}

/** The files for which a client has a delegation now. */
const delegated = (lab: Lab): Promise<readonly string[]> => filesIn(lab, 'deleg');

async function filesIn(lab: Lab, state: 'open' | 'deleg'): Promise<readonly string[]> {
  // With version 3 there are no such files.
  const {stdout} = await lab.run('server', ['sh', '-c', 'cat /proc/fs/nfsd/clients/*/states']);
  const lines = stdout.split('\n').filter((line) => line.includes(`type: ${state}`));
  return lines.map((line) => path.basename(/filename: "([^"]*)"/.exec(line)?.[1] ?? '?'));
}

/** A server that has just been started gives none, also because of the locks of version 3, for 50 s. */
async function awaitDelegations(lab: Lab, probe: string): Promise<void> {
  await eventually(
    async () => {
      await sleep(POLL_MS);
      await lab.must('c3', ['cat', probe]);
      return (await delegated(lab)).includes(path.basename(probe));
    },
    WAIT_MS,
    'the server gives no delegations',
  );
}

// The export is withdrawn, made read-only, and filled to the last byte: the service ends in time or serves on, every node says why, and all is well again afterwards.
import path from 'node:path';
import {expect} from 'chai';
import type {Lab} from '../../scripts/nfs-lab/lab.ts';
import {EXPORTED} from '../../scripts/nfs-lab/plan.ts';
import {eventually} from '../support/eventually.ts';
import {noteFinding} from './support/findings.ts';
import type {LabCluster} from './support/lab-cluster.ts';
import type {LabNode} from './support/lab-node.ts';
import {withWatchedCluster} from './support/lock-watch.ts';
import {LEASE_MS, MARGIN_MS, SHORT_LEASE} from './support/takeover.ts';
import {awaitRunAfter, awaitSays, awaitStopped, hostNs, nsOf, runsOf, seconds} from './support/trace.ts';
import {useLab} from './support/use-lab.ts';

const FILL_ROUNDS = 4;
const HISTORY_MS = 60_000;

interface Loss {
  readonly name: string;
  readonly happen: (lab: Lab) => Promise<void>;
  /** What the master says: its renewals fail. */
  readonly masterSays: RegExp;
  readonly standbySays: RegExp;
}

const LOSSES: readonly Loss[] = [
  {
    name: 'withdrawn',
    happen: (lab) => lab.server.export('off'),
    masterSays: /cannot be read: .*(ESTALE|EACCES|EPERM|ENOENT)|not the store we knew/,
    standbySays: /cannot be read: .*(ESTALE|EACCES|EPERM|ENOENT)|not the store we knew/,
  },
  {
    name: 'made read-only',
    happen: (lab) => lab.server.export('ro'),
    masterSays: /: EROFS, mounted read-only/,
    standbySays: /: EROFS, mounted read-only/,
  },
];

for (const vers of ['3', '4.2'] as const) {
  describe(`an export, on NFS ${vers},`, function () {
    this.timeout(300_000);
    const lab = useLab({vers, clients: 2, graceS: 10, diskMib: 64});

    for (const loss of LOSSES) {
      it(`that is ${loss.name}: the service is stopped in time, both nodes say why, nobody starts it, and one serves when it is back`, async () => {
        await withWatchedCluster(lab(), {timings: SHORT_LEASE}, async (cluster, watch) => {
          const master = await cluster.up();
          const other = cluster.others(master)[0]!;
          const beganNs = hostNs();
          await loss.happen(lab());
          const lostNs = hostNs();
          const said = [await awaitSays(master, loss.masterSays), await awaitSays(other, loss.standbySays)];
          const run = await awaitStopped(cluster);
          expect(run.to < lostNs + nsOf(LEASE_MS - MARGIN_MS), `stopped ${seconds(run.to - lostNs)} after`).to.equal(true);
          expect(run.from < beganNs, 'something was started meanwhile').to.equal(true);
          const backNs = hostNs();
          await lab().server.export('rw');
          const again = await awaitRunAfter(cluster, run);
          const next = await cluster.awaitMaster();
          await watch.awaitRenewals(3);
          expect([again.node, again.epoch]).to.deep.equal([next.id, watch.epoch]);
          for (const node of cluster.others(next)) expect((await node.untilState('STANDBY')).masterId).to.equal(next.id);
          noteFinding({
            vers,
            scenario: `the export is ${loss.name}, and put right`,
            expected:
              'the service is stopped before T - d = 7 s, nobody starts it, both nodes say why; one serves when it is put right',
            observed:
              `stopped ${seconds(run.to - beganNs)} after it; the master said "${reasonIn(said[0])}", the standby "${reasonIn(said[1])}"; active again ` +
              `${seconds(again.from - backNs)} after it was put right, under epoch ${again.epoch} on ${next === master ? 'the same' : 'the other'} node`,
          });
        });
      });
    }

    it('whose disk is full: the service serves on, another node can take over, and the history is completed when there is room again', async () => {
      await withWatchedCluster(lab(), {timings: SHORT_LEASE}, async (cluster, watch) => {
        const master = await cluster.up();
        const other = cluster.others(master)[0]!;
        await eventually(async () => (await cluster.history(other)).length === 1, HISTORY_MS);
        const filler = path.join(EXPORTED, path.basename(cluster.persistenceDir), 'filler');
        await fill(lab(), filler);
        const before = watch.sightings.length;
        await watch.awaitRenewals(10);
        expect((await runsOf(cluster)).map(({node, epoch}) => [node, epoch])).to.deep.equal([[master.id, 1]]);
        const heard = (await other.state()).nodes[master.id]?.localTimestamp ?? 0;
        await eventually(async () => ((await other.state()).nodes[master.id]?.localTimestamp ?? 0) > heard + 2_000, HISTORY_MS);

        const renewals = watch.sightings.length - before;
        const leftNs = hostNs();
        await master.signal('SIGTERM', 'agent');
        await cluster.awaitMaster(other.id);
        const servedNs = hostNs();
        const epoch = watch.epoch;
        await eventually(() => other.log.includes(`could not write the history of epoch ${epoch}: trying again`), HISTORY_MS);
        await lab().must('server', ['sh', '-c', `rm ${filler}-*`]);
        await eventually(async () => (await historyOf(cluster, other)).includes(epoch), HISTORY_MS, 'the history stays away');
        noteFinding({
          vers,
          scenario: "the export's disk is full, the master is ended, and there is room again",
          expected: 'renewals and heartbeats in place go on, another node takes over, its history is written when there is room',
          observed: `${renewals} renewals on the full disk; the other node served ${seconds(servedNs - leftNs)} after SIGTERM to the master; epoch ${epoch} came into the history afterwards`,
        });
      });
    });
  });
}

/** The sentence without the path in its middle. */
const reasonIn = (said = ''): string => said.split(': ').at(-1) ?? said;

/** Until the last block is taken: what has been promised but not yet written may turn out smaller, so it is tried again. */
async function fill(lab: Lab, file: string): Promise<void> {
  for (let round = 0; round < FILL_ROUNDS; round += 1) {
    const {stderr} = await lab.run('server', [
      'dd',
      'if=/dev/zero',
      `of=${file}-${round}`,
      round === 0 ? 'bs=64k' : 'bs=1k',
      'conv=fsync',
    ]);
    expect(stderr).to.contain('No space left on device');
  }
}

const historyOf = async (cluster: LabCluster, node: LabNode): Promise<number[]> =>
  (await cluster.history(node)).map(({epoch}) => epoch);

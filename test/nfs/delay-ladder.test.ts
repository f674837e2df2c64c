// The server, or one host, answers later and later: just below each threshold of the timings nothing happens, just above it what the protocol says.
import {expect} from 'chai';
import type {Timings} from '../e2e/support/cluster.ts';
import type {Run} from '../e2e/support/witness-log.ts';
import {eventually} from '../support/eventually.ts';
import {latencyOf, longestPairMs, watchStep, type DelayStep} from './support/delay-step.ts';
import {noteFinding} from './support/findings.ts';
import {withLabCluster, type LabCluster} from './support/lab-cluster.ts';
import type {LabNode} from './support/lab-node.ts';
import {awaitRunAfter, awaitStopped, hostNs, lastRun, runsOf, seconds} from './support/trace.ts';
import {useLab} from './support/use-lab.ts';

/** T - S - d = 10 s, 3 polls = 2.4 s, 5 heartbeats = 4 s, 10 polls = 8 s. */
const LADDER: Timings = {
  leaseTimeout: '20s',
  stopTimeout: '8s',
  safetyMargin: '2s',
  heartbeatInterval: '800ms',
  pollInterval: '800ms',
};
const RIDE_OUT_MS = 10_000;
const BEAT_MS = 800;
const SILENT_MS = 3 * BEAT_MS;
const ALIVE_MS = 5 * BEAT_MS;
/** T - S - d = 4 s. */
const SHORT: Timings = {...LADDER, leaseTimeout: '8s', stopTimeout: '3s', safetyMargin: '1s'};
const SHORT_LEASE_MS = 8_000;
const LET_GO_MS = 60_000;

/**
 * A renewal takes one to three round trips (it may wait for a listing of the same directory), a listing two to three, a heartbeat five or
 * more. So a delay is surely below a threshold if three of it are, and surely above if one is; the observed times are asserted.
 */
const STEPS_MS = {below: 50, unseen: 1_300, torn: 6_000, stopped: 11_000} as const;
const SILENT = /the store has not answered for more than 2\.4 s/;

for (const vers of ['3', '4.2'] as const) {
  describe(`a storage network that is slow, on NFS ${vers}`, function () {
    this.timeout(300_000);
    const lab = useLab({vers, clients: 3, graceS: 10});
    const note = (scenario: string, expected: string, observed: string): void =>
      noteFinding({vers, scenario, expected, observed});

    it('below every threshold nothing happens; past 3 polls nodes say so, and past 5 heartbeats others count as silent, and that is all', async () => {
      await withLabCluster(lab(), {nodes: 2, timings: LADDER}, async (cluster) => {
        const owner = await cluster.up();
        const below = await serverDelayed(cluster, owner, STEPS_MS.below, ({renewalsMs}) => renewalsMs.length >= 8);
        expect(Math.max(...below.renewalsMs)).to.be.below(SILENT_MS);
        expect(Math.max(...below.unseenMs.values())).to.be.below(ALIVE_MS);
        expect([...below.phases]).to.deep.equal(['standby']);
        expect(sentencesOf(below).filter((said) => SILENT.test(said))).to.deep.equal([]);
        note(scenarioOf(below, STEPS_MS.below), 'nothing', 'nothing: same owner, same epoch, nobody silent');

        const [standby] = cluster.others(owner);
        const above = await serverDelayed(
          cluster,
          owner,
          STEPS_MS.unseen,
          (step) =>
            step.renewalsMs.length >= 4 && isUnseen(step, standby) && saysSilent(step, cluster) && step.phases.has('listening'),
        );
        expect(longestPairMs(above, BEAT_MS)).to.be.below(RIDE_OUT_MS);
        for (const step of [below, above]) expect([[...step.states], [...step.epochs]]).to.deep.equal([['MASTER'], [1]]);
        expect(await shapeOf(cluster)).to.deep.equal([[owner.id, 1]]);
        note(
          scenarioOf(above, STEPS_MS.unseen),
          'every node says that the store does not answer, a standby listens again after each gap, the other counts as silent; the service serves on',
          'so it was: same owner, same epoch, one run of the service',
        );
      });
    });

    it('two renewals together slower than T - S - d: the service stops in time, nobody else starts it, and it resumes under the same epoch', async () => {
      await withLabCluster(lab(), {nodes: 2, timings: LADDER}, async (cluster) => {
        const owner = await cluster.up();
        for (const delayMs of [STEPS_MS.torn, STEPS_MS.stopped]) {
          const {step, stopped, healed} = await stopsInTime(cluster, owner, delayMs);
          const again = await awaitRunAfter(cluster, stopped);
          await cluster.awaitMaster(owner.id);
          expect([...new Set((await shapeOf(cluster)).map(String))]).to.deep.equal([`${owner.id},1`]);
          note(
            scenarioOf(step, delayMs),
            'the service stops before the lease ends, nobody else starts it, it resumes under the same epoch',
            `stopped ${seconds(step.leaseEndNs.to - stopped.to)} before the lease ended; ` +
              `active again ${seconds(again.from - healed)} after the delay was gone, under epoch 1`,
          );
        }
        expect((await cluster.history()).map(({epoch}) => epoch)).to.deep.equal([1]);
      });
    });

    it('each renewal slower than T - S - d: a late one starts nothing, and after T without a service the owner lets go', async () => {
      await withLabCluster(lab(), {nodes: 1, timings: SHORT}, async (cluster) => {
        const owner = await cluster.up();
        const began = hostNs();
        await cluster.lab.delay('server', 4_500);
        const stopped = await awaitStopped(cluster);
        await eventually(async () => (await owner.state()).phase === 'releasing', LET_GO_MS, 'the owner does not let go');
        const letGo = hostNs();
        expect(await lastRun(cluster), 'a late renewal started the service').to.deep.equal(stopped);
        expect(Number(letGo - stopped.to) / 1e6, 'it let go before T was over').to.be.at.least(SHORT_LEASE_MS - BEAT_MS);
        await cluster.lab.delay('server', 0);
        const again = await awaitRunAfter(cluster, stopped);
        expect(again.epoch).to.equal(3);
        const [first] = await cluster.history();
        expect(first?.ended?.because).to.equal('nothing could be started for a whole lease');
        note(
          'each round trip to the server takes 4.5 s, longer than T - S - d = 4 s, and stays so',
          'a late renewal starts nothing; after T = 8 s without a service the owner releases',
          `stopped ${seconds(stopped.to - began)} after the delay began, let go ${seconds(letGo - stopped.to)} after that, ` +
            'and was active again under epoch 3 when the delay was gone',
        );
      });
    });

    it("the owner's renewals slower than T: a standby takes over when T is over and no earlier; below T nobody does", async () => {
      await withLabCluster(lab(), {nodes: 2, timings: SHORT}, async (cluster) => {
        const owner = await cluster.up();
        const [standby] = cluster.others(owner);
        await cluster.lab.delay(owner.machine, 1_200);
        const below = await watchStep(cluster, owner, ({renewalsMs}) => renewalsMs.length >= 5, 'no renewal comes back');
        expect(Math.max(...below.renewalsMs)).to.be.below(SHORT_LEASE_MS);
        expect([...below.epochs]).to.deep.equal([1]);
        note(
          `the owner's host delayed by 1200 ms: ${latencyOf(below)}`,
          'T = 8 s is not reached: nobody takes over',
          `same owner, same epoch over ${below.renewalsMs.length} renewals`,
        );
        await cluster.lab.delay(owner.machine, 9_000);
        const began = hostNs();
        const above = await watchStep(cluster, owner, ({epochs}) => epochs.has(2), 'nobody takes over');
        const taken = await eventually(
          async () => {
            const run = await lastRun(cluster);
            return run.epoch === 2 && run;
          },
          60_000,
          'the new owner starts no service',
        );
        expect(taken.node).to.equal(standby?.id);
        expect(taken.from > above.leaseEndNs.from, 'it took over before the lease of the other had ended').to.equal(true);
        await cluster.lab.delay(owner.machine, 0);
        await owner.untilState('STANDBY');
        expect((await cluster.history(standby)).map(({epoch, why}) => [epoch, why])).to.deep.include([2, 'silence']);
        note(
          "the owner's host delayed by 9000 ms, more than T = 8 s",
          'its service has stopped before the lease ends, a standby takes over after that',
          `active under epoch 2 ${seconds(taken.from - began)} after the delay began, ${seconds(taken.from - above.leaseEndNs.to)} after the ` +
            'lease had ended',
        );
      });
    });

    it('the candidate whose heartbeats come too late is passed over, the one whose heartbeats are only slow is not', async () => {
      await withLabCluster(lab(), {timings: LADDER}, async (cluster) => {
        const first = await cluster.up();
        const candidate = inOrder(cluster.others(first))[0];
        const slow = await handOver(cluster, first, candidate, 50);
        expect(slow.next.id).to.equal(candidate?.id);
        await first.launch();
        await first.untilState('STANDBY');
        const [late, other] = inOrder(cluster.others(slow.next));
        const passed = await handOver(cluster, slow.next, late, 1_700);
        expect(passed.next.id).to.equal(other?.id);
        note(
          'the first candidate delayed by 50 ms, then the first candidate by 1700 ms (its heartbeat takes more than 10 polls = 8 s)',
          'it is elected; it is passed over',
          `elected ${seconds(slow.tookNs)}, passed over for the next one ${seconds(passed.tookNs)} after the service had ended`,
        );
      });
    });
  });
}

/** A step that ends only when enough was seen; the delay stays. */
async function serverDelayed(
  cluster: LabCluster,
  owner: LabNode,
  delayMs: number,
  enough: (step: DelayStep) => boolean,
): Promise<DelayStep> {
  await cluster.lab.delay('server', delayMs);
  return watchStep(cluster, owner, enough, `a delay of ${delayMs} ms does not show as expected`);
}

/** The service has to be gone before the lease of its owner ends. The delay is gone afterwards. */
async function stopsInTime(
  cluster: LabCluster,
  owner: LabNode,
  delayMs: number,
): Promise<{readonly step: DelayStep; readonly stopped: Run; readonly healed: bigint}> {
  await cluster.lab.delay('server', delayMs);
  const step = await watchStep(cluster, owner, ({states}) => states.has('INITIALIZING'), `${delayMs} ms do not stop the service`);
  const stopped = await awaitStopped(cluster);
  await cluster.lab.delay('server', 0);
  expect(stopped.to < step.leaseEndNs.to, 'the service outlived the lease').to.equal(true);
  return {step, stopped, healed: hostNs()};
}

/** Ends the owner while one of the others is delayed. */
async function handOver(
  cluster: LabCluster,
  owner: LabNode,
  delayed: LabNode | undefined,
  delayMs: number,
): Promise<{readonly next: LabNode; readonly tookNs: bigint}> {
  if (!delayed) throw new Error('there is nobody to delay');
  await cluster.lab.delay(delayed.machine, delayMs);
  const isLate = delayMs > BEAT_MS;
  await watchStep(cluster, owner, (step) => !isLate || isUnseen(step, delayed), `${delayed.id} does not count as silent`);
  const before = await lastRun(cluster);
  await owner.terminate();
  const run = await awaitRunAfter(cluster, before);
  await cluster.lab.delay(delayed.machine, 0);
  const ended = (await runsOf(cluster)).find(({family}) => family === before.family)?.to ?? before.to;
  return {next: await cluster.awaitMaster(run.node), tookNs: run.from - ended};
}

const sentencesOf = ({said}: DelayStep): string[] => [...said.values()].flatMap((each) => [...each]);
const saysSilent = ({said}: DelayStep, {nodes}: LabCluster): boolean =>
  nodes.every(({id}) => [...(said.get(id) ?? [])].some((sentence) => SILENT.test(sentence)));
const isUnseen = ({unseenMs}: DelayStep, node: LabNode | undefined): boolean => (unseenMs.get(node?.id ?? '') ?? 0) > ALIVE_MS;
const inOrder = (nodes: readonly LabNode[]): readonly LabNode[] => [...nodes].sort((a, b) => (a.id < b.id ? -1 : 1));
const scenarioOf = (step: DelayStep, delayMs: number): string => `the server delayed by ${delayMs} ms: ${latencyOf(step)}`;

/** Who ran the service under which epoch. */
const shapeOf = async (cluster: LabCluster): Promise<(readonly [string, number])[]> =>
  (await runsOf(cluster)).map(({node, epoch}) => [node, epoch] as const);

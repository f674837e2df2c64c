// End to end: what an idle standby costs the server of the store. Promised: at most 20 system calls per second, however many nodes there are.
import {join} from 'node:path';
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {skipAloud} from '../store/temp-store.ts';
import {countCalls, whyNoStrace} from '../e2e/store-support/count-calls.ts';
import {rootOf} from '../e2e/store-support/places.ts';
import {CALM, withCluster, type Cluster} from '../e2e/support/cluster.ts';
import type {TestNode} from '../e2e/support/node.ts';

const LIMIT_MS = 90_000;
/** From one heartbeat to the next is a round: a second, the default. Were it less, a busy machine would make standbys look after a silent master. */
const PROMISED_PER_ROUND = 20;
const ROUNDS = 10;
/** After news of other nodes a standby looks more often, for five polls. */
const SKIPPED_ROUNDS = 8;
const IDS = Array.from({length: 12}, (_, index) => `n${index + 1}`);

describe('an idle standby', function () {
  this.timeout(300_000);
  before(function () {
    const why = whyNoStrace();
    if (why !== undefined) skipAloud(this, why);
  });

  it('makes at most 20 system calls on the store per round, among three nodes and the same among twelve', async () => {
    await withCluster({nodes: IDS, timings: CALM}, async (cluster) => {
      await cluster.init();
      await launchAll(cluster.nodes.slice(0, 3));
      const master = await cluster.untilMaster();
      const standby = cluster.nodes.find((node) => node !== master && node.wasLaunched);
      const amongThree = await callsPerRound(cluster, standby!, 'three');
      await launchAll(cluster.nodes.slice(3));
      const amongTwelve = await callsPerRound(cluster, standby!, 'twelve');
      expect(sum(amongThree), describeCalls(amongThree)).to.be.within(ROUNDS, ROUNDS * PROMISED_PER_ROUND);
      expect(sum(amongTwelve), describeCalls(amongTwelve)).to.be.at.most(ROUNDS * PROMISED_PER_ROUND);
      expect(sum(amongTwelve), `${describeCalls(amongThree)}; ${describeCalls(amongTwelve)}`).to.be.at.most(
        sum(amongThree) + 2 * ROUNDS,
      );
      expect(await cluster.master()).to.equal(master);
    });
  });
});

async function launchAll(nodes: readonly TestNode[]): Promise<void> {
  for (const node of nodes) node.start('--logLevel', 'warn');
  for (const node of nodes) await eventually(async () => (await node.state()).phase.match(/^(standby|ready)$/), LIMIT_MS);
}

function callsPerRound(cluster: Cluster, node: TestNode, name: string): Promise<ReadonlyMap<string, number>> {
  const outFile = join(cluster.root, `strace-${name}`);
  const isMark = (line: string): boolean => / pwrite64\(/.test(line);
  return countCalls(node.agentPid, rootOf(cluster), {outFile, isMark, skip: SKIPPED_ROUNDS, rounds: ROUNDS});
}

const sum = (calls: ReadonlyMap<string, number>): number => [...calls.values()].reduce((a, b) => a + b, 0);

const describeCalls = (calls: ReadonlyMap<string, number>): string =>
  [...calls].map(([name, count]) => `${name} ${count}`).join(', ');

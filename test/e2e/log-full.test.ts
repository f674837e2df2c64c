// End to end: the disk of the logs is full while the master changes. The history of epochs is no log: it tells of the change all the same.
import {mkdirSync, readFileSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {skipAloud} from '../store/temp-store.ts';
import {fill, mountSmall, whyNoTmpfs} from './store-support/mounts.ts';
import {withCluster} from './support/cluster.ts';

const LIMIT_MS = 45_000;

describe('a disk of the logs that is full', () => {
  before(function () {
    const why = whyNoTmpfs();
    if (why !== undefined) skipAloud(this, why);
  });

  it('costs log lines alone: the next master serves, its epoch is in the history, and the log goes on when there is room', async () => {
    await withCluster({nodes: ['n1', 'n2'], timings: {leaseTimeout: '60s'}}, async (cluster) => {
      const disk = join(cluster.root, 'log-disk');
      mkdirSync(disk);
      await mountSmall(cluster, 64, disk);
      const logOf = ({id}: {readonly id: string}): string => join(disk, `${id}.log`);
      await cluster.init();
      for (const node of cluster.nodes) await node.launch('--logFile', logOf(node));
      const master = await cluster.untilMaster();
      const [other] = cluster.others(master);
      await other!.untilState('STANDBY');
      // Each to the last byte of its last page, or what is left of that would take the lines in question.
      for (const node of cluster.nodes) fill(logOf(node));

      await master.kill('agent');
      await cluster.untilMaster(other!.id);
      await eventually(() => other!.log().includes('the log file cannot be written: '), LIMIT_MS, 'its log has room');
      const record = await eventually(
        async () => (await cluster.history()).find(({epoch, phasesMs}) => epoch === 3 && phasesMs.ready !== null),
        LIMIT_MS,
        'the history does not tell of it',
      );
      expect(record.to.nodeId).to.equal(other!.id);
      expect(record.because).to.equal(`${master.id} had released the lease`);
      const lines = (): readonly string[] => readFileSync(logOf(other!), 'utf8').split('\n');
      const tells = (line: string): boolean => line.includes('state is MASTER');
      expect(other!.log().split('\n').some(tells)).to.equal(true);
      expect(lines().some(tells)).to.equal(false);

      rmSync(logOf(master));
      await eventually(() => other!.log().includes('the log file is written again'), LIMIT_MS, 'its log stays closed');
      await eventually(() => lines().some(tells), LIMIT_MS, 'the lines that were kept are not written');
    });
  });
});

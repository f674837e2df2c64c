// End to end: `standbyExec`, a process that runs on the nodes that are not active. A switchover, a failure of it, a failover.
import {readFileSync, rmSync, writeFileSync} from 'node:fs';
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {CALM, withCluster, type Cluster} from '../e2e/support/cluster.ts';
import type {TestNode} from '../e2e/support/node.ts';
import {witness, type ServiceOf} from '../e2e/support/witness.ts';

const LIMIT_MS = 45_000;
/** Notes its beginning and its end; ends by itself with status 9 while there is a file FILE.sick. */
const REPLICA =
  'trap \'echo "gone $HA_ROLE" >> "$0"; exit 0\' TERM; echo "there $HA_ROLE" >> "$0"; while [ ! -e "$0.sick" ]; do sleep 0.02; done; exit 9';

const replicated: ServiceOf = (place) => {
  const {config, ...rest} = witness()(place);
  const standbyExec = ['sh', '-c', REPLICA, `${place.logFile}.replica.${place.nodeId}`];
  return {...rest, config: {...config, service: {standbyExec, backoff: '100ms'}}};
};

describe('a service with standbyExec', () => {
  it('has it running on every node that is not active, and on none that is', async () => {
    await withCluster({nodes: ['n1', 'n2'], service: replicated, timings: CALM}, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      await untilLast(cluster, other, 'there passive');
      expect(lines(cluster, master).at(-1)).to.not.equal('there passive');

      const chosen = await cluster.cli('switchover', '--to', other.id, '--persistenceDir', cluster.persistenceDir);
      expect(chosen, chosen.stderr).to.have.property('code', 0);
      expect(lines(cluster, other).at(-1)).to.equal('gone passive');
      await untilLast(cluster, master, 'there passive');
      await cluster.untilCounted(other, master.id);

      writeFileSync(`${replicaOf(cluster, master)}.sick`, '');
      const failed = 'the standby process has ended: exit status 9';
      const told = async (): Promise<boolean> => {
        const {nodes} = await master.state();
        const own = nodes[master.id];
        return own?.eligible === false && own.because.includes(failed);
      };
      await eventually(told, LIMIT_MS, 'the failed standby still counts');
      rmSync(`${replicaOf(cluster, master)}.sick`);
      await cluster.untilCounted(other, master.id);

      await other.kill('agent');
      await cluster.untilMaster(master.id);
      expect(lines(cluster, master).at(-1)).to.equal('gone passive');
      // The agent before it had none: a new one begins as a standby.
      await other.launch();
      await untilLast(cluster, other, 'there passive');
      await other.terminate();
      await untilLast(cluster, other, 'gone passive');
    });
  });

  it('has it again after a lease that ended while the service was to be started again; and a stop waits for its end', async () => {
    const slow: ServiceOf = (place) => {
      const {config, ...rest} = replicated(place);
      const standbyExec = ['sh', '-c', REPLICA.replace("trap '", "trap 'sleep 2; "), `${place.logFile}.replica.${place.nodeId}`];
      // Shorter than the end of what stands by, which is a part of every start.
      return {...rest, config: {...config, service: {standbyExec, backoff: '8s', startTimeout: '1500ms', attempts: 5}}};
    };
    const timings = {...CALM, stopTimeout: '10s'};
    await withCluster({nodes: ['n1', 'n2'], service: slow, timings}, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      await master.kill('guardian');
      await eventually(async () => (await master.state()).state !== 'MASTER', LIMIT_MS, 'it does not miss its guardian');
      const chosen = await cluster.cli('switchover', '--to', other.id, '--persistenceDir', cluster.persistenceDir);
      expect(chosen, chosen.stderr).to.have.property('code', 0);
      await untilLast(cluster, master, 'there passive');
      expect(await master.terminate()).to.deep.equal({code: 0, signal: null});
      expect(lines(cluster, master).at(-1)).to.equal('gone passive');
    });
  });
});

const replicaOf = (cluster: Cluster, {id}: TestNode): string => `${cluster.logFile}.replica.${id}`;

const lines = (cluster: Cluster, node: TestNode): readonly string[] =>
  readFileSync(replicaOf(cluster, node), {encoding: 'utf8', flag: 'a+'}).trim().split('\n');

const untilLast = (cluster: Cluster, node: TestNode, line: string): Promise<boolean> =>
  eventually(() => lines(cluster, node).at(-1) === line, LIMIT_MS, `the last line of ${node.id} is not "${line}"`);

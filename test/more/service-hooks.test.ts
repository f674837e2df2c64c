// End to end: the hooks of two nodes through a start, a switchover and an end, with what they find in their environment.
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {CALM, withCluster, type Cluster} from '../e2e/support/cluster.ts';
import {witness, type ServiceOf} from '../e2e/support/witness.ts';

const LIMIT_MS = 45_000;
const NAMES = ['onActive', 'onPassive', 'onLeaderChange', 'onFault'] as const;
const FIELDS = '$HA_NODE_ID $HA_ROLE $HA_EPOCH leader=$HA_MASTER_ID@$HA_MASTER_URI $HA_APP';

/** Each hook appends a line to a file of its node. */
const hooked: ServiceOf = (place) => {
  const {config, ...rest} = witness()(place);
  const hooks = NAMES.map((name): [string, string[]] => [
    name,
    ['sh', '-c', `echo "${name} ${FIELDS}" >> ${place.logFile}.hooks.${place.nodeId}`],
  ]);
  return {...rest, config: {...config, ...Object.fromEntries(hooks)}};
};

describe('the hooks of a node', () => {
  it('are run in order, on every node, each with the role, the epoch and the leader of its moment', async () => {
    await withCluster({nodes: ['n1', 'n2'], service: hooked, timings: CALM}, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      const [own, others] = [master.url(), other.url()];
      const chosen = await cluster.cli('switchover', '--to', other.id, '--persistenceDir', cluster.persistenceDir);
      expect(chosen, chosen.stderr).to.have.property('code', 0);
      await eventually(() => hooks(cluster, other.id).at(-1)?.startsWith('onActive'), LIMIT_MS, 'the other is not told');
      await eventually(
        () => hooks(cluster, master.id).at(-1)?.includes(`leader=${other.id}@`),
        LIMIT_MS,
        'the first is not told',
      );
      await other.terminate();

      expect(withoutNobody(hooks(cluster, master.id)).slice(0, 5)).to.deep.equal([
        `onPassive ${master.id} passive 0 leader=@ default`,
        `onLeaderChange ${master.id} passive 1 leader=${master.id}@${own} default`,
        `onActive ${master.id} active 1 leader=${master.id}@${own} default`,
        `onPassive ${master.id} passive 1 leader=${master.id}@${own} default`,
        `onLeaderChange ${master.id} passive 3 leader=${other.id}@${others} default`,
      ]);
      const told = withoutNobody(hooks(cluster, other.id)).filter((line) => line.includes(`leader=${other.id}@`));
      expect(told).to.deep.equal([
        `onLeaderChange ${other.id} passive 3 leader=${other.id}@${others} default`,
        `onActive ${other.id} active 3 leader=${other.id}@${others} default`,
        `onPassive ${other.id} passive 3 leader=${other.id}@${others} default`,
      ]);
      // The last ones have been run before the agent ended.
      expect(hooks(cluster, other.id).at(-1)).to.match(/^on(LeaderChange|Passive) /);
    });
  });
});

const hooks = (cluster: Cluster, id: string): readonly string[] =>
  readFileSync(join(`${cluster.logFile}.hooks.${id}`), {encoding: 'utf8', flag: 'a+'})
    .trim()
    .split('\n');

/** Between two leaders there may be a moment without one, and who looks when may see it. */
const withoutNobody = (lines: readonly string[]): readonly string[] =>
  lines.filter((line) => !line.startsWith('onLeaderChange') || !line.includes('leader=@'));

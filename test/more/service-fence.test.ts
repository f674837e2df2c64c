// End to end: the fence command of a standby, whose success replaces the silence and whose failure does not.
import {expect} from 'chai';
import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {withCluster} from '../e2e/support/cluster.ts';
import {witness, type ServiceOf} from '../e2e/support/witness.ts';

const fencedBy =
  (...fence: readonly string[]): ServiceOf =>
  (place) => {
    const {command, config} = witness()(place);
    return {
      ...(command && {command}),
      // Longer than a master that lives is kept from renewing, on a machine that stands still for a moment too.
      config: {...config, fence, fenceAfter: '6s', fenceBackoff: '500ms', fenceTimeout: '10s'},
    };
  };

describe('the fence command of a standby', () => {
  it('replaces the silence of a host that is gone, and is told whom to fence', async () => {
    // The host of this test is dead enough: what a real command makes sure of, this one only writes down.
    const service = fencedBy(
      'sh',
      '-c',
      'echo "$HA_FENCE_ID $HA_FENCE_EPOCH $HA_FENCE_URI" >>"$HA_PERSISTENCE_DIR/../logs/fenced"',
    );
    await withCluster({nodes: ['n1', 'n2'], timings: {leaseTimeout: '60s'}, service}, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      const {nodes} = await master.state();
      await master.kill('agent', 'guardian');
      // A silence of 60 s would be longer than this.
      await cluster.untilMaster(other.id, 45_000);
      const told = await readFile(join(cluster.root, 'logs', 'fenced'), 'utf8');
      expect(told).to.equal(`${master.id} 1 ${nodes[master.id]?.nodeUri}\n`);
      await cluster.untilTold((records) => expect(records.at(-1)?.why).to.equal('fence'));
    });
  });

  it('replaces nothing where it fails: the silence is waited out', async () => {
    await withCluster({nodes: ['n1', 'n2'], timings: {leaseTimeout: '16s'}, service: fencedBy('false')}, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      await master.kill('agent', 'guardian');
      await cluster.untilMaster(other.id);
      await cluster.untilTold((records) => expect(records.at(-1)?.why).to.equal('silence'));
      expect(other.log()).to.include(`${master.id} could not be fenced, so its silence is waited out: exit status 1`);
    });
  });
});

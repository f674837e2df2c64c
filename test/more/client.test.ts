// End to end: HaClient follows real nodes through a kill, a replacement and a switchover, and its requests never see two masters.
import {expect} from 'chai';
import {HaClient, type Master} from '../../lib/client/ha-client.ts';
import {eventually} from '../support/eventually.ts';
import {CALM, withCluster} from '../e2e/support/cluster.ts';
import type {Served} from '../e2e/support/node.ts';
import {published} from '../e2e/support/witness.ts';

const LIMIT_MS = 45_000;

describe('HaClient with real nodes', () => {
  it('is served through a kill of the master, a node that is replaced, and a switchover to the new one', async () => {
    await withCluster({nodes: ['n1', 'n2', 'n3'], service: published, timings: CALM}, async (cluster) => {
      const first = await cluster.up();
      const [other] = cluster.others(first);
      if (!other) throw new Error('there are three nodes');
      // The others are learned of.
      const client = new HaClient({nodes: [other.url()], timeoutMs: LIMIT_MS});
      cluster.atEnd(async () => client.close());
      const masters: Master[] = [];
      client.on('master', (master) => master && masters.push(master));
      const served = async (): Promise<Served> => (await client.fetch('/')).json() as Promise<Served>;
      expect(await served()).to.include({node: first.id, epoch: '1'});
      await eventually(() => client.nodes.length === 3, LIMIT_MS);

      const oldUrl = first.url();
      await first.kill('agent');
      // Its guardian lets go of the service a moment later: until then the old one may answer.
      await eventually(async () => (await served()).node !== first.id, LIMIT_MS, 'nobody else serves');

      await first.launch();
      await eventually(() => client.nodes.includes(first.url()), LIMIT_MS, 'the new node is not followed');
      await eventually(() => !client.nodes.includes(oldUrl), LIMIT_MS, 'the old one is still followed');
      await first.untilState('STANDBY');
      await cluster.untilCounted(await cluster.untilMaster(), first.id);

      const asked = {to: 'agent', method: 'POST', body: new URLSearchParams({to: first.id})} as const;
      expect((await client.fetch('/v1/switchover', asked)).ok).to.equal(true);
      const back = await eventually(() => client.current?.nodeId === first.id && client.current, LIMIT_MS);
      expect(back.uri).to.equal(first.url());
      expect(await served()).to.include({node: first.id, epoch: String(back.epoch)});

      const epochs = masters.map(({epoch}) => epoch);
      expect(epochs).to.deep.equal([...epochs].sort((a, b) => a - b));
      expect(new Set(masters.map(({epoch, nodeId}) => `${epoch} ${nodeId}`)).size).to.equal(new Set(epochs).size);
    });
  });
});

// End to end: NGINX and HAProxy follow the leader, the one by way of the store, the other by way of the nodes.
import {expect} from 'chai';
import {skipAloud} from '../store/temp-store.ts';
import {eventually} from '../support/eventually.ts';
import {putUnderLoad} from './proxy-support/load.ts';
import {startProxy, whyWithout, type Proxy} from './proxy-support/proxies.ts';
import {CALM, freePort, withCluster, type Cluster} from '../e2e/support/cluster.ts';
import {published} from '../e2e/support/witness.ts';

const LIMIT_MS = 60_000;

describe('a proxy with "ha-agent proxy"', function () {
  this.timeout(300_000);
  before(function () {
    const why = whyWithout('nginx', 'haproxy');
    if (why !== undefined) skipAloud(this, why);
  });

  it('A1, A2: is closed before the first leader, follows it, loses nothing in a switchover, is closed without one, and opens again', async () => {
    await withCluster({nodes: ['n1', 'n2'], service: published, timings: CALM}, async (cluster) => {
      await cluster.init();
      const ports = new Map<string, number>();
      for (const {id} of cluster.nodes) ports.set(id, await freePort([...ports.values()]));
      const launch = (id: string): Promise<unknown> => cluster.launch(id, '--port', String(ports.get(id)));
      const from = [...ports.values()].map((port) => `http://127.0.0.1:${port}/`).join(',');
      const proxies = [
        await startProxy(cluster, 'nginx', ['--persistenceDir', cluster.persistenceDir]),
        await startProxy(cluster, 'haproxy', ['--from', from]),
      ];
      // Before the first leader.
      await Promise.all(proxies.map(untilClosed));

      await Promise.all(cluster.nodes.map(({id}) => launch(id)));
      const first = (await cluster.untilMaster()).id;
      await Promise.all(proxies.map((proxy) => proxy.untilServedBy(first)));
      const second = first === 'n1' ? 'n2' : 'n1';
      await cluster.node(second).untilState('STANDBY');
      await cluster.untilCounted(cluster.node(first), second);

      await planned(cluster, proxies, second);
      await killed(cluster, proxies, second, first);

      // A backup that dies is noticed by nobody.
      await launch(second);
      await cluster.node(second).untilState('STANDBY');
      const load = putUnderLoad(...proxies.map(({url}) => url));
      await cluster.node(second).kill('agent', 'guardian');
      await eventually(() => load.answered() > 200, LIMIT_MS, 'the load does not go on');
      await load.end();
      expect(load.losses()).to.deep.equal([]);
      expect(load.nodes()).to.deep.equal([first]);

      // Nobody: at once, though a request may be held where another node could follow.
      await cluster.node(first).terminate();
      await Promise.all(proxies.map(untilClosed));

      await launch(first);
      await Promise.all(proxies.map((proxy) => proxy.untilServedBy(first)));
    });
  });
});

/** The page, and nothing that could be taken for an answer of the service. */
async function untilClosed(proxy: Proxy): Promise<void> {
  const answer = await eventually(
    async () => {
      const found = await proxy.get();
      return found.status === 503 && found;
    },
    LIMIT_MS,
    `${proxy.url} does not say that the service is unavailable`,
  );
  expect(answer.text).to.contain('<h1>Unavailable</h1>');
}

async function planned(cluster: Cluster, proxies: readonly Proxy[], to: string): Promise<void> {
  const load = putUnderLoad(...proxies.map(({url}) => url));
  await eventually(() => load.answered() > 50, LIMIT_MS);
  const {code, stderr} = await cluster.cli('switchover', '--to', to, '--persistenceDir', cluster.persistenceDir);
  expect(code, stderr).to.equal(0);
  await Promise.all(proxies.map((proxy) => proxy.untilServedBy(to)));
  const before = load.answered();
  await eventually(() => load.answered() > before + 100, LIMIT_MS);
  await load.end();
  expect(load.losses()).to.deep.equal([]);
  expect(load.nodes()).to.deep.equal([cluster.nodes.find(({id}) => id !== to)?.id, to]);
}

/** Not planned, and yet the guardian stops the service and gives the lease back: held requests find the next master. */
async function killed(cluster: Cluster, proxies: readonly Proxy[], master: string, next: string): Promise<void> {
  await cluster.node(master).kill('agent');
  await Promise.all(proxies.map((proxy) => proxy.untilServedBy(next)));
}

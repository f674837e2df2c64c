// HaClient against agents that say what a test wants: whom it takes for the master, and which nodes it follows.
import {expect} from 'chai';
import {HaClient, isHaError, type HaClientOptions, type Master} from '../../lib/client/ha-client.ts';
import {eventually} from '../support/eventually.ts';
import {FakeCluster, type FakeNode} from './fake-cluster.ts';

describe('HaClient', () => {
  let cluster: FakeCluster;
  let clients: HaClient[];
  let closers: (() => Promise<void>)[];
  beforeEach(() => {
    cluster = new FakeCluster();
    clients = [];
    closers = [() => cluster.close()];
  });
  afterEach(async () => {
    for (const client of clients) client.close();
    await Promise.all(closers.map((close) => close()));
  });

  /** Given the first node alone, it has to learn of the others. */
  function connect(options: Partial<HaClientOptions> = {}): HaClient {
    const client = new HaClient({nodes: [cluster.nodes[0]!.url], timeoutMs: 20_000, ...options});
    clients.push(client);
    return client;
  }
  async function trio(): Promise<readonly [FakeNode, FakeNode, FakeNode]> {
    const [n1, n2, n3] = await cluster.add('n1', 'n2', 'n3');
    return [n1!, n2!, n3!];
  }
  const is = (client: HaClient, master: FakeNode): Promise<unknown> =>
    eventually(() => client.current?.nodeId === master.id, 30_000, `${master.id} is not taken for the master`);

  it('finds the master by way of any node, with all that is needed to reach it', async () => {
    const [, n2] = await trio();
    cluster.elect(n2, 3);
    expect(await connect().master()).to.deep.equal({nodeId: 'n2', uri: n2.url, serviceUri: n2.serviceUri, epoch: 3});
  });

  it('waits for a master that is not there yet, and tells of each change', async () => {
    const [n1, n2] = await trio();
    const client = connect();
    const told: (Master | undefined)[] = [];
    client.on('master', (master) => told.push(master));
    const first = client.master();
    await eventually(() => n1.agent.listeners() === 1);
    cluster.elect(n1, 1);
    expect((await first).nodeId).to.equal('n1');
    cluster.elect(undefined, 2);
    await eventually(() => client.current === undefined);
    cluster.elect(n2, 3);
    await is(client, n2);
    expect(told.map((master) => master?.nodeId)).to.deep.equal(['n1', undefined, 'n2']);
  });

  it('hears of a change at once, however seldom it asks', async () => {
    const [n1, n2] = await trio();
    cluster.elect(n1, 1);
    const client = connect({pollIntervalMs: 3_600_000});
    await is(client, n1);
    await eventually(() => cluster.nodes.every(({agent}) => agent.listeners() === 1));
    cluster.elect(n2, 2);
    await is(client, n2);
  });

  it('never goes back to an older epoch: not for a frozen master that comes to, and not when all others are gone', async () => {
    const [n1, n2, n3] = await trio();
    cluster.elect(n1, 4);
    const client = connect({pollIntervalMs: 20});
    await is(client, n1);
    cluster.elect(n2, 6);
    await is(client, n2);
    const told: (Master | undefined)[] = [];
    client.on('master', (master) => told.push(master));
    cluster.tell([n1, n3], {masterId: 'n1', epoch: 4});
    n1.agent.emit('leader', 'n1 believes itself');
    await n2.closeAgent();
    await eventually(() => told.length > 0);
    // Its answer may come later than a call gives up.
    await eventually(async () => {
      const error: unknown = await client.master({timeoutMs: 300}).catch((reason: unknown) => reason);
      expect(isHaError(error, 'client.noMaster') && error.message).to.contain(
        'n1 is MASTER under epoch 4, but epoch 6 has been seen: its word is too old',
      );
      return true;
    });
    expect(told).to.deep.equal([undefined]);
  });

  it('learns of new nodes, follows one that replaces another under its id, and drops what nobody tells of', async () => {
    const [n1, n2, n3] = await trio();
    cluster.elect(n2, 1);
    const client = connect({pollIntervalMs: 20});
    await eventually(() => client.nodes.length === 3);
    await cluster.remove(n3);
    await eventually(() => !client.nodes.includes(n3.url), 30_000, 'the removed node is still followed');
    const [other] = await cluster.add('n3');
    await eventually(() => client.nodes.includes(other!.url), 30_000, 'the new node is not followed');
    // The node that was given goes too: the others are enough.
    await cluster.remove(n1);
    await cluster.remove(n2);
    cluster.elect(other, 2);
    await is(client, other!);
    expect(client.current).to.deep.include({nodeId: 'n3', uri: other!.url, epoch: 2});
    await eventually(() => !client.nodes.includes(n2.url), 30_000, 'the last node that nobody tells of is still followed');
    expect(client.nodes).to.have.members([n1.url, other!.url]);
  });

  it('believes others about a master that it cannot reach, until they say otherwise', async () => {
    const [n1, n2] = await trio();
    cluster.elect(n2, 2);
    await n2.closeAgent();
    const client = connect({pollIntervalMs: 20});
    await is(client, n2);
    cluster.elect(n1, 3);
    await is(client, n1);
  });

  it('no longer believes a master whose lease is over, though nothing more is heard', async () => {
    const [n1] = await cluster.add('n1');
    cluster.elect(n1, 1);
    n1!.agent.set({leaseLeftMs: 2_500, leaseTimeoutMs: 3_600_000});
    const client = connect({pollIntervalMs: 3_600_000});
    const told: (string | undefined)[] = [];
    client.on('master', (master) => told.push(master?.nodeId));
    await eventually(() => told.length > 1);
    expect(told).to.deep.equal(['n1', undefined]);
    expect(client.current).to.equal(undefined);
  });

  it('leaves a node of another cluster out of account that answers where one of this one was', async () => {
    const other = new FakeCluster('0therst0');
    closers.push(() => other.close());
    const [n1, n2] = await trio();
    const [stranger] = await other.add('n2');
    other.elect(stranger, 99);
    cluster.elect(n1, 1);
    const nodes = n1.agent.status().nodes.map((one) => (one.nodeId === 'n2' ? {...one, uri: stranger!.url} : one));
    for (const {agent} of [n1, n2]) agent.set({nodes});
    const client = connect({pollIntervalMs: 20});
    await eventually(() => stranger!.agent.listeners() === 1);
    await is(client, n1);
    const told: unknown[] = [];
    client.on('master', (master) => told.push(master));
    stranger!.agent.emit('leader', 'epoch 99');
    expect(await client.master()).to.include({nodeId: 'n1', epoch: 1});
    expect(told).to.deep.equal([]);
  });

  it('says who answered what when nobody is master', async () => {
    const [n1] = await trio();
    cluster.elect(undefined, 5);
    const nowhere = 'http://127.0.0.1:1/';
    const error: unknown = await connect({nodes: [n1.url, nowhere], timeoutMs: 3_000})
      .master()
      .catch((reason: unknown) => reason);
    if (!isHaError(error, 'client.noMaster')) throw error;
    expect(error.details.waitedMs).to.equal(3_000);
    expect(error.details.reasons).to.include('n1 is STANDBY under epoch 5');
    expect(error.details.reasons.find((reason) => reason.startsWith(nowhere))).to.match(/ECONNREFUSED|bad port/);
  });

  it('ends what waits when it is closed, by itself or by its signal, and leaves no connection', async () => {
    const [n1] = await trio();
    const end = new AbortController();
    const client = connect({signal: end.signal});
    await eventually(() => n1.agent.listeners() === 1);
    const waiting = Promise.allSettled([client.master(), client.fetch('/')]);
    end.abort();
    for (const result of await waiting) {
      expect(result.status === 'rejected' && isHaError(result.reason, 'client.closed'), JSON.stringify(result)).to.equal(true);
    }
    await eventually(() => n1.agent.listeners() === 0, 30_000, 'a connection is left');
    const late: unknown = await client.master().catch((reason: unknown) => reason);
    expect(isHaError(late, 'client.closed')).to.equal(true);
  });

  const WRONG: readonly [what: string, options: HaClientOptions, message: RegExp][] = [
    ['no nodes', {nodes: []}, /names 0 agents/],
    ['a node without a scheme', {nodes: ['n1:8081']}, /"n1:8081" is no URL/],
    ['another scheme', {nodes: ['ftp://n1']}, /no URL of an agent/],
    ['a time that is none', {nodes: ['http://n1:8081'], timeoutMs: Number.NaN}, /timeoutMs is NaN/],
  ];
  for (const [what, options, message] of WRONG) {
    it(`is not made from ${what}`, () => {
      expect(() => new HaClient(options))
        .to.throw(message)
        .with.property('code', 'client.invalid');
    });
  }
});

// What HaClient sends to the master, what it sends again, and what it never does.
import http from 'node:http';
import {expect} from 'chai';
import {HaClient, isHaError, type HaClientOptions, type HaRequestInit} from '../../lib/client/ha-client.ts';
import type {ErrorCode} from '../../lib/errors.ts';
import {eventually} from '../support/eventually.ts';
import {FakeCluster, type FakeNode} from './fake-cluster.ts';

describe('a request of HaClient', () => {
  let cluster: FakeCluster;
  let client: HaClient;
  let n1: FakeNode;
  let n2: FakeNode;
  beforeEach(async () => {
    cluster = new FakeCluster();
    const [first, second] = await cluster.add('n1', 'n2');
    [n1, n2] = [first!, second!];
    cluster.elect(n1, 1);
    client = connect();
  });
  afterEach(async () => {
    client.close();
    await cluster.close();
  });

  const connect = (options: Partial<HaClientOptions> = {}): HaClient =>
    new HaClient({nodes: [n1.url, n2.url], timeoutMs: 20_000, pollIntervalMs: 50, ...options});
  const text = async (path: string, init?: HaRequestInit): Promise<string> => (await client.fetch(path, init)).text();
  async function failure(code: ErrorCode, path: string, init?: HaRequestInit): Promise<string> {
    const error: unknown = await client.fetch(path, init).catch((reason: unknown) => reason);
    if (!isHaError(error, code)) throw new Error(`not ${code}`, {cause: error});
    return error.message;
  }

  it('goes to the service of the master, with method, headers and body, and a query', async () => {
    n1.answer = (request, response) => {
      request.pipe(response.setHeader('x-was', String(request.headers['x-is'])));
    };
    const response = await client.fetch('/orders?open', {method: 'POST', headers: {'x-is': 'blue'}, body: 'an order'});
    expect([response.status, response.headers.get('x-was'), await response.text()]).to.deep.equal([200, 'blue', 'an order']);
    expect(n1.served).to.deep.equal(['POST /orders?open']);
  });

  it('waits for the next master when there is none', async () => {
    cluster.elect(undefined, 2);
    await eventually(() => client.current === undefined);
    const answer = text('/');
    cluster.elect(n2, 3);
    expect(await answer).to.equal('n2');
  });

  for (const method of ['GET', 'POST']) {
    it(`is sent to the next master if nobody listened at the old one: ${method}`, async () => {
      await client.master();
      await n1.closeService();
      const answer = text('/', {method, body: method === 'POST' ? 'once' : null});
      await eventually(() => n1.agent.listeners() > 0);
      cluster.elect(n2, 2);
      expect(await answer).to.equal('n2');
      expect(n2.served).to.deep.equal([`${method} /`]);
    });
  }

  for (const method of ['GET', 'PUT', 'DELETE']) {
    it(`is sent again if the connection broke: ${method}`, async () => {
      n1.answer = (request) => {
        request.socket.destroy();
        cluster.elect(n2, 2);
      };
      expect(await text('/', {method, body: method === 'PUT' ? 'x' : null})).to.equal('n2');
      expect(n2.served).to.deep.equal([`${method} /`]);
    });
  }

  for (const method of ['POST', 'PATCH']) {
    it(`is not sent again if it may have been carried out: ${method}`, async () => {
      n1.answer = (request) => {
        request.socket.destroy();
        cluster.elect(n2, 2);
      };
      expect(await failure('client.fateUnknown', '/orders', {method, body: 'x'})).to.contain(`${method} ${n1.serviceUri}/orders`);
      await eventually(() => client.current?.nodeId === 'n2');
      expect([n1.served.length, n2.served.length]).to.deep.equal([1, 0]);
    });
  }

  it('is sent again as a POST that its caller calls idempotent', async () => {
    n1.answer = (request) => {
      request.socket.destroy();
      cluster.elect(n2, 2);
    };
    expect(await text('/', {method: 'POST', body: 'with a key', idempotent: true})).to.equal('n2');
  });

  it('is not sent again if its body is a stream, which is gone', async () => {
    n1.answer = (request) => request.socket.destroy();
    const body = new Blob(['gone']).stream();
    expect(await failure('client.unreachable', '/', {method: 'PUT', body, duplex: 'half'})).to.contain('its body is a stream');
    expect(n1.served).to.have.length(1);
  });

  it('does not wait for a frozen master that has been replaced: GET', async () => {
    n1.answer = () => cluster.elect(n2, 2);
    expect(await text('/')).to.equal('n2');
  });

  it('waits for the answer of a master that has been replaced, as long as it may: POST', async () => {
    n1.answer = (_request, response) => {
      cluster.elect(n2, 2);
      void eventually(() => client.current?.nodeId === 'n2').then(() => response.end('done'));
    };
    expect(await text('/', {method: 'POST', body: 'x'})).to.equal('done');
  });

  it('of which nobody knows what became of it when its time is over: POST', async () => {
    n1.answer = () => undefined;
    // To find the master is not part of that time here.
    await client.master();
    expect(await failure('client.fateUnknown', '/', {method: 'POST', timeoutMs: 2_000})).to.contain('no answer within 2000 ms');
    expect(await failure('client.unreachable', '/', {timeoutMs: 2_000})).to.contain('no answer within 2000 ms');
  });

  it('has its answer when the service answered, whatever that is', async () => {
    n1.answer = (_request, response) => response.writeHead(503).end('busy');
    expect((await client.fetch('/')).status).to.equal(503);
    n1.answer = (_request, response) => response.writeHead(303, {location: 'http://127.0.0.1:1/'}).end();
    expect((await client.fetch('/', {method: 'POST'})).status).to.equal(303);
    expect(n1.served).to.have.length(2);
  });

  it('is not sent again after a redirect that led nowhere: it was carried out before', async () => {
    const nowhere = await new Promise<string>((resolve) => {
      const server = http.createServer().listen(0, '127.0.0.1', () => {
        const address = server.address();
        server.close(() => resolve(`http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/`));
      });
    });
    n1.answer = (_request, response) => response.writeHead(303, {location: nowhere}).end();
    await failure('client.fateUnknown', '/', {method: 'POST', redirect: 'follow'});
    expect(n1.served).to.have.length(1);
  });

  it('goes to the agent if that is asked for, with the password, which the service never sees', async () => {
    client.close();
    client = connect({auth: {user: 'ada', password: 'secret'}});
    let seen: string | undefined = 'nothing';
    n1.answer = (request, response) => {
      seen = request.headers.authorization;
      response.end();
    };
    await text('/');
    expect(seen).to.equal(undefined);
    expect(await text('/v1/server/ha/state', {to: 'agent'})).to.equal('"MASTER"');
  });

  it('ends with the reason of its own signal, before the answer and while it is read', async () => {
    const reason = new Error('the user went away');
    const end = new AbortController();
    n1.answer = () => end.abort(reason);
    expect(await client.fetch('/', {signal: end.signal}).catch((error: unknown) => error)).to.equal(reason);
    const later = new AbortController();
    n1.answer = (_request, response) => response.write('the beginning');
    const response = await client.fetch('/', {signal: later.signal});
    later.abort(reason);
    // Node 20 reports an abort in the middle of a body in words of its own.
    expect(await response.text().catch((error: unknown) => error)).to.satisfy(
      (error: unknown) => error === reason || (error instanceof Error && error.name === 'AbortError'),
    );
  });

  it('fails at once, and is not sent, where fetch refuses it', async () => {
    const locked = new ReadableStream();
    locked.getReader();
    const refused: readonly (readonly [what: string, init: HaRequestInit])[] = [
      ['a method that fetch does not have', {method: 'TRACE'}],
      ['a method that is no word', {method: 'GE T'}],
      ['a header that is no name', {headers: {'not a name': 'x'}}],
      ['a header of two lines', {headers: {'x-is': 'a\nb'}}],
      ['a GET with a body', {method: 'GET', body: 'x'}],
      ['a stream that somebody else reads', {method: 'PUT', body: locked}],
    ];
    for (const [what, init] of refused) {
      // A limit that is over would be an HaError.
      const error: unknown = await client.fetch('/', init).catch((reason: unknown) => reason);
      expect(error, what).to.be.instanceOf(TypeError);
    }
    expect(n1.served).to.deep.equal([]);
  });

  it('does not leave the master: a path is no URL', async () => {
    for (const path of ['//elsewhere/', 'http://elsewhere/', 'orders', '/\\elsewhere']) {
      expect(await failure('client.invalid', path)).to.contain('is no path at the master');
    }
    expect(n1.served).to.deep.equal([]);
  });

  it('says so when the master has no service address, or none for HTTP', async () => {
    for (const [serviceUri, message] of [
      [null, 'n1 is master, and does not say where its service answers'],
      ['tcp://127.0.0.1:5432', 'n1 is master, and tcp://127.0.0.1:5432 is no HTTP address of its service'],
    ] as const) {
      for (const {agent} of [n1, n2]) agent.set({nodes: agent.status().nodes.map((one) => ({...one, serviceUri}))});
      n1.agent.emit('nodes', 'the configuration has changed');
      await eventually(() => client.current?.serviceUri === (serviceUri ?? undefined) && client.current?.nodeId === 'n1');
      expect(await failure('client.noService', '/')).to.contain(message);
    }
  });
});

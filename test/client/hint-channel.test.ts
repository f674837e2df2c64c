// The hint channel against a real server: events, breaks, masters that come, go and lie.
import http from 'node:http';
import type {AddressInfo} from 'node:net';
import {expect} from 'chai';
import {createHintChannel, type HintTiming} from '../../lib/client/hint-channel.ts';
import {createHttpServer, type HttpServer} from '../../lib/http/server.ts';
import {fakeAgent, type FakeAgent} from '../http/fake-agent.ts';
import {eventually} from '../support/eventually.ts';

const QUICK: Partial<HintTiming> = {firstRetryMs: 5, longestRetryMs: 20};

describe('the hint channel', () => {
  let end: AbortController;
  let hints: number;
  let cleanups: (() => Promise<unknown>)[];
  beforeEach(() => {
    end = new AbortController();
    hints = 0;
    cleanups = [];
  });
  afterEach(async () => {
    end.abort();
    await Promise.all(cleanups.map((cleanup) => cleanup()));
  });

  const channel = (timing = QUICK): ReturnType<typeof createHintChannel> =>
    createHintChannel({onHint: () => (hints += 1), signal: end.signal, timing});

  async function master(port = 0): Promise<{agent: FakeAgent; server: HttpServer; url: string; port: number}> {
    const agent = fakeAgent();
    const server = await createHttpServer({port: agent, log: {warn: () => undefined, error: () => undefined}});
    cleanups.push(() => server.close());
    return {agent, server, ...(await server.listen({bindAddress: '127.0.0.1', port, portAskedFor: port !== 0}))};
  }

  /** A server that answers as a test says, and counts how often it is asked. */
  async function liar(answer: http.RequestListener): Promise<{url: string; asked: () => number}> {
    let asked = 0;
    const server = http.createServer((request, response) => {
      asked += 1;
      answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanups.push(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    return {url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked: () => asked};
  }

  it('hints at every event of the master, and not at the snapshot that comes first', async () => {
    const {agent, url} = await master();
    channel().follow(url);
    await eventually(() => agent.listeners() === 1);
    agent.emit('leader', 'one');
    await eventually(() => hints === 1);
    agent.emit('nodes', 'two');
    agent.emit('state', 'three');
    await eventually(() => hints === 3);
  });

  it('hints when the connection breaks, and finds the master again on its own', async () => {
    const first = await master();
    channel().follow(first.url);
    await eventually(() => first.agent.listeners() === 1);
    await first.server.close();
    await eventually(() => hints === 1);
    const second = await master(first.port);
    await eventually(() => second.agent.listeners() === 1);
    expect(hints).to.equal(1);
    second.agent.emit('leader', 'back');
    await eventually(() => hints === 2);
  });

  it('follows another master when told so, without a hint, and nobody when told so', async () => {
    const [one, two] = [await master(), await master()];
    const hintChannel = channel();
    hintChannel.follow(one.url);
    await eventually(() => one.agent.listeners() === 1);
    hintChannel.follow(two.url);
    await eventually(() => one.agent.listeners() === 0 && two.agent.listeners() === 1);
    hintChannel.follow(undefined);
    await eventually(() => two.agent.listeners() === 0);
    expect(hints).to.equal(0);
  });

  it('keeps the connection it has when told the same again', async () => {
    const {url, asked} = await liar((_request, response) => {
      response.writeHead(200, {'content-type': 'text/event-stream'}).write('event: leader\ndata: 1\n\n');
    });
    const hintChannel = channel();
    hintChannel.follow(url);
    await eventually(() => hints === 1);
    for (let i = 0; i < 5; i += 1) hintChannel.follow(url);
    hintChannel.follow(undefined);
    hintChannel.follow(url);
    await eventually(() => hints === 2);
    expect(asked()).to.equal(2);
  });

  it('stops for good when its signal says so', async () => {
    const {agent, url} = await master();
    const hintChannel = channel();
    hintChannel.follow(url);
    await eventually(() => agent.listeners() === 1);
    end.abort();
    await eventually(() => agent.listeners() === 0);
    hintChannel.follow('http://127.0.0.1:1/');
    expect(hints).to.equal(0);
  });

  it('says nothing while a master cannot be reached, and goes on trying', async () => {
    const {server, url, port} = await master();
    await server.close();
    channel().follow(url);
    const {agent} = await master(port);
    await eventually(() => agent.listeners() === 1);
    expect(hints).to.equal(0);
  });

  for (const uri of ['', 'not a uri', 'ftp://127.0.0.1/', 'javascript:alert(1)', 'http://', 'http://[::1', 'http://x:99999/']) {
    it(`ignores ${JSON.stringify(uri)}`, async () => {
      const {agent, url} = await master();
      const hintChannel = channel();
      hintChannel.follow(uri);
      hintChannel.follow(url);
      await eventually(() => agent.listeners() === 1);
      expect(hints).to.equal(0);
    });
  }

  for (const [what, answer] of [
    ['an error', (_request, response) => response.writeHead(503).end('event: leader\ndata: 1\n\n')],
    ['a redirection', (_request, response) => response.writeHead(302, {location: 'http://127.0.0.1:1/'}).end()],
    ['another type', (_request, response) => response.writeHead(200, {'content-type': 'text/html'}).end('event: x\ndata: 1\n\n')],
  ] satisfies [string, http.RequestListener][]) {
    it(`takes ${what} for no news, and tries again`, async () => {
      const {url, asked} = await liar(answer);
      channel().follow(url);
      await eventually(() => asked() >= 3);
      expect(hints).to.equal(0);
    });
  }

  it('waits longer and longer for a server that always hangs up', async () => {
    const times: number[] = [];
    const {url} = await liar((_request, response) => {
      times.push(performance.now());
      response.writeHead(200, {'content-type': 'text/event-stream'}).end();
    });
    channel({firstRetryMs: 4, longestRetryMs: 300}).follow(url);
    await eventually(() => times.length >= 8);
    // 4 ms doubled six times, a quarter less by chance: waits may be longer on a busy machine, never shorter.
    expect(times[7]! - times[6]!).to.be.greaterThan(4 * 2 ** 6 * 0.7);
  });

  it('takes a master that falls silent for one that is gone', async () => {
    const {url, asked} = await liar((_request, response) => {
      response.writeHead(200, {'content-type': 'text/event-stream'}).write('event: snapshot\ndata: {}\n\n');
    });
    channel({...QUICK, silenceMs: 30}).follow(url);
    await eventually(() => hints >= 1 && asked() >= 2);
  });

  it('reads events in pieces, with any line ends, and keeps nothing of their data', async () => {
    const pieces = [
      'eve',
      'nt: lea',
      'der\r\nda',
      `ta: ${'x'.repeat(100_000)}`,
      'y\r\n',
      '\r',
      '\n: comment\n\n',
      'event: state\n\ndata:1\n\n',
    ];
    const {url} = await liar((_request, response) => {
      response.writeHead(200, {'content-type': 'text/event-stream'});
      const next = (): void => {
        const piece = pieces.shift();
        if (piece !== undefined) response.write(piece, () => setImmediate(next));
        else response.write('event: snapshot\ndata: last\n\nevent: leader\ndata: 3\n\n');
      };
      next();
    });
    channel().follow(url);
    // Two of the pieces' events have data; the third comes after all of them.
    await eventually(() => hints >= 3);
    expect(hints).to.equal(3);
  });
});

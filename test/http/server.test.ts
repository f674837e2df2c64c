// The server on real ports: where it listens, TLS, clients that hang, and its end.
import {execFile} from 'node:child_process';
import fs from 'node:fs/promises';
import https from 'node:https';
import net from 'node:net';
import path from 'node:path';
import {promisify} from 'node:util';
import {expect} from 'chai';
import {isHaError} from '../../lib/errors.ts';
import {createHttpServer, type HttpServer, type ServerOptions} from '../../lib/http/server.ts';
import {usersFileLine} from '../../lib/http/users-file.ts';
import {eventually} from '../support/eventually.ts';
import {useTempDir} from '../support/temp-dir.ts';
import {fakeAgent} from './fake-agent.ts';
import {ask, connect} from './raw-client.ts';

const run = promisify(execFile);

describe('the server', () => {
  const directory = useTempDir();
  const open: HttpServer[] = [];
  const complaints: string[] = [];
  const agent = fakeAgent();

  afterEach(async () => {
    await Promise.all(open.splice(0).map((server) => server.close()));
    complaints.length = 0;
  });

  async function serve(options: Partial<ServerOptions> = {}): Promise<HttpServer> {
    const note = (message: string): void => void complaints.push(message);
    const server = await createHttpServer({port: agent, log: {warn: note, error: note}, ...options});
    open.push(server);
    return server;
  }

  async function urlOf(server: HttpServer): Promise<string> {
    return (await server.listen({bindAddress: '127.0.0.1', port: 0, portAskedFor: false})).url;
  }

  it('answers GET, HEAD and OPTIONS over the network', async () => {
    const url = await urlOf(await serve());
    for (const method of ['GET', 'HEAD', 'OPTIONS']) {
      const {status, body} = await ask(`${url}master`, {method});
      expect([status, body === ''], method).to.deep.equal([200, method === 'HEAD']);
    }
    const {status, body} = await ask(`${url}v1/server/ha/state`, {headers: {connection: 'close'}});
    expect([status, body]).to.deep.equal([200, '"MASTER"']);
  });

  it('answers HTTP/1.0 without a Host header, as HAProxy asks', async () => {
    const url = await urlOf(await serve());
    for (const method of ['GET', 'HEAD', 'OPTIONS']) {
      const client = await connect(url, `${method} /master HTTP/1.0\r\n\r\n`);
      await eventually(() => client.isClosed());
      expect(client.text(), method).to.match(/^HTTP\/1\.1 200/);
    }
  });

  it('takes forms with and without a length, and bounds both', async () => {
    const url = `${await urlOf(await serve())}v1/server/ha/priority`;
    const headers = {'content-type': 'application/x-www-form-urlencoded'};
    const chunked = {...headers, 'transfer-encoding': 'chunked'};
    expect((await ask(url, {method: 'POST', headers: {...headers, 'content-length': 10}}, 'priority=5')).status).to.equal(200);
    expect((await ask(url, {method: 'POST', headers: chunked}, 'priority=6')).body).to.equal('5');
    const huge = `priority=7&x=${'x'.repeat(30_000)}`;
    expect((await ask(url, {method: 'POST', headers: chunked}, huge)).status).to.equal(413);
    expect((await ask(url, {method: 'POST', headers: {...headers, 'content-length': huge.length}}, huge)).status).to.equal(413);
    expect(agent.status().priority).to.equal(6);
  });

  it('answers a request without sense with 400', async () => {
    const url = await urlOf(await serve());
    for (const words of ['GET /master HTTP/1.1\r\nHost: a b/c\r\n\r\n', 'NONSENSE\r\n\r\n']) {
      const client = await connect(url, words);
      await eventually(() => /^HTTP\/1\.1 400/.test(client.text()));
      client.socket.destroy();
    }
  });

  it('takes the next free port if its own is taken and nobody asked for it', async () => {
    const first = await (await serve()).listen({bindAddress: '127.0.0.1', port: 0, portAskedFor: false});
    const second = await (await serve()).listen({bindAddress: '127.0.0.1', port: first.port, portAskedFor: false});
    expect(second.port).to.be.greaterThan(first.port);
    expect((await ask(`${second.url}master`)).status).to.equal(200);
  });

  it('says that its port is taken if it was asked for', async () => {
    const {port} = await (await serve()).listen({bindAddress: '127.0.0.1', port: 0, portAskedFor: false});
    const error: unknown = await (
      await serve()
    )
      .listen({bindAddress: '127.0.0.1', port, portAskedFor: true})
      .catch((thrown: unknown) => thrown);
    expect(isHaError(error, 'http.cannotListen')).to.equal(true);
    expect(String(error)).to.contain(`port ${port}: another program listens there`);
  });

  it('says that an address is not one of this host', async () => {
    const server = await serve({insecure: true});
    const error: unknown = await server.listen({bindAddress: '192.0.2.1', port: 0, portAskedFor: false}).catch((e: unknown) => e);
    expect(isHaError(error, 'http.cannotListen') && error.details.reason).to.contain('EADDRNOTAVAIL');
  });

  it('does not listen beyond loopback by accident', async () => {
    const server = await serve();
    const error: unknown = await server.listen({bindAddress: '0.0.0.0', port: 0, portAskedFor: false}).catch((e: unknown) => e);
    expect(isHaError(error, 'config.invalid')).to.equal(true);
  });

  it('cuts off clients that never finish what they say', async () => {
    const url = await urlOf(await serve({limits: {headersMs: 50, requestMs: 50}}));
    const clients = await Promise.all([
      connect(url),
      connect(url, 'GET /master HTTP/1.1\r\nHost: a\r\nX: '),
      connect(url, 'POST /v1/server/ha/priority HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nprio'),
    ]);
    await eventually(() => clients.every((client) => client.isClosed()));
  });

  it('serves a bounded number of connections', async () => {
    const url = await urlOf(await serve({limits: {connections: 2}}));
    const held = await Promise.all([connect(url), connect(url)]);
    const third = await connect(url).catch(() => undefined);
    await eventually(() => third === undefined || third.isClosed());
    held.forEach(({socket}) => socket.destroy());
    await eventually(async () => (await ask(`${url}master`)).status === 200);
  });

  it('streams events, and ends them and idle connections when it closes', async () => {
    const server = await serve({limits: {closeMs: 60_000}});
    const url = await urlOf(server);
    const follower = await connect(url, 'GET /v1/events HTTP/1.1\r\nHost: a\r\n\r\n');
    const idle = await connect(url, 'GET /master HTTP/1.1\r\nHost: a\r\n\r\n');
    await eventually(() => follower.text().includes('event: snapshot') && idle.text().includes('200 OK'));
    agent.emit('leader', 'n2 took over');
    await eventually(() => follower.text().includes('n2 took over'));
    await server.close();
    await eventually(() => follower.isClosed() && idle.isClosed());
    expect(agent.listeners()).to.equal(0);
  });

  it('forgets a follower that went away', async () => {
    const url = await urlOf(await serve());
    const follower = await connect(url, 'GET /v1/events HTTP/1.1\r\nHost: a\r\n\r\n');
    await eventually(() => agent.listeners() === 1);
    follower.socket.destroy();
    await eventually(() => agent.listeners() === 0);
    expect(complaints).to.deep.equal([]);
  });

  it('closes in spite of a request that is never answered', async () => {
    const slow = {...agent, setPaused: () => new Promise<void>(() => undefined)};
    const server = await serve({port: slow, limits: {closeMs: 20}});
    const url = await urlOf(server);
    const client = await connect(url, 'POST /v1/pause HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
    await server.close();
    await eventually(() => client.isClosed());
    await server.close();
  });

  it('asks for passwords where there is a users file', async () => {
    const usersFile = path.join(directory(), 'users');
    await fs.writeFile(usersFile, await usersFileLine('ada', 'admin', 'secret'));
    const server = await serve({usersFile});
    const url = `${await urlOf(server)}v1/server/ha/state`;
    const refused = await ask(url);
    expect([refused.status, refused.headers['www-authenticate']]).to.deep.equal([401, 'Basic realm="ha-agent", charset="UTF-8"']);
    expect((await ask(url, {auth: 'ada:secret'})).status).to.equal(200);
    await fs.writeFile(usersFile, await usersFileLine('ada', 'admin', 'new secret'));
    await server.reload();
    expect((await ask(url, {auth: 'ada:secret'})).status).to.equal(401);
    expect((await ask(url, {auth: 'ada:new secret'})).status).to.equal(200);
  });

  it('speaks TLS, and knows the user of a client certificate', async function () {
    const file = (name: string): string => path.join(directory(), name);
    if (!(await makeCertificates(directory()))) {
      console.log('      openssl is not installed: TLS is not tested');
      this.skip();
    }
    await fs.writeFile(file('users'), await usersFileLine('ada', 'admin', 'secret'));
    const server = await serve({usersFile: file('users'), tls: {cert: file('n1.crt'), key: file('n1.key'), ca: file('ca.crt')}});
    const url = await urlOf(server);
    expect(url).to.match(/^https:/);
    const [ca, cert, key] = await Promise.all(['ca.crt', 'ada.crt', 'ada.key'].map((name) => fs.readFile(file(name))));
    const status = async (options: https.RequestOptions): Promise<number> =>
      new Promise((resolve, reject) => {
        const request = https.get(`${url}v1/server/up`, {agent: false, ca: ca!, ...options}, (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        });
        request.on('error', reject);
      });
    expect(await status({})).to.equal(401);
    expect(await status({auth: 'ada:secret'})).to.equal(200);
    expect(await status({cert: cert!, key: key!})).to.equal(200);
    const own = await Promise.all(['self.crt', 'self.key'].map((name) => fs.readFile(file(name))));
    expect(await status({cert: own[0]!, key: own[1]!}), 'signed by nobody we know').to.equal(401);
  });

  it('refuses keys and certificates that it cannot use, before it listens', async () => {
    const file = path.join(directory(), 'empty');
    await fs.writeFile(file, 'nothing');
    for (const tls of [
      {cert: file, key: file},
      {cert: path.join(directory(), 'none'), key: file},
    ]) {
      const error: unknown = await serve({tls}).catch((thrown: unknown) => thrown);
      expect(isHaError(error, 'http.badFile')).to.equal(true);
    }
  });

  it('tries no port beyond the last', async () => {
    const blocker = net.createServer();
    await new Promise<void>((resolve) => blocker.listen(65_535, '127.0.0.1', resolve));
    const listening = (await serve()).listen({bindAddress: '127.0.0.1', port: 65_535, portAskedFor: false});
    const error: unknown = await listening.catch((thrown: unknown) => thrown);
    blocker.close();
    expect(isHaError(error, 'http.cannotListen')).to.equal(true);
  });
});

/** An authority, a certificate of it for 127.0.0.1, one for the client "ada", and one that "ada" signed alone. */
async function makeCertificates(directory: string): Promise<boolean> {
  const openssl = (...args: string[]): Promise<unknown> => run('openssl', args, {cwd: directory});
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  try {
    await openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.crt', '-subj', '/CN=test authority');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
  await openssl('req', '-x509', ...key, '-keyout', 'self.key', '-out', 'self.crt', '-subj', '/CN=ada');
  const signed = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-x509'];
  const own = ['-addext', 'subjectAltName=IP:127.0.0.1', '-addext', 'basicConstraints=critical,CA:FALSE'];
  await openssl('req', ...signed, ...key, ...own, '-keyout', 'n1.key', '-out', 'n1.crt', '-subj', '/CN=n1');
  await openssl('req', ...signed, ...key, ...own, '-keyout', 'ada.key', '-out', 'ada.crt', '-subj', '/CN=ada');
  return true;
}

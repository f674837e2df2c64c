// What a node answers is data: asked with or without a password, within a time limit, and refused where it is malformed.
import {execFileSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import type {AddressInfo} from 'node:net';
import {join} from 'node:path';
import {expect} from 'chai';
import {askNode, ownNodeOf, parseReport} from '../../lib/client/cluster-report.ts';
import {eventually} from '../support/eventually.ts';
import {useTempDir} from '../support/temp-dir.ts';

const GOOD = {
  planeId: '5t0re1d0',
  ownId: 'n1',
  masterId: 'n1',
  epoch: 3,
  leaseTimeoutMs: 30_000,
  leaseLeftMs: 1,
  nodes: {n1: {nodeId: 'n1', status: 'MASTER', epoch: 3, eligible: true, nodeUri: 'http://n1/'}},
};

describe('the report of a node', () => {
  it('holds what is needed; an older version may know less', () => {
    const report = parseReport(GOOD);
    const n1 = {nodeId: 'n1', state: 'MASTER', epoch: 3, eligible: true, uri: 'http://n1/', serviceUri: undefined};
    expect(report.nodes).to.deep.equal([n1]);
    expect(ownNodeOf(report)).to.deep.equal(n1);
    expect(ownNodeOf({...report, ownId: 'n2'})).to.equal(undefined);
    expect(parseReport({...GOOD, planeId: null, masterId: null, leaseLeftMs: null})).to.deep.include({
      storeId: undefined,
      masterId: undefined,
      leaseLeftMs: undefined,
    });
  });

  const bad: readonly (readonly [what: string, value: unknown])[] = [
    ['not there', undefined],
    ['null', null],
    ['a list', []],
    ['of a node whose id is a path', {...GOOD, ownId: '../n1'}],
    ['without anything about a node', {...GOOD, nodes: {n1: null}}],
    ['unclear about who is eligible', {...GOOD, nodes: {n1: {...GOOD.nodes.n1, eligible: 'yes'}}}],
    ['of an epoch that is no number', {...GOOD, epoch: 'x'}],
    ['without a list of nodes', {...GOOD, nodes: 1}],
  ];
  for (const [what, value] of bad) {
    it(`is refused where it is ${what}`, () => {
      expect(() => parseReport(value)).to.throw();
    });
  }
});

describe('a node that is asked', () => {
  let server: http.Server;
  let answer: http.RequestListener;
  let url: string;
  const asked: string[] = [];
  beforeEach(async () => {
    asked.length = 0;
    server = http.createServer((request, response) => {
      asked.push(`${request.url} ${request.headers.authorization}`);
      answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  afterEach(() => server.close());

  const ask = (authorization: string | undefined, timeoutMs = 20_000): Promise<string> =>
    askNode(url, {authorization, timeoutMs, signal: new AbortController().signal}).then(
      ({ownId}) => ownId,
      (error: unknown) => String(error),
    );
  const openConnections = (): Promise<number> => new Promise((resolve) => server.getConnections((_, count) => resolve(count)));

  it('gives its states to who has a password; to others its events begin with the same, and the rest is not waited for', async () => {
    answer = (request, response) => {
      response.write(request.url === '/v1/events' ? `event: snapshot\ndata: ${JSON.stringify(GOOD)}\n\n` : JSON.stringify(GOOD));
      if (request.url !== '/v1/events') response.end();
    };
    expect(await ask('Basic abc')).to.equal('n1');
    expect(await ask(undefined)).to.equal('n1');
    expect(asked).to.deep.equal(['/v1/server/ha/states Basic abc', '/v1/events undefined']);
    await eventually(async () => (await openConnections()) === 0, 30_000, 'a connection is left');
  });

  const failures: readonly (readonly [what: string, answer: http.RequestListener, said: RegExp])[] = [
    ['leads elsewhere', (_, response) => response.writeHead(302, {location: 'http://127.0.0.1:1/'}).end(), /it answered 302/],
    ['is not an agent', (_, response) => response.end('hello'), /Malformed|it hung up/],
    ['hangs up', (_, response) => response.destroy(), /socket hang up/],
    ['does not stop talking', (_, response) => void response.end('x'.repeat(2_000_000)), /it does not stop talking/],
    ['says nothing', () => undefined, /no answer within 200 ms/],
  ];
  for (const [what, how, said] of failures) {
    it(`and ${what} has not answered, and gets no second request`, async () => {
      answer = how;
      // Only who says nothing is to be given up for its silence, however slow this machine is.
      const limitMs = what === 'says nothing' ? 200 : undefined;
      for (const authorization of ['Basic abc', undefined]) expect(await ask(authorization, limitMs)).to.match(said);
      expect(asked).to.have.length(2);
      await eventually(async () => (await openConnections()) === 0, 30_000, 'a connection is left');
    });
  }
});

describe('a node that is asked over https', () => {
  const directory = useTempDir();

  it('is believed with a certificate of the authority that is given, and of no other', async () => {
    const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(directory(), name)) as [string, string];
    const names = ['-subj', '/CN=n1', '-addext', 'subjectAltName=IP:127.0.0.1'];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...names, '-keyout', key, '-out', cert], {
      stdio: 'pipe',
    });
    const ca = readFileSync(cert);
    const server = https.createServer({key: readFileSync(key), cert: ca}, (_, response) => response.end(JSON.stringify(GOOD)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
      const asking = {authorization: 'Basic abc', timeoutMs: 20_000, signal: new AbortController().signal};
      expect((await askNode(url, {...asking, ca})).ownId).to.equal('n1');
      const refused: unknown = await askNode(url, asking).catch((error: unknown) => error);
      expect(String(refused)).to.match(/self-signed certificate/);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
});

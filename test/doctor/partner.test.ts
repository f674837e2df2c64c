// Two doctors on loopback: what they can do for each other, and what strangers, other versions and other apps are told.
import {createServer, type Server} from 'node:http';
import type {AddressInfo} from 'node:net';
import {expect} from 'chai';
import {Partner} from '../../lib/doctor/partner-client.ts';
import {servePartner, type Serving} from '../../lib/doctor/partner-server.ts';
import {parseRequest, PARTNER_VERSION, type Hello} from '../../lib/doctor/partner-words.ts';
import {Probe} from '../../lib/doctor/probe.ts';
import {bootNow} from '../../lib/guardian/clock.ts';
import {DEFAULT_TIMING} from '../../lib/protocol/timing.ts';
import {nodeId} from '../../lib/protocol/words.ts';
import {expectFailure} from '../store/temp-store.ts';
import {useTempDir} from '../support/temp-dir.ts';

const NONCE = '0123456789abcdef0123456789abcdef';
const LIMIT_MS = 15_000;
const SELF: Hello = {
  version: PARTNER_VERSION,
  program: '1',
  host: 'host2',
  nodeId: nodeId('n2'),
  app: 'default',
  timing: DEFAULT_TIMING,
};

describe('a doctor that serves another one', () => {
  const dir = useTempDir();
  let probe: Probe;
  let stop: AbortController;

  beforeEach(() => {
    probe = new Probe();
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    await probe.close();
  });

  const serve = (times: {waitMs?: number; idleMs?: number} = {}): Promise<Serving> =>
    servePartner({
      address: '127.0.0.1',
      port: 0,
      persistenceDir: dir(),
      self: SELF,
      probe,
      waitMs: LIMIT_MS,
      idleMs: LIMIT_MS,
      signal: stop.signal,
      ...times,
    });

  it('introduces itself, tells its clock, finds the same directory, races, changes, and ends', async () => {
    const {url, ended} = await serve();
    const partner = new Partner(url);
    expect(await partner.hello('default')).to.deep.equal(SELF);
    const clock = await partner.clock();
    expect(Math.abs(clock?.offsetMs ?? Infinity)).to.be.lessThan(1_000);

    const own = new Probe();
    try {
      const begun = await own.call('begin', {persistenceDir: dir(), app: 'default', nonce: NONCE}, LIMIT_MS);
      const name = begun.kind === 'measured' ? begun.value.name : '';
      expect(await partner.join(name, NONCE)).to.deep.equal({kind: 'measured', value: true});
      await own.call('prepareRace', {count: 3}, LIMIT_MS);
      const raced = await partner.race({count: 4, startAtMs: bootNow(), periodMs: 1});
      expect(raced).to.deep.equal({kind: 'measured', value: ['', '', '', 'ENOENT']});
      await own.call('prepareChange', null, LIMIT_MS);
      expect(await partner.change(1)).to.have.property('kind', 'measured');
      expect(await partner.change(7)).to.deep.include({kind: 'failed', errno: 'ENOENT'});
    } finally {
      await own.close();
    }
    await partner.bye();
    expect(await ended).to.equal('done');
  });

  it('says that it does not see the directory of another share', async () => {
    const {url} = await serve();
    expect(await new Partner(url).join('.doctor-0123456789abcdef', NONCE)).to.deep.equal({kind: 'measured', value: false});
  });

  it('tells nothing to whoever does not know the token, whatever is asked', async () => {
    const {url} = await serve();
    const wrong = [new URL('/', url), new URL('/0123456789abcdef0123456789abcdef', url), new URL(`${url}/`), new URL(`${url}?x`)];
    for (const each of wrong) {
      const response = await fetch(each, {method: 'POST', body: '{"op":"hello"}'});
      expect([response.status, await response.text()], each.href).to.deep.equal([404, '{"error":"not here"}']);
    }
    expect((await fetch(url)).status).to.equal(404);
    await expectFailure(new Partner(wrong[1]!.href).hello('default'), 'doctor.partner', 'is no doctor with this token');
  });

  it('refuses what it does not understand, and goes on', async () => {
    const {url} = await serve();
    const long = `{"op":"hello","x":"${'y'.repeat(100_000)}"}`;
    for (const body of [
      '',
      '[]',
      '{}',
      '{"op":"rm"}',
      '{"op":"join","name":"..","nonce":""}',
      '{"op":"change","index":0}',
      long,
    ]) {
      const response = await fetch(url, {method: 'POST', body});
      expect(response.status, body.slice(0, 50)).to.equal(400);
      expect(await response.json()).to.have.nested.property('failed.errno', 'EPROTO');
    }
    expect(await new Partner(url).hello('default')).to.have.property('host', 'host2');
  });

  it('ends when nobody comes, when the other one goes away, and when it is stopped', async () => {
    expect(await (await serve({waitMs: 20})).ended).to.equal('nobody came');
    const left = await serve({idleMs: 20});
    await new Partner(left.url).hello('default');
    expect(await left.ended).to.equal('it went away');
    const stopped = await serve();
    stop.abort();
    expect(await stopped.ended).to.equal('stopped');
  });

  it('says where it cannot listen', async () => {
    const {url} = await serve();
    const taken = servePartner({
      ...{address: '127.0.0.1', port: Number(new URL(url).port), persistenceDir: dir(), self: SELF, probe},
      ...{waitMs: 1, idleMs: 1, signal: stop.signal},
    });
    await expectFailure(taken, 'http.cannotListen', 'EADDRINUSE');
  });
});

describe('a doctor that asks another one', () => {
  let server: Server | undefined;
  afterEach(() => {
    server?.closeAllConnections();
    server?.close();
  });
  const answering = async (text: string): Promise<Partner> => {
    const answers = createServer((_, response) => response.end(text));
    server = answers;
    await new Promise<void>((resolve) => answers.listen(0, '127.0.0.1', resolve));
    return new Partner(`http://127.0.0.1:${(answers.address() as AddressInfo).port}/`);
  };

  it('refuses another version, and says which', async () => {
    const partner = await answering(JSON.stringify({...SELF, version: 2, timing: 'what a later one may say'}));
    await expectFailure(partner.hello('default'), 'doctor.partner', 'of another version (2, this one is 1)');
  });

  it('refuses another app', async () => {
    await expectFailure(
      (await answering(JSON.stringify(SELF))).hello('shop'),
      'doctor.partner',
      'for app default, and this one for app shop',
    );
  });

  it('refuses what is no doctor', async () => {
    for (const text of ['<html>', '{}', '"MASTER"', JSON.stringify({...SELF, timing: {leaseTimeoutMs: 'x'}})]) {
      await expectFailure((await answering(text)).hello('default'), 'doctor.partner', 'is no doctor with this token');
      server?.closeAllConnections();
      server?.close();
    }
  });

  it('says when nobody answers', async () => {
    const {url} = await answering('');
    const gone = new Promise((resolve) => server?.close(resolve));
    await gone;
    await expectFailure(new Partner(url).hello('default'), 'doctor.partner', 'ECONNREFUSED');
    expect(await new Partner(url).clock()).to.equal(undefined);
  });
});

describe('a request between doctors', () => {
  it('is believed within bounds only', () => {
    const name = '.doctor-0123456789abcdef';
    expect(parseRequest(JSON.stringify({op: 'join', name, nonce: NONCE}))).to.deep.equal({op: 'join', name, nonce: NONCE});
    for (const bad of [
      {op: 'join', name: 'default', nonce: NONCE},
      {op: 'join', name: `${name}/..`, nonce: NONCE},
      {op: 'race', count: 4_001, periodMs: 1, startAtMs: 0},
      {op: 'race', count: 4_000, periodMs: 1_000, startAtMs: 0},
      {op: 'race', count: 1.5, periodMs: 1, startAtMs: 0},
      {op: 'race', count: 1, periodMs: 1},
    ]) {
      expect(() => parseRequest(JSON.stringify(bad)), JSON.stringify(bad)).to.throw();
    }
  });
});

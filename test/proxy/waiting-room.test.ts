// Between two masters: connections wait for the next one, lose nothing, and are told when there is none.
import net, {type AddressInfo} from 'node:net';
import http from 'node:http';
import {expect} from 'chai';
import {createTracker, type SeenNode, type Tracker} from '../../lib/proxy/situation.ts';
import {openWaitingRoom, type WaitingRoom} from '../../lib/proxy/waiting-room.ts';
import {ask} from '../e2e/support/ask.ts';
import {eventually} from '../support/eventually.ts';

describe('the waiting room', () => {
  let tracker: Tracker;
  let room: WaitingRoom;
  let hurried: number;
  const services: http.Server[] = [];

  async function open(holdMs = 20_000): Promise<string> {
    hurried = 0;
    tracker = createTracker({holdMs, patienceMs: 60_000, now: () => performance.now()});
    room = await openWaitingRoom({host: '127.0.0.1', port: 0, holdMs, tracker, hurry: () => (hurried += 1)});
    return `http://127.0.0.1:${room.port}/`;
  }
  afterEach(async () => {
    tracker.close();
    await room.close();
    for (const service of services.splice(0)) {
      service.close();
      service.closeAllConnections();
    }
  });

  /** A service that gives back what it is sent; 0 for a free port. */
  async function serve(port = 0): Promise<number> {
    const service = http.createServer((request, response) => {
      request.pipe(response);
    });
    services.push(service);
    await new Promise<void>((resolve) => service.listen(port, '127.0.0.1', resolve));
    return (service.address() as AddressInfo).port;
  }

  const node = (port: number, scheme = 'http'): SeenNode => ({
    nodeId: 'n1',
    state: 'MASTER',
    alive: true,
    eligible: true,
    uri: undefined,
    serviceUri: `${scheme}://127.0.0.1:${port}`,
  });
  const see = (masterId: string | undefined, port: number): void =>
    tracker.see({nodes: [node(port)], masterId, epoch: 1, leaseTimeoutMs: 30_000});

  const send = (url: string, text: string): Promise<string> =>
    fetch(url, {method: 'POST', body: text, headers: {connection: 'close'}}).then((response) => response.text());

  it('passes a request through to the master, whole and once', async () => {
    const url = await open();
    see('n1', await serve());
    const text = 'x'.repeat(1_000_000);
    expect(await send(url, text)).to.equal(text);
  });

  it('holds a request until the next master is known, and asks for news meanwhile', async () => {
    const url = await open();
    see('n1', 1);
    see(undefined, 1);
    const answer = send(url, 'held');
    await eventually(() => hurried > 2);
    see('n1', await serve());
    expect(await answer).to.equal('held');
  });

  it('holds a request that the master refuses, until it accepts', async () => {
    const url = await open();
    const port = await serve();
    services.splice(0).forEach((service) => service.close());
    see('n1', port);
    const answer = send(url, 'refused first');
    await eventually(() => hurried > 2);
    await serve(port);
    expect(await answer).to.equal('refused first');
  });

  it('says at once that there is nobody, in HTTP where the service speaks that', async () => {
    const url = await open();
    see(undefined, 1);
    expect(await ask(url))
      .to.deep.include({status: 503})
      .and.to.have.property('text')
      .that.contains('<h1>Unavailable</h1>');
    tracker.see({nodes: [node(1, 'tcp')], masterId: undefined, epoch: 1, leaseTimeoutMs: 30_000});
    expect(await ask(url).catch((error: unknown) => String(error))).to.match(/socket hang up|ECONNRESET/);
  });

  it('lets nobody wait longer than it may, nor for a change that nobody would see', async () => {
    const url = await open(150);
    see('n1', 1);
    expect((await ask(url)).status).to.equal(503);
    expect(hurried).to.be.greaterThan(0);
    hurried = 0;
    tracker.setBlind(true);
    expect((await ask(url)).status).to.equal(503);
    expect(hurried).to.equal(0);
  });

  it('forgets a client that has gone, and ends with everything that waits', async () => {
    const url = await open();
    see('n1', 1);
    see(undefined, 1);
    const held = ask(url).catch((error: unknown) => String(error));
    await eventually(() => hurried > 0);
    const impatient = net.connect(room.port, '127.0.0.1');
    await eventually(() => !impatient.connecting);
    impatient.destroy();
    await room.close();
    expect(await held).to.match(/socket hang up|ECONNRESET/);
    room = await openWaitingRoom({host: '127.0.0.1', port: 0, holdMs: 1, tracker, hurry: () => undefined});
  });
});

// Server-sent events: the snapshot, every change, and clients that are slow or gone.
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {fakeAgent} from './fake-agent.ts';
import {harness} from './harness.ts';

const LIMITS = {clients: 2, bufferBytes: 8_192, keepAliveMs: 60_000};

/** Reads a stream as its text arrives. */
function follow(response: Response): {readonly text: () => string; readonly ended: () => boolean; cancel(): Promise<void>} {
  const body: ReadableStream<Uint8Array> = response.body!;
  const reader = body.getReader();
  let text = '';
  let ended = false;
  const read = async (): Promise<void> => {
    for (let next = await reader.read(); !next.done; next = await reader.read()) text += Buffer.from(next.value).toString();
    ended = true;
  };
  void read();
  return {text: () => text, ended: () => ended, cancel: () => reader.cancel()};
}

describe('the events', () => {
  it('begin with a snapshot and go on with every change', async () => {
    const {ask, agent} = harness({events: LIMITS});
    const response = await ask('/v1/events', {headers: {'last-event-id': '41'}});
    expect(response.headers.get('content-type')).to.match(/^text\/event-stream/);
    expect(response.headers.get('cache-control')).to.equal('no-cache, no-store');
    const client = follow(response);
    await eventually(() => client.text().includes('event: snapshot\ndata: {"planeId":"5t0re1d0"'));
    await agent.setMode('standby');
    agent.emit('leader', 'a line\nbreak');
    await eventually(() => client.text().includes('event: leader'));
    expect(client.text()).to.match(/id: 1\nevent: state\ndata: \{"id":1,"type":"state",.*"state":"STANDBY","masterId":"n2"/);
    expect(client.text()).to.match(/id: 2\nevent: leader\ndata: [^\n]*a line\\nbreak[^\n]*\n\n$/);
  });

  it('say from time to time that the connection lives', async () => {
    const {ask, agent} = harness({events: {...LIMITS, keepAliveMs: 5}});
    const client = follow(await ask('/v1/events'));
    await eventually(
      () =>
        client
          .text()
          .split('\n')
          .filter((line) => line.startsWith(':')).length >= 2,
    );
    await client.cancel();
    await eventually(() => agent.listeners() === 0);
  });

  it('listen to the agent only while somebody listens to them', async () => {
    const {ask, agent} = harness({events: LIMITS});
    expect(agent.listeners()).to.equal(0);
    const [one, two] = [follow(await ask('/v1/events')), follow(await ask('/v1/events'))];
    expect(agent.listeners()).to.equal(1);
    await one.cancel();
    agent.emit('nodes', 'n4 came');
    await eventually(() => two.text().includes('n4 came'));
    await two.cancel();
    expect(agent.listeners()).to.equal(0);
  });

  it('are not opened by HEAD, which nobody would close', async () => {
    const {ask, agent} = harness({events: LIMITS});
    expect((await ask('/v1/events', {method: 'HEAD'})).status).to.equal(200);
    expect(agent.listeners()).to.equal(0);
  });

  it('are for a bounded number of clients', async () => {
    const {ask} = harness({events: LIMITS});
    const first = follow(await ask('/v1/events'));
    await ask('/v1/events');
    expect((await ask('/v1/events')).status).to.equal(503);
    await first.cancel();
    expect((await ask('/v1/events')).status).to.equal(200);
  });

  it('cut off a client that does not read, and keep the others', async () => {
    const agent = fakeAgent();
    const node = harness({agent, events: LIMITS});
    const slow = await node.ask('/v1/events');
    const quick = follow(await node.ask('/v1/events'));
    for (let i = 0; i < 40; i += 1) {
      agent.emit('nodes', `change ${i} ${'x'.repeat(400)}`);
      await eventually(() => quick.text().includes(`change ${i} `));
    }
    expect(node.hungUp()).to.equal(1);
    expect(slow.bodyUsed).to.equal(false);
    agent.emit('nodes', 'one more');
    await eventually(() => quick.text().includes('one more'));
    expect(node.hungUp()).to.equal(1);
  });

  it('end for everybody when the server closes, and begin for nobody', async () => {
    const {ask, events, agent} = harness({events: LIMITS});
    const client = follow(await ask('/v1/events'));
    events.close();
    await eventually(() => client.ended());
    expect(agent.listeners()).to.equal(0);
    expect((await ask('/v1/events')).status).to.equal(503);
  });
});

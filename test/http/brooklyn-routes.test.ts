// Brooklyn's contract, request by request.
import {expect} from 'chai';
import {fakeAgent} from './fake-agent.ts';
import {harness, type Harness} from './harness.ts';

describe('the Brooklyn contract', () => {
  let node: Harness;
  beforeEach(() => {
    node = harness();
  });

  const json = async (path: string): Promise<unknown> => (await node.ask(path)).json();

  it('answers the state as a JSON string, quotes included, and is never cached', async () => {
    const response = await node.ask('/v1/server/ha/state');
    expect(response.status).to.equal(200);
    expect(response.headers.get('content-type')).to.match(/^application\/json/);
    expect(response.headers.get('cache-control')).to.equal('no-cache, no-store');
    expect(await response.text()).to.equal('"MASTER"');
  });

  for (const mode of ['HOT_STANDBY', 'hot_standby', 'Hot_Standby']) {
    it(`carries out mode=${mode} and answers the state before`, async () => {
      const response = await node.post('/v1/server/ha/state', {mode});
      expect([response.status, await response.text()]).to.deep.equal([200, '"MASTER"']);
      expect(await json('/v1/server/ha/state')).to.equal('HOT_STANDBY');
    });
  }

  it('takes a JSON body, whatever the client accepts', async () => {
    const headers = {'content-type': 'application/json; charset=utf-8', accept: 'application/xml'};
    const response = await node.ask('/v1/server/ha/state', {method: 'POST', headers, body: '{"mode": "STANDBY"}'});
    expect([response.status, await response.json()]).to.deep.equal([200, 'MASTER']);
    expect(node.agent.status().state).to.equal('STANDBY');
  });

  it('R1, R2: takes, and does not need, the header for requests to a standby', async () => {
    const standby = harness({agent: fakeAgent('STANDBY')});
    expect((await standby.post('/v1/server/ha/priority', {priority: '1'})).status).to.equal(200);
    const headers = {'Brooklyn-Allow-Non-Master-Access': 'true'};
    expect((await standby.post('/v1/server/ha/priority', {priority: '2'}, headers)).status).to.equal(200);
  });

  it('summarises the cluster, with nulls and with the fields that Brooklyn lacks', async () => {
    const summary = await json('/v1/server/ha/states');
    expect(summary).to.include({planeId: '5t0re1d0', ownId: 'n1', masterId: 'n1', epoch: 7, phase: 'ready', eligible: true});
    expect(summary).to.have.property('links').that.deep.equals({});
    expect(summary).to.have.nested.property('nodes.n3').that.deep.equals({
      nodeId: 'n3',
      nodeUri: null,
      status: 'FAILED',
      localTimestamp: 1_700_000_005_000,
      remoteTimestamp: null,
      priority: 0,
      instanceId: null,
      mode: 'auto',
      epoch: 7,
      eligible: false,
      because: 'n3 is FAILED',
      lastSeenMs: null,
      serviceUri: null,
    });
  });

  it('serialises an unknown master and store as null', async () => {
    node.agent.set({masterId: null, storeId: null});
    expect(await json('/v1/server/ha/states')).to.include({masterId: null, planeId: null});
    expect(await (await node.ask('/v1/server/planeid')).text()).to.equal('');
  });

  it('clears all dead nodes, or one, and leaves live and unknown ones alone', async () => {
    for (const nodeId of ['n2', 'nobody']) {
      const response = await node.post('/v1/server/ha/states/clear/node', {nodeId});
      expect([response.status, await response.text()]).to.deep.equal([200, '']);
    }
    expect(node.agent.status().nodes).to.have.length(3);
    await node.post('/v1/server/ha/states/clear/node', {nodeId: 'n3'});
    expect(node.agent.status().nodes.map(({nodeId}) => nodeId)).to.deep.equal(['n1', 'n2']);
    const other = harness();
    expect((await other.post('/v1/server/ha/states/clear')).status).to.equal(200);
    expect(other.agent.status().nodes).to.have.length(2);
  });

  it('changes the priority and answers the one before', async () => {
    expect(await (await node.post('/v1/server/ha/priority', {priority: '-12'})).json()).to.equal(3);
    expect(await json('/v1/server/ha/priority')).to.equal(-12);
  });

  it('answers metrics with the history newest first', async () => {
    const metrics = await json('/v1/server/ha/metrics');
    expect(metrics).to.have.property('uptime').that.matches(/^\d+d/);
    expect(metrics).to.have.nested.property('highAvailability.history[0].state', 'MASTER');
    expect(metrics).to.have.nested.property('highAvailability.history[1].state', 'INITIALIZING');
    expect(metrics).to.have.nested.property('highAvailability.heartbeatTimeout', 30_000);
    expect(metrics).to.have.nested.property('lease.renewals', 11);
  });

  it('says whether it is up, healthy and shutting down, one by one and together', async () => {
    node.agent.set({healthy: false});
    expect(await json('/v1/server/up')).to.equal(true);
    expect(await json('/v1/server/healthy')).to.equal(false);
    expect(await json('/v1/server/shuttingDown')).to.equal(false);
    const extended = await json('/v1/server/up/extended');
    expect(extended).to.include({up: true, healthy: false, shuttingDown: false});
    expect(extended).to.have.nested.property('ha.nodes.n2.status', 'STANDBY');
  });

  it('answers the identity of the store as bare text, and the version', async () => {
    expect(await (await node.ask('/v1/server/planeid')).text()).to.equal('5t0re1d0');
    expect(await json('/v1/server/version')).to.include({version: '9.8.7'});
  });

  it("R6: exports nothing: what a master must find again is its service's own, and the store holds leases alone", async () => {
    expect((await node.ask('/v1/server/ha/persist/export')).status).to.equal(404);
  });

  it('begins to shut down, with or without the fields that Brooklyn takes', async () => {
    const response = await node.post('/v1/server/shutdown', {stopAppsFirst: 'false', shutdownTimeout: '20s'});
    expect([response.status, await response.text()]).to.deep.equal([204, '']);
    expect(node.agent.isShutDown()).to.equal(true);
  });
});

describe('input that is wrong', () => {
  const JSON_TYPE = {'content-type': 'application/json'};
  const FORM_TYPE = {'content-type': 'application/x-www-form-urlencoded'};
  const CASES: readonly [
    what: string,
    path: string,
    headers: Record<string, string>,
    body: string,
    status: number,
    message: RegExp,
  ][] = [
    ['no mode', 'ha/state', {}, '', 400, /"mode" is missing: send one of AUTO/],
    ['an empty mode', 'ha/state', FORM_TYPE, 'mode=', 400, /"mode" is missing/],
    ['an unknown mode', 'ha/state', FORM_TYPE, 'mode=KING', 400, /"KING" is no mode/],
    ['a mode given twice', 'ha/state', FORM_TYPE, 'mode=AUTO&mode=MASTER', 400, /given twice/],
    ['broken JSON', 'ha/state', JSON_TYPE, '{"mode":', 400, /not valid JSON/],
    ['JSON that is no object', 'ha/state', JSON_TYPE, '["MASTER"]', 400, /not an object/],
    ['a nested field', 'ha/state', JSON_TYPE, '{"mode": {"a": 1}}', 400, /neither text/],
    ['a name from the prototype', 'ha/state', JSON_TYPE, '{"__proto__": {"mode": "MASTER"}}', 400, /neither text/],
    ['another type of body', 'ha/state', {'content-type': 'text/xml'}, '<mode/>', 415, /send the fields as/],
    ['a body beyond all bounds', 'ha/state', FORM_TYPE, `mode=${'x'.repeat(20_000)}`, 413, /larger than/],
    ['no priority', 'ha/priority', {}, '', 400, /"priority" is missing/],
    ['a priority of words', 'ha/priority', FORM_TYPE, 'priority=high', 400, /"high" is no priority/],
    ['a fraction', 'ha/priority', FORM_TYPE, 'priority=1.5', 400, /no priority/],
    ['a number beyond the whole ones', 'ha/priority', FORM_TYPE, 'priority=9007199254740993', 400, /no priority/],
    ['no node id', 'ha/states/clear/node', {}, '', 400, /"nodeId" is missing/],
    ['a node id with a path in it', 'ha/states/clear/node', FORM_TYPE, 'nodeId=../n1', 400, /no node id/],
  ];
  for (const [what, path, headers, body, status, message] of CASES) {
    it(`is answered with ${status} and a reason: ${what}`, async () => {
      const node = harness();
      const before = node.agent.status();
      const response = await node.ask(`/v1/server/${path}`, {method: 'POST', headers, ...(body === '' ? {} : {body})});
      const answer: unknown = await response.json();
      expect(response.status).to.equal(status);
      expect(answer).to.have.property('error', status);
      expect(answer).to.have.property('message').that.matches(message);
      expect(node.agent.status()).to.equal(before);
      expect(node.defects).to.deep.equal([]);
    });
  }

  it('is told apart from what was understood and refused, such as a switchover to a dead node: 409', async () => {
    const response = await harness().post('/v1/switchover', {to: 'n3'});
    expect(response.status).to.equal(409);
    expect(await response.json()).to.deep.equal({message: 'n3 is not a live node', error: 409});
  });
});

// Paths, methods, roles for proxies, our own commands, and what happens when something throws.
import {expect} from 'chai';
import {HaError} from '../../lib/errors.ts';
import {fakeAgent} from './fake-agent.ts';
import {harness} from './harness.ts';

describe('the application', () => {
  it('answers an unknown path with a 404 that names it', async () => {
    const response = await harness().ask('/v1/server/nothing');
    expect(response.status).to.equal(404);
    expect(await response.json()).to.include({message: 'there is nothing at /v1/server/nothing', error: 404});
    expect(response.headers.get('cache-control')).to.equal('no-cache, no-store');
  });

  for (const [method, path, allow] of [
    ['DELETE', '/v1/server/ha/state', 'GET, POST, HEAD'],
    ['GET', '/v1/server/shutdown', 'POST'],
    ['PUT', '/v1/pause/', 'POST'],
    ['POST', '/master', 'GET, OPTIONS, HEAD'],
  ] as const) {
    it(`answers ${method} ${path} with 405 and what is allowed`, async () => {
      const response = await harness().ask(path, {method});
      expect(response.status).to.equal(405);
      expect(response.headers.get('allow')).to.equal(allow);
      expect(await response.json()).to.have.property('error', 405);
    });
  }

  it('takes a slash at the end of a path', async () => {
    expect(await (await harness().ask('/v1/server/ha/state/')).json()).to.equal('MASTER');
  });

  it('answers a failure that is expected with its hint, and a defect without a word about it', async () => {
    const agent = fakeAgent();
    const node = harness({agent});
    agent.setPaused = async () => {
      throw new HaError('store.unreachable', {path: '/mnt/ha', reason: 'EIO'}, {message: 'the store fails', hint: 'look at it'});
    };
    const expected = await node.post('/v1/pause');
    expect([expected.status, await expected.json()]).to.deep.equal([
      503,
      {message: 'the store fails', details: 'look at it', error: 503},
    ]);
    agent.setPaused = async () => {
      throw new TypeError('secret of the house');
    };
    const defect = await node.post('/v1/pause');
    expect(defect.status).to.equal(500);
    expect(await defect.text()).not.to.contain('secret');
    expect(JSON.stringify(node.defects)).to.contain('secret of the house');
  });
});

describe('the answers for proxies', () => {
  const CASES = [
    ['MASTER', ['/master', '/primary', '/leader', '/health'], ['/standby']],
    ['STANDBY', ['/standby', '/health'], ['/master', '/primary', '/leader']],
    ['HOT_STANDBY', ['/standby', '/health'], ['/master']],
    ['HOT_BACKUP', ['/health'], ['/master', '/standby']],
    ['INITIALIZING', ['/health'], ['/master', '/standby']],
    ['FAILED', ['/health'], ['/master', '/standby']],
  ] as const;
  for (const [state, yes, no] of CASES) {
    it(`say yes to ${yes.join(' ')} and no to ${no.join(' ')} on ${state}, to GET, HEAD and OPTIONS`, async () => {
      const {ask} = harness({agent: fakeAgent(state)});
      for (const method of ['GET', 'HEAD', 'OPTIONS']) {
        for (const path of yes) expect((await ask(path, {method})).status, `${method} ${path}`).to.equal(200);
        for (const path of no) expect((await ask(path, {method})).status, `${method} ${path}`).to.equal(503);
      }
      expect(await (await ask('/master', {method: 'HEAD'})).text()).to.equal('');
    });
  }

  it('follow the status at the moment of each request', async () => {
    const node = harness();
    expect((await node.ask('/master')).status).to.equal(200);
    node.agent.set({state: 'INITIALIZING'});
    expect((await node.ask('/master')).status).to.equal(503);
  });

  it('say no to /health once the agent does not work, and to /standby while it shuts down', async () => {
    const node = harness({agent: fakeAgent('STANDBY')});
    node.agent.set({healthy: false, shuttingDown: true});
    expect((await node.ask('/health')).status).to.equal(503);
    expect((await node.ask('/standby')).status).to.equal(503);
  });
});

describe('our own commands', () => {
  it('pause and resume', async () => {
    const node = harness();
    expect((await node.post('/v1/pause')).status).to.equal(204);
    expect(node.agent.status().paused).to.equal(true);
    expect((await node.post('/v1/resume')).status).to.equal(204);
    expect(node.agent.status().paused).to.equal(false);
  });

  it('switch over to whoever is best, or to one that is named', async () => {
    const node = harness();
    expect(await (await node.post('/v1/switchover')).json()).to.deep.equal({masterId: 'n2'});
    expect(await (await node.post('/v1/switchover', {to: 'n1'})).json()).to.deep.equal({masterId: 'n1'});
    expect((await node.post('/v1/switchover', {to: 'n3'})).status).to.equal(409);
    expect((await node.post('/v1/switchover', {to: 'a/b'})).status).to.equal(400);
    expect((await node.post('/v1/switchover', {to: ''})).status).to.equal(400);
  });

  it('pass hints on, and no more of them than are useful', async () => {
    const node = harness();
    const statuses = await Promise.all(Array.from({length: 40}, async () => (await node.post('/v1/hint')).status));
    expect(statuses.slice(0, 10)).to.deep.equal(Array(10).fill(204));
    expect(statuses).to.include(429);
    expect(node.agent.hints()).to.equal(statuses.filter((status) => status === 204).length);
  });
});

describe('the numbers for Prometheus', () => {
  it('show state, lease and counters in the text format', async () => {
    const response = await harness().ask('/metrics');
    expect(response.headers.get('content-type')).to.match(/^text\/plain; version=0\.0\.4/);
    const lines = (await response.text()).split('\n');
    expect(lines).to.include.members([
      'ha_agent_state{state="MASTER"} 1',
      'ha_agent_state{state="STANDBY"} 0',
      'ha_agent_master 1',
      'ha_agent_epoch 7',
      'ha_agent_lease_left_seconds 28.5',
      'ha_agent_node_last_seen_seconds{node="n2"} 0.4',
      'ha_agent_nodes{state="FAILED"} 1',
      '# TYPE ha_agent_renewals_total counter',
      'ha_agent_renewals_total 11',
    ]);
    expect(lines.filter((line) => line.startsWith('ha_agent_node_last_seen_seconds{node="n3"}'))).to.deep.equal([]);
  });

  it('leave out what there is none of, and may be read again and again', async () => {
    const {ask, agent} = harness({agent: fakeAgent('STANDBY')});
    expect(await (await ask('/metrics')).text()).not.to.match(/^ha_agent_lease_left_seconds \d/m);
    agent.set({epoch: 8});
    expect(await (await ask('/metrics')).text()).to.match(/^ha_agent_epoch 8$/m);
  });
});

// Where requests go: to the present master or to nobody, never to the one that was seen last.
import {expect} from 'chai';
import {merge, type Told} from '../../lib/proxy/nodes-source.ts';
import {parseView, type NodeView} from '../../lib/proxy/node-view.ts';
import {createTracker, type SeenNode, type Sighting, type Situation, type Tracker} from '../../lib/proxy/situation.ts';
import {eventually} from '../support/eventually.ts';

const node = (nodeId: string, more: Partial<SeenNode> = {}): SeenNode => ({
  nodeId,
  state: 'STANDBY',
  alive: true,
  eligible: true,
  uri: `http://${nodeId}:8081/`,
  serviceUri: `http://${nodeId}:8080`,
  ...more,
});
const seen = (masterId: string | undefined, nodes = [node('n1'), node('n2')], leaseTimeoutMs = 30_000): Sighting => ({
  nodes,
  masterId,
  epoch: 7,
  leaseTimeoutMs,
});

describe('the situation of a cluster', () => {
  let tracker: Tracker | undefined;
  let nowMs = 0;
  const track = (holdMs = 10_000, patienceMs = 60_000): Tracker => {
    tracker = createTracker({holdMs, patienceMs, now: () => nowMs});
    return tracker;
  };
  beforeEach(() => (nowMs = 1_000));
  afterEach(() => tracker?.close());

  it('is nobody before anything is seen, and the master when there is one', () => {
    const t = track();
    expect(t.situation()).to.include({kind: 'nobody', because: 'nothing has been seen of the cluster yet'});
    t.see(seen(undefined));
    expect(t.situation()).to.include({kind: 'nobody', because: 'nobody is master'});
    t.see(seen('n2'));
    expect(t.situation()).to.deep.include({kind: 'master', masterId: 'n2', address: {scheme: 'http', host: 'n2', port: 8_080}});
  });

  it('is a change for a while after a master has gone, and nobody then', () => {
    const t = track(5_000);
    t.see(seen('n1'));
    nowMs += 4_999;
    t.see(seen(undefined));
    expect(t.situation().kind).to.equal('changing');
    nowMs += 1;
    expect(t.situation().kind).to.equal('nobody');
  });

  it('is nobody at once when no other node could follow, when nothing is held, and when nothing can be seen', () => {
    const gone = [node('n1', {alive: false, eligible: false}), node('n2', {eligible: false})];
    const t = track();
    t.see(seen('n1'));
    t.see(seen(undefined, gone));
    expect(t.situation()).to.include({kind: 'nobody', because: 'nobody is master, and no node that could be is alive'});
    t.see(seen(undefined));
    expect(t.situation().kind).to.equal('changing');
    t.setBlind(true);
    expect(t.situation().kind).to.equal('nobody');
    t.close();
    const without = track(0);
    without.see(seen('n1'));
    without.see(seen(undefined));
    expect(without.situation().kind).to.equal('nobody');
  });

  it('is not believed any longer than a lease', () => {
    const t = track();
    t.see(seen('n1'));
    nowMs += 29_999;
    expect(t.situation().kind).to.equal('master');
    nowMs += 1;
    expect(t.situation()).to.include({kind: 'nobody'}).and.to.have.property('because').that.contains('for 30 s');
  });

  it('is nobody with a master that does not say where its service is, or says nonsense', () => {
    for (const serviceUri of [undefined, 'http://x/;evil', 'ftp://x:1', 'http://a:0', 'tcp://x']) {
      const t = track();
      t.see(seen('n1', [node('n1', {serviceUri})]));
      expect(t.situation(), String(serviceUri)).to.include({kind: 'nobody'});
      expect(t.situation().because).to.match(serviceUri === undefined ? /give it --serviceUri/ : /unusable service.uri/);
      t.close();
    }
  });

  it('is told once for each change, and when time alone has changed it', async () => {
    const told: Situation[] = [];
    const clock = createTracker({holdMs: 20, patienceMs: 20, now: () => performance.now()});
    tracker = clock;
    clock.onChange((situation) => told.push(situation));
    await eventually(() => told[0]?.because === 'nothing has been seen of the cluster yet');
    clock.see(seen('n1'));
    clock.see(seen('n1'));
    clock.see(seen(undefined));
    await eventually(() => told.at(-1)?.because === 'nobody is master');
    expect(told.map(({kind}) => kind)).to.deep.equal(['nobody', 'master', 'changing', 'nobody']);
    clock.see(seen('n2', [node('n2')], 30));
    await eventually(() => told.at(-1)?.because.includes('nothing has been seen of the cluster for'));
  });
});

describe('what the nodes tell', () => {
  const view = (ownId: string, more: Partial<NodeView>): NodeView => ({
    ownId,
    state: 'STANDBY',
    masterId: 'n1',
    epoch: 5,
    leaseTimeoutMs: 30_000,
    leaseLeftMs: null,
    nodes: [node('n1', {state: 'MASTER'}), node('n2')],
    ...more,
  });
  const masterOf = (...told: Told[]): string | undefined => merge(told, 1_000).masterId;
  const n1 = view('n1', {state: 'MASTER', leaseLeftMs: 20_000});

  it('is believed of the master itself, as long as its lease lasts and nobody knows of a later epoch', () => {
    expect(masterOf({view: n1, at: 900}, {view: view('n2', {}), at: 950})).to.equal('n1');
    expect(masterOf({view: n1, at: -20_000}, {view: view('n2', {}), at: 950})).to.equal(undefined);
    expect(masterOf({view: n1, at: 900}, {view: view('n2', {epoch: 6, masterId: null}), at: 950})).to.equal(undefined);
  });

  it('is believed of the others where the master does not answer, and not where it says that it is none', () => {
    expect(masterOf({view: view('n2', {}), at: 950})).to.equal('n1');
    expect(masterOf({view: view('n1', {state: 'INITIALIZING'}), at: 900}, {view: view('n2', {}), at: 950})).to.equal(undefined);
    const quiet = view('n2', {nodes: [node('n1', {state: 'INITIALIZING'}), node('n2')]});
    expect(masterOf({view: quiet, at: 950})).to.equal(undefined);
  });

  it('is put together, each node in its own words', () => {
    const said = view('n2', {nodes: [node('n2', {state: 'HOT_STANDBY'}), node('n10')]});
    const {nodes, epoch} = merge(
      [
        {view: n1, at: 900},
        {view: said, at: 950},
      ],
      1_000,
    );
    expect(nodes.map(({nodeId, state}) => `${nodeId} ${state}`)).to.deep.equal(['n1 MASTER', 'n2 HOT_STANDBY', 'n10 STANDBY']);
    expect(epoch).to.equal(5);
  });

  it('is data: what is malformed is refused, and an older version may know less', () => {
    const good = {
      ownId: 'n1',
      state: 'MASTER',
      masterId: 'n1',
      epoch: 3,
      leaseTimeoutMs: 30_000,
      leaseLeftMs: 1,
      nodes: {n1: {nodeId: 'n1', status: 'MASTER', eligible: true, nodeUri: 'http://n1/'}},
    };
    expect(parseView(good).nodes).to.deep.equal([
      {nodeId: 'n1', state: 'MASTER', alive: true, eligible: true, uri: 'http://n1/', serviceUri: undefined},
    ]);
    for (const bad of [
      null,
      [],
      {...good, ownId: '../n1'},
      {...good, nodes: {n1: null}},
      {...good, epoch: 'x'},
      {...good, nodes: 1},
    ])
      expect(() => parseView(bad), JSON.stringify(bad)).to.throw();
  });
});

// Where requests go: to the present master or to nobody, never to the one that was seen last.
import {expect} from 'chai';
import type {ClusterReport, ReportedNode} from '../../lib/client/cluster-report.ts';
import type {Answer} from '../../lib/client/present-master.ts';
import {merge} from '../../lib/proxy/nodes-source.ts';
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
  const reported = (nodeId: string, more: Partial<ReportedNode> = {}): ReportedNode => ({
    nodeId,
    state: 'STANDBY',
    epoch: 5,
    eligible: true,
    uri: `http://${nodeId}:8081/`,
    serviceUri: `http://${nodeId}:8080`,
    ...more,
  });
  const report = (ownId: string, more: Partial<ClusterReport> = {}): ClusterReport => ({
    storeId: '5t0re1d0',
    ownId,
    masterId: 'n1',
    epoch: 5,
    leaseTimeoutMs: 30_000,
    leaseLeftMs: undefined,
    nodes: [reported('n1', {state: 'MASTER'}), reported('n2')],
    ...more,
  });
  const answer = (of: ClusterReport, askedAt: number): Answer => ({url: `http://${of.ownId}:8081/`, report: of, askedAt});
  const masterOf = (...answers: Answer[]): string | undefined => merge(answers, 1_000).masterId;
  const n1 = report('n1', {leaseLeftMs: 20_000});

  it('is believed of the master itself, as long as its lease lasts and nobody knows of a later epoch', () => {
    expect(masterOf(answer(n1, 900), answer(report('n2'), 950))).to.equal('n1');
    expect(masterOf(answer(n1, -20_000), answer(report('n2'), 950))).to.equal(undefined);
    expect(masterOf(answer(n1, 900), answer(report('n2', {epoch: 6, masterId: undefined}), 950))).to.equal(undefined);
  });

  it('is believed of the others where the master does not answer, and not where it says that it is none', () => {
    expect(masterOf(answer(report('n2'), 950))).to.equal('n1');
    const starting = report('n1', {nodes: [reported('n1', {state: 'INITIALIZING'}), reported('n2')]});
    expect(masterOf(answer(starting, 900), answer(report('n2'), 950))).to.equal(undefined);
    expect(masterOf(answer({...starting, ownId: 'n2'}, 950))).to.equal(undefined);
    const reignBefore = report('n2', {nodes: [reported('n1', {state: 'MASTER', epoch: 3}), reported('n2')]});
    expect(masterOf(answer(reignBefore, 950))).to.equal(undefined);
  });

  it('is put together, each node in its own words, and who is gone can follow nobody', () => {
    const said = report('n2', {nodes: [reported('n2', {state: 'HOT_STANDBY'}), reported('n10', {state: 'FAILED'})]});
    const {nodes, epoch} = merge([answer(n1, 900), answer(said, 950)], 1_000);
    expect(nodes.map(({nodeId, state}) => `${nodeId} ${state}`)).to.deep.equal(['n1 MASTER', 'n2 HOT_STANDBY', 'n10 FAILED']);
    expect(nodes.map(({alive, eligible}) => [alive, eligible])).to.deep.equal([
      [true, true],
      [true, true],
      [false, false],
    ]);
    expect(epoch).to.equal(5);
  });
});

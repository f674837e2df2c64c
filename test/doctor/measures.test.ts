// What doctor measures on a directory of this host, and how it boils numbers down.
import {readdir} from 'node:fs/promises';
import {expect} from 'chai';
import {rateBetween} from '../../lib/doctor/clock-rate.ts';
import {measureLatency} from '../../lib/doctor/latency.ts';
import {lookAtPeers} from '../../lib/doctor/peer-look.ts';
import {summarize} from '../../lib/doctor/percentiles.ts';
import {lookAtPlace} from '../../lib/doctor/place.ts';
import {change, prepareChange, watchChange} from '../../lib/doctor/visibility.ts';
import {FIRST_LOCK, heartbeat, removeTemps, tempStore, whileRepeating} from '../store/temp-store.ts';
import {useTempDir} from '../support/temp-dir.ts';

describe('percentiles', () => {
  it('are of the nearest rank', () => {
    const upTo = (count: number): number[] => Array.from({length: count}, (_, index) => count - index);
    expect(summarize(upTo(100))).to.deep.equal({count: 100, p50: 50, p99: 99, max: 100});
    expect(summarize(upTo(1))).to.deep.equal({count: 1, p50: 1, p99: 1, max: 1});
    expect(summarize([0.126, 2])).to.deep.equal({count: 2, p50: 0.13, p99: 2, max: 2});
  });
});

describe('the rate of another clock', () => {
  const at = (theirMs: number, fromMs: number, toMs: number): Parameters<typeof rateBetween>[0] => ({theirMs, fromMs, toMs});
  it('is known as exactly as the readings are', () => {
    expect(rateBetween(at(5_000, 0, 0), at(15_000, 10_000, 10_000))).to.deep.equal({
      deviation: 0,
      uncertainty: 0,
      overMs: 10_000,
    });
    const rate = rateBetween(at(0, 0, 100), at(11_000, 10_000, 10_100));
    expect(rate?.deviation).to.be.closeTo(0.1, 1e-9);
    expect(rate).to.deep.include({uncertainty: 0.01, overMs: 10_000});
  });
  it('is not known where the readings may be one', () => {
    expect(rateBetween(at(0, 0, 100), at(50, 50, 150))).to.equal(undefined);
  });
});

describe('the measurements of doctor', () => {
  const dir = useTempDir();
  afterEach(removeTemps);

  it('time every kind of call as often as asked for', async () => {
    const found = await measureLatency(dir(), dir(), {rounds: 7, budgetMs: 20_000});
    for (const kind of ['rename', 'write', 'fsync', 'list'] as const) {
      expect(found[kind].count, kind).to.equal(7);
      expect(found[kind].max, kind).to.be.greaterThan(0).and.at.least(found[kind].p99);
    }
    expect(await readdir(dir())).to.include('7');
  });

  it('time them once where there is no time', async () => {
    expect((await measureLatency(dir(), dir(), {rounds: 7, budgetMs: 0})).list.count).to.equal(1);
  });

  it('see a change that is made while they look, both ways, and no other', async () => {
    const places = {lockDir: dir(), nodesDir: dir()};
    await prepareChange(places);
    const watching = watchChange(places, 1, 10_000);
    const made = await change(places, 1);
    const seen = await watching;
    expect(seen.listedAtMs).to.be.a('number').and.closeTo(made.renamedAtMs, 5_000);
    expect(seen.readAtMs).to.be.a('number').and.closeTo(made.wroteAtMs, 5_000);
    expect(await watchChange(places, 2, 60)).to.deep.equal({listedAtMs: null, readAtMs: null});
  });

  it('tell what lies there, and change nothing', async () => {
    const {paths} = await tempStore();
    const wish = {persistenceDir: paths.persistenceDir, app: 'default'};
    const place = await lookAtPlace(wish);
    expect(place.store).to.have.property('kind', 'store');
    expect(place.freeBytes).to.be.greaterThan(0).and.at.most(place.totalBytes);
    expect(await readdir(paths.persistenceDir)).to.deep.equal(['default']);
    expect((await lookAtPlace({...wish, app: 'other'})).store.kind).to.equal('missing');
  });

  it('tell the nodes of a store apart: who lives, how fast its clock runs, who holds the lease for how long', async () => {
    const {paths, store} = await tempStore();
    const wish = {persistenceDir: paths.persistenceDir, app: 'default', watchMs: 600, everyMs: 20};
    expect(await lookAtPeers({...wish, app: 'other'})).to.equal(null);
    await store.rename(FIRST_LOCK, '0000000001.held.n1.3f9a1c22.6000.1');
    let seq = 0;
    const peers = await (async () => {
      let looked: Awaited<ReturnType<typeof lookAtPeers>> = null;
      await whileRepeating(
        () => store.writeHeartbeat(heartbeat('n1', {seq: ++seq, wallMs: Date.now(), heartbeatIntervalMs: 200})),
        async () => {
          looked = await lookAtPeers(wish);
        },
      );
      return looked as Awaited<ReturnType<typeof lookAtPeers>>;
    })();
    expect(peers?.held).to.deep.equal({nodeId: 'n1', leaseTimeoutMs: 6_000});
    expect(peers?.nodes).to.have.length(1);
    expect(peers?.nodes[0]).to.deep.include({nodeId: 'n1', alive: true, heartbeatIntervalMs: 200});
    const {first, last} = peers?.nodes[0]?.seen ?? {};
    const rate = first && last && rateBetween(first, last);
    expect(Math.abs(rate?.deviation ?? 1)).to.be.at.most((rate?.uncertainty ?? 0) + 0.05);
    const dead = await lookAtPeers(wish);
    expect(dead?.nodes[0]).to.deep.include({alive: false, seen: null});
  });
});

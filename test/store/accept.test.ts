// The operator's accept: a new identity above everything known, whatever is missing, unless somebody is alive.
import {mkdir, readdir, rename, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {expect} from 'chai';
import {epoch, nodeId} from '../../lib/protocol/words.ts';
import {acceptStore, type AcceptOptions} from '../../lib/store/accept.ts';
import {readIdentity} from '../../lib/store/identity.ts';
import {lockDirOf, storePaths} from '../../lib/store/paths.ts';
import {
  epochRecord,
  expectFailure,
  FIRST_LOCK,
  heartbeat,
  openTemp,
  removeTemps,
  tempDir,
  tempStore,
  whileNowAndThen,
  whileRepeating,
} from './temp-store.ts';

const options: AcceptOptions = {leaseTimeoutMs: 30_000, known: {epoch: 0, storeIds: []}, watch: {intervalMs: 15, times: 2}};
const KNOWN = 'aaaaaaaaaaaaaaaa';

describe('Accepting a store', () => {
  afterEach(removeTemps);

  it('gives it a new identity that supersedes the old one, and a lock that everybody waits for', async () => {
    const {paths, store, lockDir} = await tempStore();
    const accepted = await acceptStore(paths, {...options, known: {epoch: 4, storeIds: [KNOWN]}});
    expect(accepted.storeId).to.not.equal(store.storeId);
    expect(accepted).to.deep.include({epoch: 5, supersedes: [store.storeId, KNOWN].sort()});
    expect(await readIdentity(paths)).to.deep.equal({kind: 'store', storeId: accepted.storeId, supersedes: accepted.supersedes});
    const again = await openTemp(paths);
    expect(await again.store.list(false)).to.deep.equal({kind: 'names', names: ['0000000005.held.-.-.30000.0']});
    // Whoever knew the old store can rename nothing, and is told why.
    expect(await store.rename(FIRST_LOCK, '0000000001.held.n1.3f9a1c22.30000.1')).to.have.property('kind', 'failed');
    expect(await store.list(false))
      .to.have.property('reason')
      .that.includes(accepted.storeId)
      .and.includes('accept');
    expect(await readdir(paths.root)).to.not.include(lockDir);
  });

  it('goes above the epochs of lock names, history, heartbeats and superseded stores', async () => {
    const {paths, store} = await tempStore();
    await store.writeHistory(epochRecord(17));
    expect((await acceptStore(paths, options)).epoch).to.equal(18);
    await (await openTemp(paths)).store.writeHeartbeat(heartbeat('n1', {epoch: epoch(30)}));
    const second = await acceptStore(paths, options);
    expect(second.epoch).to.equal(31);
    await rm(join(paths.nodesDir, 'n1.json'));
    await rm(join(paths.historyDir, '0000000017.json'));
    const third = await acceptStore(paths, options);
    expect(third.epoch).to.equal(32);
    expect(third.supersedes).to.include.members([store.storeId, second.storeId]);
    await rename(lockDirOf(paths.root, third.storeId), join(paths.root, 'nothing-we-know'));
    expect((await acceptStore(paths, options)).epoch, 'from the retired directories').to.equal(32);
  });

  it('works where store.json, the lock directory or everything else is gone', async () => {
    const {paths, store, lockDir} = await tempStore();
    await rm(paths.storeFile);
    const first = await acceptStore(paths, options);
    expect(first.supersedes).to.deep.equal([store.storeId]);
    await rm(lockDirOf(paths.root, first.storeId), {recursive: true});
    const second = await acceptStore(paths, options);
    expect(second.supersedes).to.include.members([first.storeId, store.storeId]);
    for (const part of await readdir(paths.root)) if (part !== 'history') await rm(join(paths.root, part), {recursive: true});
    expect((await acceptStore(paths, {...options, known: {epoch: 8, storeIds: [KNOWN]}})).epoch).to.equal(9);
    await rm(paths.root, {recursive: true});
    const born = await acceptStore(paths, {...options, known: {epoch: 8, storeIds: [KNOWN]}});
    expect(born).to.deep.include({epoch: 9, supersedes: [KNOWN]});
    expect(await (await openTemp(paths)).store.list(false)).to.deep.equal({
      kind: 'names',
      names: ['0000000009.held.-.-.30000.0'],
    });
    expect(lockDir).to.include(store.storeId);
  });

  it('goes on where an earlier one was interrupted, at any of its steps', async () => {
    const {paths, store, lockDir} = await tempStore();
    await rename(lockDir, join(paths.root, `retired.${store.storeId}.00000000`));
    await mkdir(lockDirOf(paths.root, KNOWN));
    await writeFile(join(lockDirOf(paths.root, KNOWN), '0000000006.held.-.-.30000.0'), '');
    await writeFile(join(paths.root, '.12345678.tmp'), '{"form');
    const accepted = await acceptStore(paths, options);
    expect(accepted.epoch).to.equal(7);
    expect((await readdir(paths.root)).filter((name) => name.startsWith('lock.'))).to.deep.equal([`lock.${accepted.storeId}`]);
  });

  it('is refused while a heartbeat or the lock changes, and nothing is changed then', async () => {
    const {paths, store} = await tempStore();
    const n9 = (await openTemp(paths, {nodeId: nodeId('n9')})).store;
    let seq = 0;
    await n9.writeHeartbeat(heartbeat('n9', {seq}));
    await whileRepeating(
      () => n9.writeHeartbeat(heartbeat('n9', {seq: ++seq})),
      () => expectFailure(acceptStore(paths, {...options, watch: {intervalMs: 20, times: 20}}), 'cluster.refused', 'n9'),
    );
    let name = FIRST_LOCK;
    const renew = async (): Promise<void> => {
      const next = `0000000001.held.n1.3f9a1c22.3000.${++seq}`;
      if ((await store.rename(name, next)).kind === 'done') name = next;
    };
    await whileRepeating(renew, () =>
      expectFailure(acceptStore(paths, {...options, watch: {intervalMs: 20, times: 20}}), 'cluster.refused', store.storeId),
    );
    expect(await readIdentity(paths)).to.have.property('storeId', store.storeId);
    expect(await store.list(false)).to.deep.equal({kind: 'names', names: [name]});
  });

  it('waits for an owner that renews less often than the caller thinks, and keeps the largest T there ever was', async () => {
    const {paths, store} = await tempStore();
    let name = '0000000001.held.n1.3f9a1c22.2400.1';
    await store.rename(FIRST_LOCK, name);
    let k = 1;
    const renew = async (): Promise<void> => {
      const next = `0000000001.held.n1.3f9a1c22.2400.${++k}`;
      if ((await store.rename(name, next)).kind === 'done') name = next;
    };
    // The caller's own watch would be over after 30 ms.
    await whileNowAndThen(400, renew, () => expectFailure(acceptStore(paths, options), 'cluster.refused', store.storeId));
    await acceptStore(paths, {...options, leaseTimeoutMs: 1_000});
    const again = await openTemp(paths);
    expect(await again.store.list(false)).to.deep.equal({kind: 'names', names: ['0000000002.held.-.-.2400.0']});
  });

  it('is refused in a directory of something else, in a newer store, and where no epoch is left', async () => {
    const other = storePaths(await tempDir(), 'default');
    await mkdir(join(other.root, 'photos'), {recursive: true});
    await expectFailure(acceptStore(other, options), 'store.exists', 'photos');
    const {paths, store} = await tempStore();
    await writeFile(paths.storeFile, '{"format":2}');
    await expectFailure(acceptStore(paths, options), 'store.newer', 'newer version');
    await rm(paths.storeFile);
    await writeFile(join(paths.historyDir, '9999999999.json'), '');
    await expectFailure(acceptStore(paths, options), 'store.corrupt', '9999999999');
    await rm(join(paths.historyDir, '9999999999.json'));
    expect((await acceptStore(paths, options)).supersedes).to.deep.equal([store.storeId]);
  });

  it('leaves one store when two operators decide at once', async () => {
    const {paths} = await tempStore();
    const results = await Promise.allSettled([acceptStore(paths, options), acceptStore(paths, options)]);
    for (const result of results)
      if (result.status === 'rejected') expect(result.reason).to.have.property('code', 'cluster.refused');
    const settled = await acceptStore(paths, options);
    expect(await readIdentity(paths)).to.have.property('storeId', settled.storeId);
    expect((await readdir(paths.root)).filter((name) => name.startsWith('lock.'))).to.deep.equal([`lock.${settled.storeId}`]);
  });
});

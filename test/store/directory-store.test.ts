// The store over a directory: the contract on every kind of file system that is at hand, and what a damaged store does to it.
import {spawnSync} from 'node:child_process';
import {chmod, chown, mkdir, readdir, rename, rm, stat, symlink, utimes, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {expect} from 'chai';
import {initStore} from '../../lib/store/birth.ts';
import {lockDirOf, storePaths} from '../../lib/store/paths.ts';
import {describeStore} from './store-contract.ts';
import {
  expectFailure,
  FIRST_LOCK,
  isRoot,
  NOBODY,
  openTemp,
  refusesDirect,
  removeTemps,
  runFixture,
  skipAloud,
  tempDir,
  tempStore,
  WHOLE,
} from './temp-store.ts';

describeStore('A directory', () => tempStore());
describeStore('A directory without direct I/O', () => tempStore({open: refusesDirect}));
describeStore('A directory in memory', async () => tempStore({persistenceDir: await tempDir('/dev/shm')}));

describe('The lock over a directory', () => {
  afterEach(removeTemps);

  it('has exactly one winner among processes that rename from the same name', async function () {
    this.timeout(60_000);
    const {paths, store} = await tempStore();
    const barrier = await tempDir();
    const [rivals, rounds] = [4, 25];
    const results = await Promise.all(
      Array.from({length: rivals}, (_, i) =>
        runFixture('rival', [paths.persistenceDir, `${i}`, barrier, `${rivals}`, `${rounds}`]),
      ),
    );
    const won = results.flat().map(Number);
    expect(won.sort((a, b) => a - b)).to.deep.equal(Array.from({length: rounds}, (_, i) => i));
    const listing = await store.list(false);
    expect(listing).to.have.property('names').with.length(1);
  });

  it('forces a refresh by setting the times of the lock directory', async () => {
    const {store, lockDir} = await tempStore();
    await utimes(lockDir, 1, 1);
    await store.list(false);
    expect((await stat(lockDir)).mtimeMs).to.equal(1000);
    await store.list(true);
    expect((await stat(lockDir)).mtimeMs).to.be.greaterThan(1000);
  });

  it('forces it by making and removing a private directory where another user owns the lock directory', async function () {
    if (!isRoot) return skipAloud(this, 'it needs root to act as two users');
    const {paths, lockDir} = await tempStore();
    for (const dir of [paths.root, paths.nodesDir, paths.historyDir, paths.controlDir, lockDir]) await chmod(dir, 0o777);
    await chmod(paths.storeFile, 0o644);
    await utimes(lockDir, 1, 1);
    const answer = await runFixture('ask', [paths.persistenceDir], NOBODY);
    expect(answer).to.deep.equal({listing: {kind: 'names', names: [FIRST_LOCK]}, heard: {heartbeats: [], ...WHOLE}});
    expect((await stat(lockDir)).mtimeMs).to.be.greaterThan(1000);
    expect(await readdir(lockDir)).to.deep.equal([FIRST_LOCK]);
  });

  it('says so when neither is permitted, instead of showing what a cache may hold', async function () {
    if (!isRoot) return skipAloud(this, 'it needs root to act as two users');
    const {paths, lockDir} = await tempStore();
    for (const dir of [paths.root, paths.nodesDir, paths.historyDir, paths.controlDir, lockDir]) await chmod(dir, 0o755);
    await chmod(paths.storeFile, 0o644);
    const answer = await runFixture('ask', [paths.persistenceDir], NOBODY);
    expect(answer).to.have.nested.property('listing.kind', 'error');
    expect(answer)
      .to.have.nested.property('listing.reason')
      .that.includes(lockDir)
      .and.matches(/cannot refresh .*EACCES/);
  });

  it('keeps refresh directories out of a listing, and reports every other stranger once', async () => {
    const {store, lockDir, reports} = await tempStore();
    await mkdir(join(lockDir, '.refresh.deadbeef'));
    await writeFile(join(lockDir, '.nfs0000000000000001'), '');
    const names = [FIRST_LOCK, '.nfs0000000000000001'].sort();
    for (let i = 0; i < 3; i++) {
      const listing = await store.list(false);
      expect(listing.kind === 'names' && [...listing.names].sort()).to.deep.equal(names);
    }
    expect(reports).to.have.length(1);
    expect(reports[0]).to.include('.nfs0000000000000001').and.include('no lock name');
  });

  it('answers "unknown" with an empty list while the lock directory is empty', async () => {
    const {store, lockDir} = await tempStore();
    await rm(join(lockDir, FIRST_LOCK));
    expect(await store.list(true)).to.deep.equal({kind: 'names', names: []});
  });
});

describe('A store that is not the one we knew', () => {
  afterEach(removeTemps);

  it('says which part is missing: persistence directory, store, store.json, lock directory', async () => {
    const {store, paths, lockDir} = await tempStore();
    await rename(lockDir, `${lockDir}.away`);
    await expectNotOurs(store.list(false), 'lock directory is missing', lockDir, 'ENOENT');
    await rm(paths.storeFile);
    await expectNotOurs(store.list(true), paths.storeFile, 'does not exist (ENOENT)');
    await rm(paths.root, {recursive: true});
    await expectNotOurs(store.list(false), `the directory ${paths.root} does not exist (ENOENT)`);
    await rm(paths.persistenceDir, {recursive: true});
    await expectNotOurs(store.list(false), `the directory ${paths.persistenceDir} does not exist (ENOENT)`);
  });

  it('names the store that is there instead, and every rename fails in it', async () => {
    const {store, paths} = await tempStore();
    await rm(paths.root, {recursive: true});
    const other = await initStore(paths);
    await expectNotOurs(store.list(true), `this is store ${other}, and not ${store.storeId}`);
    expect(await store.rename(FIRST_LOCK, '0000000001.held.n1.3f9a1c22.30000.1')).to.have.property('kind', 'failed');
    expect(await readdir(lockDirOf(paths.root, other))).to.deep.equal([FIRST_LOCK]);
  });

  it('says what stands in its place: a file, a damaged store.json', async () => {
    const {store, paths, lockDir} = await tempStore();
    await rm(lockDir, {recursive: true});
    await writeFile(lockDir, '');
    await expectNotOurs(store.list(false), 'ENOTDIR');
    await rm(lockDir);
    await writeFile(paths.storeFile, '{"format":1,"storeI');
    await expectNotOurs(store.list(false), `${paths.storeFile} is not JSON`);
    await rm(paths.root, {recursive: true});
    await writeFile(paths.root, 'a file');
    await expectNotOurs(store.list(false), `${paths.root} is not a directory`);
  });

  it('is an error, not another store, when it may not be looked at', async function () {
    const {store, paths} = await tempStore();
    if (isRoot) {
      await chown(paths.root, 0, 0);
      const answer = await runFixture('ask', [paths.persistenceDir], NOBODY);
      expect(answer).to.have.property('code', 'store.unreachable');
      expect(answer).to.have.property('message').that.includes('EACCES');
      return;
    }
    await chmod(paths.root, 0);
    try {
      const listing = await store.list(false);
      expect(listing).to.have.property('kind', 'error');
      expect(listing).to.have.property('reason').that.includes('EACCES');
    } finally {
      await chmod(paths.root, 0o700);
    }
  });

  it('is not opened where a part of it is a link or missing', async () => {
    const {paths} = await tempStore();
    const elsewhere = await tempDir();
    for (const dir of [paths.nodesDir, paths.historyDir, paths.controlDir]) {
      await rm(dir, {recursive: true});
      await expectFailure(openTemp(paths), 'store.corrupt', dir);
      await symlink(elsewhere, dir);
      await expectFailure(openTemp(paths), 'store.corrupt', dir);
      await rm(dir);
      await mkdir(dir);
    }
    expect((await openTemp(paths)).store.storeId).to.match(/^[0-9a-f]{16}$/);
  });
});

describe('What a standby costs', () => {
  afterEach(removeTemps);

  it('is at most 20 system calls on the store per poll', async function () {
    this.timeout(60_000);
    if (spawnSync('strace', ['-V']).status !== 0) return skipAloud(this, 'strace is not installed');
    const dir = await tempDir();
    await initStore(storePaths(dir, 'default'));
    const few = countCalls(dir, 10);
    const many = countCalls(dir, 60);
    const perRound = [...many].map(([call, n]) => [call, (n - (few.get(call) ?? 0)) / 50] as const);
    const sum = perRound.reduce((total, [, n]) => total + n, 0);
    expect(sum, JSON.stringify(perRound)).to.be.within(10, 20);
    expect(new Map(perRound).get('pwrite64')).to.equal(1);
  });
});

/** System calls that name a file of the store or one of its descriptors. */
function countCalls(dir: string, rounds: number): Map<string, number> {
  const file = fileURLToPath(new URL('./fixtures/rounds.js', import.meta.url));
  const traced = spawnSync('strace', ['-f', '-y', '-qq', '-e', 'signal=none', process.execPath, file, dir, `${rounds}`], {
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  expect(traced.status, traced.stderr.slice(-500)).to.equal(0);
  const counts = new Map<string, number>();
  for (const line of traced.stderr.split('\n')) {
    const call = /^(?:\[pid +\d+\] )?(\w+)\(/.exec(line)?.[1];
    if (call !== undefined && line.includes(dir) && !line.includes('execve')) counts.set(call, (counts.get(call) ?? 0) + 1);
  }
  return counts;
}

async function expectNotOurs(listing: Promise<unknown>, ...parts: readonly string[]): Promise<void> {
  const answer = await listing;
  expect(answer).to.have.property('kind', 'notOurStore');
  for (const part of parts) expect(answer).to.have.property('reason').that.includes(part);
}

// Births: one at most, nothing by accident, and nothing left behind.
import {mkdir, readdir, rm, symlink, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {expect} from 'chai';
import {createStoreForMaster, initStore} from '../../lib/store/birth.ts';
import {readIdentity} from '../../lib/store/identity.ts';
import {lockDirOf, storePaths} from '../../lib/store/paths.ts';
import {expectFailure, isRoot, NOBODY, removeTemps, runFixture, tempDir} from './temp-store.ts';

describe('The birth of a store', () => {
  afterEach(removeTemps);

  it('by init makes a free lock: nobody needs to wait', async () => {
    const paths = storePaths(join(await tempDir(), 'new'), 'default');
    const storeId = await initStore(paths);
    expect(storeId).to.match(/^[0-9a-f]{16}$/);
    expect(await readdir(lockDirOf(paths.root, storeId))).to.deep.equal(['0000000000.free.-.-.0']);
    expect(await readIdentity(paths)).to.deep.equal({kind: 'store', storeId, supersedes: []});
    expect((await readdir(paths.root)).sort()).to.deep.equal(['control', 'history', `lock.${storeId}`, 'nodes', 'store.json']);
  });

  it('for an insisting master makes a lock that everybody waits for, in an absent or an empty place', async () => {
    const paths = storePaths(await tempDir(), 'default');
    await mkdir(paths.root);
    const birth = await createStoreForMaster(paths, 45_000);
    expect(birth.born).to.equal(true);
    expect(await readdir(lockDirOf(paths.root, birth.storeId))).to.deep.equal(['0000000000.held.-.-.45000.0']);
    expect(await createStoreForMaster(paths, 45_000)).to.deep.equal({born: false, storeId: birth.storeId});
    expect(await readdir(paths.persistenceDir)).to.deep.equal(['default']);
  });

  it('by init is refused where a store is, and names it', async () => {
    const paths = storePaths(await tempDir(), 'default');
    const storeId = await initStore(paths);
    await expectFailure(initStore(paths), 'store.exists', storeId);
    expect(await readIdentity(paths)).to.have.property('storeId', storeId);
  });

  it('is refused where anything else is, and says what', async () => {
    const paths = storePaths(await tempDir(), 'default');
    const births = [initStore, (p: typeof paths) => createStoreForMaster(p, 30_000)];
    await writeFile(paths.root, 'a file');
    for (const birth of births) await expectFailure(birth(paths), 'store.exists', 'not a directory');
    await rm(paths.root);
    await mkdir(join(paths.root, 'photos'), {recursive: true});
    for (const birth of births) await expectFailure(birth(paths), 'store.exists', '"photos"');
    await writeFile(paths.storeFile, 'rubbish');
    for (const birth of births) await expectFailure(birth(paths), 'store.exists', 'is not JSON');
    await rm(paths.root, {recursive: true});
    await symlink('nowhere', paths.root);
    for (const birth of births) await expectFailure(birth(paths), 'store.unreachable', paths.root);
    expect(await readdir(paths.persistenceDir)).to.deep.equal(['default']);
  });

  it('says what is wrong where it cannot write', async function () {
    const dir = await tempDir();
    await expectFailure(initStore(storePaths(join(dir, 'no', 'such'), 'default')), 'store.unreachable', 'ENOENT');
    if (isRoot) {
      await expectFailure(runFixture('birth', ['init', dir], NOBODY), undefined, 'EACCES');
      expect(await readdir(dir)).to.deep.equal([]);
    }
  });

  it('happens exactly once, however many try at once', async function () {
    this.timeout(60_000);
    for (const how of ['init', 'master']) {
      const paths = storePaths(await tempDir(), 'default');
      const births = await Promise.all(Array.from({length: 6}, () => runFixture('birth', [how, paths.persistenceDir])));
      const born = births.filter(
        (birth) => typeof birth === 'object' && birth !== null && 'born' in birth && birth.born === true,
      );
      expect(born).to.have.length(1);
      expect(born[0]).to.have.property('storeId');
      const identity = await readIdentity(paths);
      expect(born[0]).to.deep.include({storeId: identity.kind === 'store' ? identity.storeId : identity.reason});
      expect(await readdir(paths.persistenceDir)).to.deep.equal(['default']);
    }
  });

  it('has no name for an app that leaves the directory', () => {
    for (const app of ['', '.', '..', '../x', 'a/b', '.hidden', 'a\0b'])
      expect(() => storePaths('/tmp', app)).to.throw(RangeError);
  });
});

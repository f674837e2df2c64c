// Who may open what is in a store: the modes of everything in it, whatever the umask of who makes it.
import {lstat, readdir} from 'node:fs/promises';
import {join} from 'node:path';
import {expect} from 'chai';
import {acceptStore} from '../../lib/store/accept.ts';
import {pause} from '../../lib/store/admin.ts';
import {initStore} from '../../lib/store/birth.ts';
import {writeEpochRecord} from '../../lib/store/history.ts';
import {storePaths, type StorePaths} from '../../lib/store/paths.ts';
import {epochRecord, heartbeat, openTemp, removeTemps, tempDir} from './temp-store.ts';

/** Any of this user's own groups will do. */
const GROUP = process.getgid?.() ?? 0;

describe('Everything in a store', () => {
  let umask: number;
  afterEach(removeTemps);
  afterEach(() => process.umask(umask));

  for (const [what, group, modes] of [
    ['is for its owner alone', undefined, ['700', '600']],
    ['is open to the group it was made for', GROUP, ['2770', '660']],
  ] as const)
    for (const mask of [0o077, 0o022, 0])
      it(`${what}, with umask ${mask.toString(8).padStart(3, '0')}`, async () => {
        umask = process.umask(mask);
        const paths = storePaths(join(await tempDir(), 'new'), 'default');
        await initStore(paths, group);
        await useIt(paths);
        const found = await modesBelow(paths.root);
        expect([...new Set(found.map(({mode}) => mode))].sort(), JSON.stringify(found)).to.have.members([...modes]);
        if (group !== undefined) expect(new Set(found.map(({gid}) => gid))).to.deep.equal(new Set([group]));
        // The heartbeat, a wish, an epoch, the lock and the store's own record, and the five directories.
        expect(found).to.have.length(10);
      });

  it('stays open to its group after an operator has accepted it', async () => {
    umask = process.umask(0o077);
    const paths = storePaths(await tempDir(), 'default');
    await initStore(paths, GROUP);
    const options = {leaseTimeoutMs: 1_000, known: {epoch: 5, storeIds: []}, watch: {intervalMs: 1, times: 1}};
    await acceptStore(paths, options);
    await useIt(paths);
    expect(new Set((await modesBelow(paths.root)).map(({mode}) => mode))).to.deep.equal(new Set(['2770', '660']));
  });
});

/** Has every kind of file made. */
async function useIt(paths: StorePaths): Promise<void> {
  const {store} = await openTemp(paths);
  expect(await store.writeHeartbeat(heartbeat('n1'))).to.include({ok: true});
  expect(await store.writeHeartbeat(heartbeat('n1', {seq: 2}))).to.include({ok: true});
  await pause(paths, 'a test');
  await writeEpochRecord(paths, epochRecord(1));
}

async function modesBelow(root: string): Promise<{name: string; mode: string; gid: number}[]> {
  const names = ['.', ...(await readdir(root, {recursive: true}))];
  return Promise.all(
    names.map(async (name) => {
      const {mode, gid} = await lstat(join(root, name));
      return {name, mode: (mode & 0o7777).toString(8), gid};
    }),
  );
}

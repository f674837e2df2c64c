// highAvailability disabled beside a cluster: whoever may live there is a reason to refuse.
import {writeFile} from 'node:fs/promises';
import {DEFAULT_TIMING} from '../../lib/protocol/timing.ts';
import {refuseLiveStore} from '../../lib/cli/live-store.ts';
import {expectFailure, FIRST_LOCK, removeTemps, tempStore, whileNowAndThen} from '../store/temp-store.ts';

describe('refuseLiveStore', () => {
  afterEach(removeTemps);
  const configOf = (persistenceDir: string): Parameters<typeof refuseLiveStore>[0] => ({
    persistenceDir,
    app: 'default',
    timing: {...DEFAULT_TIMING, heartbeatIntervalMs: 20},
  });

  it('lets pass a store where nothing changes', async () => {
    const {paths, store} = await tempStore();
    await refuseLiveStore(configOf(paths.persistenceDir));
    await store.rename(FIRST_LOCK, '0000000001.held.n1.3f9a1c22.1000.1');
    await refuseLiveStore(configOf(paths.persistenceDir));
  });

  it('refuses where the lease is renewed without a heartbeat, however seldom', async () => {
    const {paths, store} = await tempStore();
    const nameOf = (k: number): string => `0000000001.held.n1.3f9a1c22.3000.${k}`;
    let k = 1;
    await store.rename(FIRST_LOCK, nameOf(k));
    await whileNowAndThen(
      600,
      () => store.rename(nameOf(k), nameOf(++k)),
      () => expectFailure(refuseLiveStore(configOf(paths.persistenceDir)), 'cluster.refused', 'being renewed'),
    );
  });

  it('refuses where it cannot be told who lives', async () => {
    const {paths} = await tempStore();
    await writeFile(paths.storeFile, 'rubbish');
    await expectFailure(refuseLiveStore(configOf(paths.persistenceDir)), 'cluster.refused', 'is not known');
  });
});

// A change of the master that was begun and does not come true is a failure while running, not a refusal.
import {expect} from 'chai';
import {followChange} from '../../lib/cli/switchover.ts';
import {loadConfig} from '../../lib/config/load.ts';
import {exitStatus} from '../../lib/errors.ts';
import {epoch, nodeId} from '../../lib/protocol/words.ts';
import {expectFailure, FIRST_LOCK, heartbeat, openTemp, removeTemps, tempStore, whileRepeating} from '../store/temp-store.ts';
import type {TempStore} from '../store/temp-store.ts';

describe('A change of the master that was begun', () => {
  afterEach(removeTemps);
  const wish = {epoch: epoch(1), to: nodeId('n2')};

  async function follow({paths}: TempStore, signal: AbortSignal): Promise<string> {
    const around = {env: {HOME: '/h'}, cwd: '/', hostname: 'n9', uid: 1_000};
    const config = await loadConfig({...around, argv: {persistenceDir: paths.persistenceDir}});
    return followChange({argv: {json: true}, service: undefined}, config, paths, wish, signal);
  }

  async function failsWith(change: Promise<string>, part: string): Promise<void> {
    await expectFailure(change, 'cluster.failed', part);
    const error: unknown = await change.catch((thrown: unknown) => thrown);
    expect(exitStatus(error)).to.equal(2);
  }

  it('fails with exit status 2 when it is interrupted', async () => {
    const temp = await tempStore();
    await failsWith(follow(temp, AbortSignal.abort('SIGINT')), 'SIGINT came');
  });

  it('fails with exit status 2 when the owner drops the wish', async () => {
    const temp = await tempStore();
    await temp.store.rename(FIRST_LOCK, '0000000001.held.n1.3f9a1c22.1000.1');
    await failsWith(follow(temp, new AbortController().signal), 'the owner refused it');
  });

  it('fails with exit status 2 when the lease goes elsewhere', async () => {
    const temp = await tempStore();
    await temp.store.rename(FIRST_LOCK, '0000000003.held.n3.3f9a1c22.1000.1');
    const {store} = await openTemp(temp.paths, {nodeId: nodeId('n3')});
    let seq = 0;
    const live = (): Promise<unknown> => store.writeHeartbeat(heartbeat('n3', {state: 'MASTER', epoch: epoch(3), seq: ++seq}));
    await whileRepeating(live, () => failsWith(follow(temp, new AbortController().signal), 'n3 became MASTER instead of n2'));
  });
});

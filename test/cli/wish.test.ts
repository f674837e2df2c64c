// A wish that does not come true is taken back, also when the operator has had enough.
import {expect} from 'chai';
import {carryOut} from '../../lib/cli/wish.ts';
import {epoch, nodeId} from '../../lib/protocol/words.ts';
import {requestSwitchover} from '../../lib/store/admin.ts';
import {removeTemps, tempStore} from '../store/temp-store.ts';

describe('A wish', () => {
  afterEach(removeTemps);
  const wish = {epoch: epoch(3), to: nodeId('n2')};

  for (const [how, follow] of [
    ['fails', () => Promise.reject(new Error('not done'))],
    [
      'is interrupted',
      (signal: AbortSignal): Promise<never> => {
        // Others in this process listen too: only the newest one is told.
        process.listeners('SIGTERM').at(-1)?.('SIGTERM');
        return Promise.reject(new Error(signal.aborted ? 'not done' : 'nobody noticed the signal'));
      },
    ],
  ] as const) {
    it(`that ${how} is withdrawn`, async () => {
      const {paths, store} = await tempStore();
      const place = (): Promise<void> => requestSwitchover(paths, wish, 'me');
      const listening = process.listenerCount('SIGTERM');
      const result = await carryOut(paths, wish, place, follow).catch((error: unknown) => error);
      expect(result).to.have.property('message', 'not done');
      expect(await store.readWishes()).to.deep.include({switchovers: []});
      expect(process.listenerCount('SIGTERM')).to.equal(listening);
    });
  }

  it('that comes true is left to its new owner', async () => {
    const {paths, store} = await tempStore();
    const place = (): Promise<void> => requestSwitchover(paths, wish, 'me');
    expect(await carryOut(paths, wish, place, () => Promise.resolve('n2'))).to.equal('n2');
    expect(await store.readWishes()).to.deep.include({switchovers: [wish]});
  });
});

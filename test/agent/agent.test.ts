// The loop itself: its last heartbeat comes after the one before it, and gets out.
import {expect} from 'chai';
import {createAgent} from '../../lib/agent/agent.ts';
import type {Heartbeat} from '../../lib/protocol/heartbeat.ts';
import {epoch} from '../../lib/protocol/words.ts';
import {eventually} from '../support/eventually.ts';
import {FACTS, SELF} from './machine-fixture.ts';
import {idlePorts, idleStore} from './stubs.ts';

describe('An agent that ends while a heartbeat is being written', () => {
  it('waits for it, and then writes that it has ended', async () => {
    const writing: Heartbeat[] = [];
    let written = (): void => undefined;
    const writeHeartbeat = async (heartbeat: Heartbeat): ReturnType<typeof idleStore.writeHeartbeat> => {
      writing.push(heartbeat);
      if (writing.length === 1) await new Promise<void>((resolve) => (written = resolve));
      return {ok: true, reason: '', found: undefined};
    };
    const agent = createAgent(SELF, FACTS, epoch(0), idlePorts({store: {...idleStore, writeHeartbeat}}));
    agent.start();
    await eventually(() => writing.length === 1);
    agent.mailbox.end('a test', false);
    expect(writing).to.have.length(1);
    written();
    await agent.ended;
    expect(writing.map(({state}) => state)).to.deep.equal(['INITIALIZING', 'TERMINATED']);
    expect(writing[1]?.seq).to.be.greaterThan(writing[0]?.seq ?? Infinity);
  });
});

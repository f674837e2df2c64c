// Requests that wait for the cluster: what the owner refuses is answered with its reason, and no wish is left behind.
import {expect} from 'chai';
import {createMailbox} from '../../lib/agent/mailbox.ts';
import type {AgentState} from '../../lib/protocol/agent-state.ts';
import {epoch, monoMs, nodeId} from '../../lib/protocol/words.ts';
import {agentAt, peer, reportOf, seeing, SETTINGS} from './machine-fixture.ts';
import {handClock, idleStore} from './stubs.ts';

const HELD = '0000000007.held.n2.bbbbbbbb.30000.5';

describe('The mailbox of a standby', () => {
  it('answers a switchover that the owner drops at once, with its reason, and withdraws it', async () => {
    const clock = handClock(10_000);
    let s: AgentState = agentAt(clock.now(), {view: seeing(HELD, 9_000)});
    const dropped: unknown[] = [];
    const store = {
      ...idleStore,
      dropWish: (wish: string, at: number): Promise<void> => Promise.resolve(void dropped.push([wish, at])),
    };
    const mailbox = createMailbox({input: () => undefined, state: () => s, store, clock});
    const turn = (changes: Partial<AgentState>): void => {
      clock.at += 100;
      s = {...s, ...changes};
      mailbox.turned(s);
    };
    const outcome = mailbox.port.switchover('n3').then(
      () => 'done',
      (error: unknown) => (error instanceof Error ? error.message : ''),
    );
    await new Promise((resolve) => setImmediate(resolve));
    const wish = {epoch: epoch(7), to: nodeId('n3')};
    turn({wishes: {paused: false, switchovers: [wish], statements: []}, wishedAt: monoMs(10_050)});
    turn({wishes: {paused: false, switchovers: [], statements: []}, wishedAt: monoMs(10_150)});
    const because = 'switchover refused: n3 is not alive and eligible';
    turn({peers: {n2: peer(reportOf('n2', {because}), 10_250)}});
    // An old listing could hide that the epoch has passed.
    expect(dropped).to.deep.equal([]);
    turn({view: {...seeing(HELD, 9_000), askedAt: monoMs(10_350)}});
    expect(await outcome).to.equal(because);
    expect(dropped).to.deep.equal([['switchover', 7]]);
  });

  it('takes over only what changed in a configuration', () => {
    const s = agentAt(monoMs(1), {settings: {...SETTINGS, mode: 'standby', priority: 9}});
    const inputs: unknown[] = [];
    const mailbox = createMailbox({input: (given) => inputs.push(given), state: () => s, store: idleStore, clock: handClock()});
    mailbox.configure({attempts: 5});
    expect(inputs).to.deep.equal([{type: 'settings', settings: {...SETTINGS, mode: 'standby', priority: 9, attempts: 5}}]);
  });
});

// What must hold after every step is noticed when it does not.
import {expect} from 'chai';
import type {AgentEffect} from '../../lib/protocol/agent-state.ts';
import {assertTurn} from '../../lib/protocol/invariants.ts';
import {epoch, monoMs} from '../../lib/protocol/words.ts';
import {agentAt} from '../agent/machine-fixture.ts';

const NOW = monoMs(1_000);

describe('the invariants of a step', () => {
  const before = agentAt(NOW, {attempt: 3});
  const after =
    (effects: readonly AgentEffect[], change = {}) =>
    (): void =>
      assertTurn(before, {...before, ...change}, effects);

  it('let a step pass that calls every lane once', () => {
    expect(after([{type: 'list', refresh: false}, {type: 'readHeartbeats', whose: 'all'}, {type: 'readWishes'}])).not.to.throw();
    expect(after([])).not.to.throw();
  });

  const broken: readonly [law: RegExp, effects: readonly AgentEffect[], change?: object][] = [
    [/one call in flight/, [{type: 'readWishes'}, {type: 'list', refresh: false}, {type: 'readWishes'}]],
    [/known epoch never shrinks/, [], {known: {epoch: epoch(6), learnedAt: NOW}}],
    [/attempts never shrink/, [], {attempt: 2}],
    [/only an owner starts/, [{type: 'startService', run: 1, epoch: epoch(7)}]],
    [/well-formed name of this instance/, [{type: 'rename', op: 'claim', from: 'a', to: '0000000009.held.n2.bbbbbbbb.30000.1'}]],
    [/attempt of ours/, [{type: 'rename', op: 'claim', from: 'a', to: '0000000009.held.n1.aaaaaaaa.30000.4'}]],
    [/given away is released/, [{type: 'rename', op: 'release', from: 'a', to: '0000000009.free.n1.aaaaaaaa.3'}]],
  ];
  for (const [law, effects, change] of broken) {
    it(`are broken by a step against "${law.source}"`, () => {
      expect(after(effects, change)).to.throw(law);
    });
  }
});

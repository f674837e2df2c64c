// The guardian in the loop: one that died while it was being opened never counts as ready, and its checks end with it.
import {expect} from 'chai';
import {perform, type PerformerParts} from '../../lib/agent/performer.ts';
import type {GuardianPort} from '../../lib/agent/ports.ts';
import type {PassiveResult} from '../../lib/guardian/client.ts';
import type {AgentInput, AgentState} from '../../lib/protocol/agent-state.ts';
import {monoMs} from '../../lib/protocol/words.ts';
import {eventually} from '../support/eventually.ts';
import {agentAt, FACTS, ownedLease} from './machine-fixture.ts';
import {idleGuardian, idlePorts} from './stubs.ts';

describe('The performer', () => {
  const CONNECTED = agentAt(monoMs(1_000), {link: {kind: 'connected', unacknowledged: undefined}});

  function parts(
    guardian: Partial<GuardianPort>,
    state = (): AgentState => CONNECTED,
    proves = true,
  ): {parts: PerformerParts; inputs: AgentInput[]; notes: string[]} {
    const inputs: AgentInput[] = [];
    const notes: string[] = [];
    return {
      inputs,
      notes,
      parts: {
        ports: idlePorts({guardian: {...idleGuardian, ...guardian}}),
        facts: {...FACTS, passive: {everyMs: 5, proves}},
        history: {add: () => undefined, settle: () => Promise.resolve()},
        fitness: {note: (source, fault) => notes.push(`${source}: ${fault}`)},
        state,
        turnedAt: () => monoMs(1_000),
        input(given) {
          inputs.push(given);
          if (given.type === 'guardianLost') perform(made.parts, {type: 'killGuardian', because: given.because});
        },
        exit: () => undefined,
        beat: {returned: Promise.resolve()},
        guardians: {count: 0},
      },
    };
  }
  let made: ReturnType<typeof parts>;

  it('does not connect a guardian that was lost while its record was being written', async () => {
    let written = (): void => undefined;
    made = parts({
      async open(listener) {
        listener.closed('it died');
        await new Promise<void>((resolve) => (written = resolve));
        return undefined;
      },
    });
    perform(made.parts, {type: 'spawnGuardian'});
    await eventually(() => made.inputs.some((each) => each.type === 'guardianGone'));
    written();
    await new Promise((resolve) => setImmediate(resolve));
    expect(made.inputs.map((each) => each.type)).to.deep.equal(['guardianLost', 'guardianGone']);
  });

  it('runs the passive form for one guardian at a time', async () => {
    let opened = 0;
    let under = 0;
    let most = 0;
    made = parts({
      open: () => Promise.resolve((opened++, undefined)),
      async checkPassive() {
        most = Math.max(most, ++under);
        await new Promise((resolve) => setTimeout(resolve, 20));
        under--;
        return {ok: false, because: String(opened)};
      },
    });
    const results = (because: string): number => made.notes.filter((each) => each === `passive: ${because}`).length;
    perform(made.parts, {type: 'spawnGuardian'});
    await eventually(() => results('1') > 0);
    for (let i = 0; i < 5; i++) {
      perform(made.parts, {type: 'killGuardian', because: 'a test'});
      perform(made.parts, {type: 'spawnGuardian'});
      await eventually(() => results(String(i + 2)) > 1);
    }
    // The last check of the guardian before may still be under way when the next one begins.
    expect(most).to.be.at.most(2);
    perform(made.parts, {type: 'killGuardian', because: 'the end'});
    await eventually(() => under === 0);
  });

  it('takes the success of a passive form for a proof only where it is one', async () => {
    const unproven: AgentState = {...CONNECTED, service: {kind: 'unproven', because: 'a test'}};
    for (const proves of [true, false]) {
      let asked = 0;
      let looks = 0;
      const checkPassive = (): Promise<PassiveResult> => Promise.resolve((asked++, {ok: true, because: ''}));
      made = parts({checkPassive}, () => (looks++, unproven), proves);
      perform(made.parts, {type: 'spawnGuardian'});
      // It has come round more than once.
      await eventually(() => looks > 10);
      perform(made.parts, {type: 'killGuardian', because: 'the end'});
      expect(made.inputs.some((each) => each.type === 'serviceProven')).to.equal(proves);
      expect(asked > 0).to.equal(proves);
    }
  });

  it('holds nothing against a node whose passive form was cut short because the service is to start', async () => {
    let state = CONNECTED;
    let answer = (_: PassiveResult): void => undefined;
    made = parts({checkPassive: () => new Promise((resolve) => (answer = resolve))}, () => state);
    const asked = answer;
    perform(made.parts, {type: 'spawnGuardian'});
    await eventually(() => answer !== asked);
    state = {...CONNECTED, lease: ownedLease(monoMs(1_000))};
    answer({ok: false, because: 'it is being stopped'});
    await new Promise((resolve) => setImmediate(resolve));
    expect(made.notes).to.deep.equal([]);
    perform(made.parts, {type: 'killGuardian', because: 'the end'});
  });
});

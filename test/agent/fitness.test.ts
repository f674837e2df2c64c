// What stands against a node: every source on its own, said once, and an owner that is unfit lets go.
import {expect} from 'chai';
import {createFitness} from '../../lib/agent/fitness.ts';
import type {NodeFitness} from '../../lib/agent/ports.ts';
import type {AgentInput, AgentState} from '../../lib/protocol/agent-state.ts';
import {monoMs} from '../../lib/protocol/words.ts';
import {agentAt, ownedLease} from './machine-fixture.ts';

describe('What stands against a node', () => {
  let inputs: AgentInput[];
  let roles: boolean[];
  let say: (fitness: NodeFitness) => void;
  let board: ReturnType<typeof createFitness>;
  beforeEach(() => {
    inputs = [];
    roles = [];
    const health = {
      start: (listen: typeof say) => (say = listen),
      stop: () => undefined,
      role: (active: boolean) => roles.push(active),
    };
    board = createFitness(health, (input) => inputs.push(input));
    board.start();
  });

  const owner = (changes: Partial<AgentState> = {}): AgentState =>
    agentAt(monoMs(1_000), {lease: ownedLease(monoMs(900)), ...changes});
  const unfit: NodeFitness = {kind: 'unfit', because: 'the disk is full'};

  it('comes from several sources, none of which speaks for another', () => {
    board.note('passive', 'its passive form failed');
    board.note('guardian', 'processes are left');
    board.note('passive', undefined);
    board.note('passive', undefined);
    board.note('guardian', undefined);
    expect(inputs).to.deep.equal([
      {type: 'fitness', ok: false, because: 'its passive form failed'},
      {type: 'fitness', ok: false, because: 'its passive form failed; processes are left'},
      {type: 'fitness', ok: false, because: 'processes are left'},
      {type: 'fitness', ok: true, because: ''},
    ]);
  });

  it('A8: makes an owner give the lease away, but not before its health has failed for certain', () => {
    say({kind: 'unknown', because: 'a check has not ended yet'});
    board.turned(owner());
    expect(inputs.map(({type}) => type)).to.deep.equal(['fitness']);
    say(unfit);
    board.turned(owner());
    expect(inputs.at(-1)).to.deep.equal({type: 'demote', because: 'health: the disk is full'});
  });

  it('moves nobody who owns nothing, who ends anyway, or whose cluster is paused', () => {
    say(unfit);
    board.turned(agentAt(monoMs(1_000), {}));
    board.turned(owner({wishes: {paused: true, switchovers: [], statements: []}}));
    board.turned(owner({ending: {keepService: false, because: 'SIGTERM', since: monoMs(1)}}));
    expect(inputs.map(({type}) => type)).to.deep.equal(['fitness']);
    say({kind: 'fit'});
    board.turned(owner());
    expect(inputs.at(-1)).to.deep.equal({type: 'fitness', ok: true, because: ''});
  });

  it('is asked for in the role of the node', () => {
    board.turned(agentAt(monoMs(1_000), {}));
    board.turned(owner());
    board.turned(agentAt(monoMs(1_000), {service: {kind: 'stopping', run: 1, because: '', failed: false}}));
    expect(roles).to.deep.equal([false, true, true]);
  });

  it('holds nothing of the passive form against an owner: one that adopted its service has not run it', () => {
    board.note('passive', 'its passive form has not been run yet');
    board.turned(owner());
    expect(inputs.filter(({type}) => type === 'fitness').at(-1)).to.include({ok: true});
    board.turned(agentAt(monoMs(1_000)));
    board.note('passive', 'it fails');
    board.turned(agentAt(monoMs(1_000)));
    expect(inputs.filter(({type}) => type === 'fitness').at(-1)).to.include({ok: false});
  });
});

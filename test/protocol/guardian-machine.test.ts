// Rules G, V and K of protocol.md, as far as they are the guardian's.
import {expect} from 'chai';
import {
  mayRun,
  newGuardian,
  quietUntil,
  stepGuardian,
  type GuardianEffect,
  type GuardianInput,
  type GuardianOrder,
  type GuardianState,
} from '../../lib/protocol/guardian-machine.ts';
import {epoch, instanceId, monoMs} from '../../lib/protocol/words.ts';

const S = 10_000;
const D = 2_000;
const [A, B] = [instanceId('aaaaaaaa'), instanceId('bbbbbbbb')];
type At = readonly [atMs: number, input: GuardianInput];

const order = (given: GuardianOrder): GuardianInput => ({type: 'order', order: given});
const deadline = (at: number | 'now', attempt: number, of = 5): GuardianInput =>
  order({type: 'deadline', epoch: epoch(of), attempt, deadline: at === 'now' ? at : monoMs(at)});
const start = (run: number, of = 5): GuardianInput => order({type: 'start', run, epoch: epoch(of)});
const connected: At = [0, {type: 'connected', instanceId: A}];

function play(steps: readonly At[], graceMs = 0): {state: GuardianState; effects: GuardianEffect[]} {
  let state = newGuardian({timing: {stopTimeoutMs: S, safetyMarginMs: D}, agentLossGraceMs: graceMs});
  const effects: GuardianEffect[] = [];
  for (const [at, input] of steps) {
    const turn = stepGuardian(state, input, monoMs(at));
    state = turn.state;
    effects.push(...turn.effects);
  }
  return {state, effects};
}

const said = (effects: readonly GuardianEffect[]): string[] =>
  effects
    .flatMap((effect) => (effect.type === 'report' ? effect.report.type : effect.type))
    .filter((word) => word !== 'acknowledged');
/** Everything that the last step led to. */
const last = (steps: readonly At[], graceMs = 0): string[] =>
  said(play(steps, graceMs).effects.slice(play(steps.slice(0, -1), graceMs).effects.length));

const running: readonly At[] = [connected, [1, deadline(30_000, 1)], [2, start(1)]];

describe('the guardian refuses to start (G)', () => {
  const table: readonly (readonly [string, readonly At[], string])[] = [
    ['without a deadline', [connected, [1, start(1)]], 'refused'],
    ['at the moment when it would have to stop', [connected, [1, deadline(30_000, 1)], [18_000, start(1)]], 'refused'],
    ['not just before it', [connected, [1, deadline(30_000, 1)], [17_999, start(1)]], 'startRun'],
    ['under another epoch than that of the deadline', [connected, [1, deadline(30_000, 1)], [2, start(1, 6)]], 'refused'],
    ['while an earlier run is not over', [...running, [3, start(2)]], 'refused'],
    ['once the lease is given away', [connected, [1, deadline(30_000, 1)], [2, deadline('now', 2)], [3, start(1)]], 'refused'],
    [
      'not after a later success (V)',
      [connected, [1, deadline(30_000, 1)], [2, deadline('now', 2)], [3, deadline(30_000, 3)], [4, start(1)]],
      'startRun',
    ],
  ];
  for (const [what, steps, word] of table) {
    it(what, () => {
      expect(last(steps)).to.deep.equal([word]);
    });
  }
});

describe('a run may begin to run (G)', () => {
  const table: readonly (readonly [string, readonly At[], number, number, boolean])[] = [
    ['just before it would have to be stopped', running, 1, 17_999, true],
    ['not from then on, though nobody has looked at the clock yet', running, 1, 18_000, false],
    ['not once the lease is given away', [...running, [3, deadline('now', 2)]], 1, 4, false],
    ['not once it is being stopped', [...running, [3, order({type: 'stop', run: 1})]], 1, 4, false],
    ['not for another run', running, 2, 4, false],
  ];
  for (const [what, steps, run, at, may] of table) {
    it(what, () => {
      expect(mayRun(play(steps).state, run, monoMs(at))).to.equal(may);
    });
  }
});

describe('the guardian obeys the newest pair (G)', () => {
  const table: readonly (readonly [string, GuardianInput, number])[] = [
    ['a later attempt replaces', deadline(40_000, 2), 40_000],
    ['also with an earlier instant: never the maximum', deadline(20_000, 2), 20_000],
    ['an equal attempt is ignored', deadline(40_000, 1), 30_000],
    ['a smaller attempt is ignored', deadline(40_000, 0), 30_000],
    ['a larger epoch replaces, whatever its attempt', deadline(40_000, 0, 6), 40_000],
    ['a smaller epoch is ignored, whatever its attempt', deadline(40_000, 9, 4), 30_000],
  ];
  for (const [what, input, at] of table) {
    it(what, () => {
      expect(play([connected, [1, deadline(30_000, 1)], [2, input]]).state.deadline?.at).to.equal(at);
    });
  }

  it('and acknowledges what it obeys now, each time', () => {
    const {effects} = play([connected, [1, deadline(30_000, 3)], [2, deadline(20_000, 2)]]);
    const pairs = effects.flatMap((effect) =>
      effect.type === 'report' && effect.report.type === 'acknowledged' ? effect.report.attempt : [],
    );
    expect(pairs).to.deep.equal([3, 3]);
  });
});

describe('the guardian stops in time', () => {
  it('SIGTERM at T-S-d, SIGKILL at T-d, and not earlier', () => {
    expect(last([...running, [17_999, {type: 'tick'}]])).to.deep.equal([]);
    expect(last([...running, [18_000, {type: 'tick'}]])).to.deep.equal(['termRun', 'stopping']);
    expect(last([...running, [18_000, {type: 'tick'}], [27_999, {type: 'tick'}]])).to.deep.equal([]);
    expect(last([...running, [18_000, {type: 'tick'}], [28_000, {type: 'tick'}]])).to.deep.equal(['killRun']);
  });

  it('with SIGKILL no later than T-d when it begins late', () => {
    expect(last([...running, [27_000, {type: 'tick'}], [28_000, {type: 'tick'}]])).to.deep.equal(['killRun']);
    expect(last([...running, [29_000, {type: 'tick'}]])).to.deep.equal(['termRun', 'stopping', 'killRun']);
  });

  it('no later either when the lease was given away just before its end', () => {
    expect(last([...running, [17_000, deadline('now', 2)], [27_000, {type: 'tick'}]])).to.deep.equal(['killRun']);
    expect(last([...running, [1_000, deadline('now', 2)], [11_000, {type: 'tick'}]])).to.deep.equal(['killRun']);
  });
});

describe('the guardian needs no tick', () => {
  const quietMs = (steps: readonly At[]): number => quietUntil(play(steps).state);

  it('while its agent is there and the deadline is far, and every one from T-S-d on', () => {
    expect(quietMs(running)).to.equal(30_000 - S - D);
    expect(last([...running, [30_000 - S - D - 1, {type: 'tick'}]])).to.deep.equal([]);
    expect(last([...running, [30_000 - S - D, {type: 'tick'}]])).to.not.deep.equal([]);
  });

  it('but all of them while anything is to be stopped, given away, released, or has no deadline or agent', () => {
    const lost: readonly At[] = [...running, [3, {type: 'linkClosed'}]];
    const stopping: readonly At[] = [...running, [3, order({type: 'stop', run: 1})]];
    const restless = [
      [],
      [connected],
      [...running, [3, deadline('now', 2)]],
      stopping,
      lost,
      [...lost, [4, {type: 'agentGone'}]],
    ];
    for (const steps of restless as readonly (readonly At[])[]) expect(quietMs(steps)).to.equal(0);
  });
});

describe('the guardian whose agent is gone (K)', () => {
  const closed: readonly At[] = [...running, [5_000, {type: 'linkClosed'}]];
  const gone: readonly At[] = [...closed, [5_010, {type: 'agentGone'}]];

  it('kills it first: it may only be frozen', () => {
    expect(last(closed)).to.deep.equal(['killAgent']);
  });

  it('takes no order from it any more', () => {
    expect(play([...closed, [5_005, deadline(90_000, 9)]]).state.deadline?.at).to.equal(30_000);
  });

  it('stops the service once the agent is seen dead, and not before', () => {
    expect(last([...closed, [9_000, {type: 'tick'}]])).to.deep.equal([]);
    expect(last(gone)).to.deep.equal(['termRun', 'stopping']);
  });

  it('releases only when nothing of the service is left', () => {
    expect(last([...gone, [6_000, {type: 'tick'}]])).to.deep.equal([]);
    expect(last([...gone, [6_000, {type: 'runGone', run: 1, proven: true}]])).to.deep.equal(['gone', 'release']);
  });

  const unproven: readonly At[] = [...gone, [6_000, {type: 'runGone', run: 1, proven: false}]];
  const knock: GuardianInput = {type: 'connected', instanceId: B};

  it('releases nothing that is not proven gone, stays, and releases once it is', () => {
    expect(last(unproven)).to.deep.equal(['gone']);
    expect(last([...unproven, [900_000, {type: 'tick'}]])).to.deep.equal([]);
    expect(last([...unproven, [7_000, {type: 'runGone', run: 1, proven: true}]])).to.deep.equal(['gone', 'release']);
  });

  it('is not adopted while it is not proven, and leaves that to a new agent once the lease is over', () => {
    expect(last([...unproven, [29_999, knock]])).to.deep.equal(['reject']);
    expect(last([...unproven, [29_999, knock], [29_999, {type: 'runGone', run: 1, proven: true}]])).to.include('release');
    expect(last([...unproven, [30_000, knock]])).to.deep.equal(['reject', 'exit']);
    expect(play([...unproven, [30_000, knock]]).state.ended).to.equal(true);
  });

  it('whose agent lives stays beside its unproven service, whoever knocks', () => {
    const living: readonly At[] = [...running, [3, order({type: 'stop', run: 1})], [4, {type: 'runGone', run: 1, proven: false}]];
    expect(last([...living, [40_000, knock]])).to.deep.equal(['reject']);
  });

  it('releases for every instance that has fed it, with attempts above all it was told', () => {
    const {effects} = play([connected, [1, deadline(30_000, 7)], [2, {type: 'linkClosed'}], [3, {type: 'agentGone'}]], 0);
    expect(effects.find((effect) => effect.type === 'release')).to.deep.equal({
      type: 'release',
      instances: [A],
      epoch: 5,
      attempt: 7,
    });
  });

  it('keeps the service for agentLossGrace, for the next agent to adopt', () => {
    expect(last([...gone, [9_000, {type: 'tick'}]], 4_000)).to.deep.equal([]);
    expect(last([...gone, [9_000, {type: 'connected', instanceId: B}]], 4_000)).to.deep.equal(['accept']);
    expect(last([...gone, [9_010, {type: 'tick'}]], 4_000)).to.deep.equal(['termRun', 'stopping']);
  });

  it('keeps it for an agent that asked for it, but never beyond its deadline', () => {
    const kept: readonly At[] = [
      ...running,
      [4_000, order({type: 'keep'})],
      [5_000, {type: 'linkClosed'}],
      [5_010, {type: 'agentGone'}],
    ];
    expect(last([...kept, [17_999, {type: 'tick'}]])).to.deep.equal([]);
    expect(last([...kept, [18_000, {type: 'tick'}]])).to.deep.equal(['termRun', 'stopping']);
  });

  it('is adopted neither before the old agent is seen dead nor after it has begun to stop', () => {
    const adopt: GuardianInput = {type: 'connected', instanceId: B};
    expect(last([...running, [3, adopt]])).to.deep.equal(['reject']);
    expect(last([...closed, [5_005, adopt]])).to.deep.equal(['reject']);
    expect(last([...gone, [5_020, adopt]])).to.deep.equal(['reject']);
  });

  it('ends when its release has ended, or did not come back for a minute', () => {
    const releasing: readonly At[] = [...gone, [6_000, {type: 'runGone', run: 1, proven: true}]];
    expect(last([...releasing, [7_000, {type: 'releaseEnded'}]])).to.deep.equal(['exit']);
    expect(last([...releasing, [65_999, {type: 'tick'}]])).to.deep.equal([]);
    expect(last([...releasing, [66_000, {type: 'tick'}]])).to.deep.equal(['exit']);
  });
});

// Single decisions of the agent that the simulator cannot pin down, and the faults that it once found.
import {expect} from 'chai';
import {newAgent, stepAgent} from '../../lib/protocol/agent-machine.ts';
import {becauseNow, newsOf} from '../../lib/protocol/obstacle.ts';
import {switchoverFault} from '../../lib/protocol/wishes.ts';
import {peer, reportOf} from '../agent/machine-fixture.ts';
import type {AgentEffect, AgentInput, AgentState, Self, Settings} from '../../lib/protocol/agent-state.ts';
import {DEFAULT_TIMING} from '../../lib/protocol/timing.ts';
import {epoch, instanceId, monoMs, nodeId, type Epoch, type NodeId} from '../../lib/protocol/words.ts';

const self: Self = {nodeId: nodeId('n1'), instanceId: instanceId('aaaaaaaa'), timing: DEFAULT_TIMING, hasService: true};
const settings: Settings = {mode: 'auto', priority: 0, attempts: 3, backoffMs: 500, startTimeoutMs: 9_000, coolDownMs: 9_000};

/** An agent with hands that do nothing: the test answers what it wants answered. */
class Hands {
  state: AgentState = newAgent(self, settings, epoch(0), monoMs(0));
  now = 0;
  effects: AgentEffect[] = [];

  tell(input: AgentInput, now = this.now): this {
    this.now = now;
    const {state, effects} = stepAgent(this.state, input, monoMs(now));
    this.state = state;
    this.effects.push(...effects);
    return this;
  }

  list(name: string, at = this.now): this {
    return this.tell({type: 'listed', listing: {kind: 'names', names: [name]}, askedAt: monoMs(at), answeredAt: monoMs(at)}, at);
  }

  hear(at = this.now): this {
    const times = {askedAt: monoMs(at), answeredAt: monoMs(at)};
    this.tell({type: 'heard', heartbeats: [], everybody: true, own: true, failed: false, ...times}, at);
    this.tell({type: 'heartbeatWritten', ok: true, reason: '', found: undefined, ...times}, at);
    return this.tell({type: 'wished', wishes: {paused: false, switchovers: [], statements: []}, ...times}, at);
  }

  answer(done: boolean, at = this.now): this {
    const outcome = done ? ({kind: 'done'} as const) : ({kind: 'failed', reason: 'EIO'} as const);
    return this.tell({type: 'renamed', outcome, askedAt: monoMs(at), answeredAt: monoMs(at)}, at);
  }

  /** The guardian acknowledges whatever it was told. */
  acknowledge(at = this.now): this {
    const told = this.effects.filter((effect) => effect.type === 'setDeadline').at(-1);
    if (!told) throw new Error('the guardian has been told nothing');
    const {epoch, attempt} = told;
    return this.tell({type: 'guardianSaid', report: {type: 'acknowledged', epoch, attempt}}, at);
  }

  renames(): string[] {
    return this.effects.flatMap((effect) => (effect.type === 'rename' ? effect.to : []));
  }

  count(type: AgentEffect['type']): number {
    return this.effects.filter((effect) => effect.type === type).length;
  }
}

const FREE = '0000000000.free.-.-.0';
const HELD = '0000000007.held.n2.bbbbbbbb.30000.4';

/** Has listened, knows its guardian, and sees that name. */
const listening = (name: string): Hands =>
  new Hands()
    .tell({type: 'tick'}, 0)
    .tell({type: 'guardianReady', adopted: undefined}, 10)
    .hear(20)
    .list(name, 1_000)
    .list(name, 3_400)
    .hear(3_500);

describe('a standby', () => {
  it('S11, S12: claims a held lock when it has stood still for the T of its name, not earlier', () => {
    const hands = listening(HELD).hear(30_900);
    expect(hands.tell({type: 'tick'}, 30_999).renames()).to.deep.equal([]);
    expect(hands.tell({type: 'tick'}, 31_000).renames()).to.deep.equal(['0000000008.held.n1.aaaaaaaa.30000.1']);
  });

  it('claims what was released for it by a switchover even while it listens, and nothing else then', () => {
    const released = '0000000008.free.n2.bbbbbbbb.5';
    const seeing = (switchovers: {epoch: Epoch; to: NodeId}[]): Hands => {
      const hands = new Hands().tell({type: 'tick'}, 0).tell({type: 'guardianReady', adopted: undefined}, 10).hear(20);
      const times = {askedAt: monoMs(1_500), answeredAt: monoMs(1_500)};
      return hands
        .list(HELD, 1_000)
        .list(released, 1_500)
        .hear(1_500)
        .tell({type: 'wished', wishes: {paused: false, switchovers, statements: []}, ...times}, 1_500);
    };
    expect(seeing([{epoch: epoch(7), to: nodeId('n1')}]).renames()).to.deep.equal(['0000000009.held.n1.aaaaaaaa.30000.1']);
    for (const others of [[], [{epoch: epoch(7), to: nodeId('n3')}], [{epoch: epoch(6), to: nodeId('n1')}]])
      expect(seeing(others).tell({type: 'tick'}, 3_019).renames()).to.deep.equal([]);
  });

  it("takes an operator's word only when the lock has stood still for three renewals, and only for its epoch", () => {
    const said = (hands: Hands, of: number): Hands =>
      hands.tell({
        type: 'wished',
        wishes: {paused: false, switchovers: [], statements: [{epoch: epoch(of), owner: nodeId('n2')}]},
        askedAt: monoMs(3_500),
        answeredAt: monoMs(3_500),
      });
    // How often the owner renews is not known here: three times in T is what every configuration guarantees; then two deaf polls.
    expect(said(listening(HELD), 7).tell({type: 'tick'}, 10_999).renames()).to.deep.equal([]);
    expect(said(listening(HELD), 7).tell({type: 'tick'}, 13_000).renames()).to.have.length(1);
    expect(said(listening(HELD), 6).tell({type: 'tick'}, 12_000).renames()).to.deep.equal([]);
  });

  it('does not try faster than five times a second where renames fail and listings work', () => {
    const hands = listening(FREE);
    for (let at = 4_000; at < 5_000; at += 5) {
      hands.tell({type: 'tick'}, at);
      if (hands.state.rename) hands.answer(false, at + 1);
      if (hands.state.lanes.watch.busy) hands.list(FREE, at + 2);
    }
    expect(hands.renames().length).to.be.within(2, 6);
    expect(new Set(hands.renames()).size).to.equal(hands.renames().length);
  });

  it('reads the wishes again before it takes a lock that has just become free', () => {
    const hands = listening(HELD);
    hands.list('0000000008.free.n2.bbbbbbbb.5', 5_000);
    const times = {askedAt: monoMs(5_001), answeredAt: monoMs(5_001)};
    hands.tell({type: 'heard', heartbeats: [], everybody: true, own: true, failed: false, ...times}, 5_001);
    expect(hands.renames()).to.deep.equal([]);
    hands.tell({type: 'wished', wishes: {paused: false, switchovers: [], statements: []}, ...times}, 5_002);
    expect(hands.renames()).to.have.length(1);
  });
});

describe('an owner', () => {
  const owner = (): Hands => listening(FREE).tell({type: 'tick'}, 4_000).answer(true, 4_001);

  it('waits after a refused start instead of asking again at once, and counts as idle from the moment on when it was first asked', () => {
    const hands = owner();
    expect(hands.count('startService')).to.equal(1);
    hands.tell({type: 'guardianSaid', report: {type: 'refused', run: 1, because: 'the deadline has come'}}, 4_010);
    expect(hands.count('startService')).to.equal(1);
    expect(hands.state.lease).to.deep.include({kind: 'owned', idleSince: 4_001});
    hands.tell({type: 'tick'}, 4_600).tell({type: 'tick'}, 4_601);
    expect(hands.count('startService')).to.equal(2);
  });

  it('tells its guardian of the epoch that its release has made, so that nothing older is released for it again', () => {
    const hands = owner();
    hands.tell({type: 'guardianSaid', report: {type: 'refused', run: 1, because: 'the deadline has come'}}, 4_010);
    hands.tell({type: 'demote', because: 'a test'}, 4_020).acknowledge(4_021).tell({type: 'tick'}, 4_022);
    expect(hands.renames().at(-1)).to.match(/^0000000002\.free\.n1\.aaaaaaaa\./);
    hands.answer(true, 4_030);
    const told = hands.effects.filter((effect) => effect.type === 'setDeadline').at(-1);
    expect(told).to.include({epoch: 2, deadline: 'now'});
    expect(hands.renames().at(-1)).to.match(new RegExp(`\\.${told?.attempt}$`));
  });

  it('that loses its lease while it waits for another attempt has nothing more to wait for', () => {
    const hands = owner();
    hands.tell({type: 'guardianSaid', report: {type: 'refused', run: 1, because: 'the deadline has come'}}, 4_010);
    expect(hands.state.service.kind).to.equal('backoff');
    hands.list('0000000002.held.n2.bbbbbbbb.30000.1', 4_100);
    expect(hands.state.lease.kind).to.equal('none');
    expect(hands.state.service.kind).to.equal('down');
  });

  it('writes a claim to the history once, though a listing shows it before its reply', () => {
    const hands = listening(FREE).tell({type: 'tick'}, 4_000);
    hands.list('0000000001.held.n1.aaaaaaaa.30000.1', 4_001).answer(true, 4_002);
    expect(hands.effects.filter((effect) => effect.type === 'remember' && effect.event.kind === 'claimed')).to.have.length(1);
  });

  it('does not go back to an epoch that a listing has shown to be over', () => {
    const hands = listening(FREE)
      .tell({type: 'tick'}, 4_000)
      .list('0000000002.held.n2.bbbbbbbb.30000.1', 4_500)
      .answer(true, 5_000);
    expect(hands.state.view.text).to.equal('0000000002.held.n2.bbbbbbbb.30000.1');
    expect(hands.count('setDeadline')).to.equal(0);
  });

  it('releases without waiting for the next turn of its renewals', () => {
    const hands = owner();
    hands.tell({type: 'guardianSaid', report: {type: 'acknowledged', epoch: epoch(1), attempt: 1}}, 4_010);
    hands.tell({type: 'demote', because: 'a test'}, 4_020);
    hands.tell({type: 'guardianSaid', report: {type: 'acknowledged', epoch: epoch(1), attempt: 2}}, 4_021);
    hands.tell({type: 'guardianSaid', report: {type: 'stopping', run: 1, cause: 'given away', because: ''}}, 4_022);
    hands.tell({type: 'guardianSaid', report: {type: 'gone', run: 1, proven: true, cause: 'given away', because: ''}}, 4_100);
    expect(hands.renames().at(-1)).to.equal('0000000002.free.n1.aaaaaaaa.2');
  });

  it('gives its guardian up a second look after a second without an acknowledgement', () => {
    const hands = owner().tell({type: 'tick'}, 5_001);
    expect(hands.count('killGuardian')).to.equal(0);
    expect(hands.tell({type: 'tick'}, 5_200).count('killGuardian')).to.equal(0);
    expect(hands.tell({type: 'tick'}, 5_201).count('killGuardian')).to.equal(1);
  });

  it('reads what its guardian had said before a pause of both', () => {
    for (const pausedMs of [1_100, 1_300, 1_900, 60_000]) {
      const hands = owner()
        .tell({type: 'tick'}, 4_001 + pausedMs)
        .acknowledge();
      expect(hands.tell({type: 'tick'}, hands.now + 900).count('killGuardian'), `${pausedMs} ms`).to.equal(0);
    }
  });

  it('says that its store fails for as long as it does, and not longer', () => {
    const hands = owner().acknowledge();
    const {because} = hands.state;
    hands.tell({type: 'tick'}, 5_001).answer(false, 5_002);
    expect(becauseNow(hands.state)).to.equal('could not renew the lease: EIO');
    hands.list('0000000001.held.n1.aaaaaaaa.30000.1', 5_003).tell({type: 'tick'}, 5_300).answer(true, 5_301).acknowledge();
    expect(becauseNow(hands.state)).to.equal(because);
    const times = {askedAt: monoMs(6_400), answeredAt: monoMs(6_401)};
    hands.tell({type: 'listed', listing: {kind: 'error', reason: 'EIO'}, ...times}, 6_401);
    expect(becauseNow(hands.state)).to.equal('the store cannot be read: EIO');
    hands.list('0000000001.held.n1.aaaaaaaa.30000.3', 6_500);
    expect(becauseNow(hands.state)).to.equal(because);
  });

  it('says both what it decides and that its store is silent', () => {
    const hands = owner().acknowledge().tell({type: 'tick'}, 5_000);
    const before = hands.tell({type: 'tick'}, 7_000).state;
    const after = hands.tell({type: 'demote', because: 'a test'}, 7_600).state;
    expect(newsOf(before, after)).to.deep.equal([
      'giving the lease away: a test',
      'the store has not answered for more than 3 s',
    ]);
    hands.acknowledge().list('0000000001.held.n1.aaaaaaaa.30000.1', 8_000);
    expect(newsOf(after, hands.state)).to.deep.equal(['the store answers again']);
  });

  for (const {took, starts} of [
    {took: 8_900, starts: 1},
    {took: 9_100, starts: 0},
  ]) {
    it(`${starts ? 'starts' : 'does not start'} the service where a rename takes ${took} ms and T - S - d are 18 s`, () => {
      const hands = listening(FREE).tell({type: 'tick'}, 4_000);
      const times = {askedAt: monoMs(4_000), answeredAt: monoMs(4_000 + took)};
      hands.tell({type: 'renamed', outcome: {kind: 'done'}, ...times}, 4_000 + took);
      expect(hands.count('startService')).to.equal(starts);
    });
  }

  it('refuses a switchover without a target while the others stand back: it would come back at once', () => {
    const cooling = {...owner().state, peers: {n2: peer(reportOf('n2', {cooling: true}), 4_000)}};
    expect(switchoverFault(cooling, undefined, monoMs(4_100))).to.match(/^n2 gave up a lease lately and stands back/);
    expect(switchoverFault(cooling, nodeId('n2'), monoMs(4_100))).to.equal(undefined);
    const ready = {...cooling, peers: {...cooling.peers, n3: peer(reportOf('n3'), 4_000)}};
    expect(switchoverFault(ready, undefined, monoMs(4_100))).to.equal(undefined);
  });
});

describe('a node that finds the record of another instance in its place', () => {
  const written = (hands: Hands, seq: number, at: number): Hands => {
    const found = {instanceId: instanceId('99999999'), seq};
    const times = {askedAt: monoMs(at), answeredAt: monoMs(at)};
    return hands.tell({type: 'heartbeatWritten', ok: true, reason: '', found, ...times}, at);
  };

  it('goes on if it is there once, or twice the same: it may come from a backup', () => {
    const hands = written(written(listening(HELD), 5, 4_000), 5, 5_000);
    expect(hands.count('exit')).to.equal(0);
  });

  it('ends with status 3 if it is written again: that instance lives, and goes before this one', () => {
    const hands = written(written(listening(HELD), 5, 4_000), 6, 5_000);
    expect(hands.effects.filter(({type}) => type === 'exit')).to.have.length(1);
    expect(hands.effects.at(-1)).to.deep.include({type: 'exit', code: 3});
  });
});

// P16: a wall clock that is an hour off, or steps, has no effect on who is alive and who claims when; HAL and PROM compare them.
import {expect} from 'chai';
import {newAgent, stepAgent} from '../../lib/protocol/agent-machine.ts';
import type {AgentEffect, AgentInput, AgentState, Self} from '../../lib/protocol/agent-state.ts';
import type {Heartbeat} from '../../lib/protocol/heartbeat.ts';
import {DEFAULT_TIMING} from '../../lib/protocol/timing.ts';
import {epoch, instanceId, monoMs, nodeId} from '../../lib/protocol/words.ts';
import {SETTINGS} from '../agent/machine-fixture.ts';

const self: Self = {nodeId: nodeId('n1'), instanceId: instanceId('aaaaaaaa'), timing: DEFAULT_TIMING, hasService: true};
const HELD = '0000000007.held.n2.bbbbbbbb.30000.4';
const HOUR_MS = 3_600_000;
const LIVES_MS = 20_000;
const END_MS = 60_000;

const beat = (seq: number, wallMs: number): Heartbeat => ({
  nodeId: nodeId('n2'),
  instanceId: instanceId('bbbbbbbb'),
  seq,
  state: 'MASTER',
  epoch: epoch(7),
  mode: 'auto',
  priority: 0,
  eligible: true,
  cooling: false,
  because: 'master',
  uri: undefined,
  wallMs,
  seen: [],
});

/** A standby follows n2, which beats for 20 s and is silent then. @returns what it asked for, with the time of each. */
function follow(wallMs: (atMs: number) => number): readonly string[] {
  let state: AgentState = newAgent(self, SETTINGS, epoch(7), monoMs(0));
  const asked: string[] = [];
  const tell = (input: AgentInput, at: number): void => {
    const step = stepAgent(state, input, monoMs(at));
    state = step.state;
    asked.push(...step.effects.map((effect: AgentEffect) => `${at} ${JSON.stringify(effect)}`));
  };
  tell({type: 'tick'}, 0);
  tell({type: 'guardianReady', adopted: undefined}, 10);
  for (let at = 20; at <= END_MS; at += 1_000) {
    const times = {askedAt: monoMs(at), answeredAt: monoMs(at)};
    const seq = Math.floor(Math.min(at, LIVES_MS) / 1_000);
    const name = HELD.replace(/4$/, String(4 + seq));
    const heartbeats = [beat(seq, wallMs(at))];
    tell({type: 'heard', heartbeats, everybody: true, own: true, failed: false, ...times}, at);
    tell({type: 'heartbeatWritten', ok: true, reason: '', found: undefined, ...times}, at);
    tell({type: 'wished', wishes: {paused: false, switchovers: [], statements: []}, ...times}, at);
    tell({type: 'listed', listing: {kind: 'names', names: [name]}, ...times}, at);
  }
  return asked;
}

describe('P16, W12: the wall clock of another node', () => {
  const right = follow((at) => at);

  it('is no part of the story: n2 is waited out from its last renewal, and then claimed from', () => {
    const claims = right.filter((line) => line.includes('"op":"claim"') || line.includes('0000000008.held.n1'));
    expect(claims).to.have.length(1);
    expect(Number(claims[0]?.split(' ')[0])).to.be.within(LIVES_MS + 30_000 - 1_000, LIVES_MS + 33_000);
  });

  for (const [what, wallMs] of [
    ['an hour ahead', (at: number) => at + HOUR_MS],
    ['an hour behind', (at: number) => at - HOUR_MS],
    ['stepping back while it lives', (at: number) => (at < LIVES_MS / 2 ? at : at - HOUR_MS)],
    ['stepping ahead while it is silent', (at: number) => (at < END_MS / 2 ? at : at + HOUR_MS)],
    ['standing still', () => 0],
  ] as const) {
    it(`${what} changes nothing`, () => {
      expect(follow(wallMs)).to.deep.equal(right);
    });
  }
});

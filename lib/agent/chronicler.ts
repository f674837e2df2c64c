// What changed from turn to turn: log lines that say why, events for those who follow, counters, the history of states.
import {nodeStateOf, ownerOf, phaseOf} from '../protocol/agent-report.ts';
import type {AgentEffect, AgentInput, AgentState} from '../protocol/agent-state.ts';
import type {NodeState} from '../protocol/heartbeat.ts';
import {newsOf, obstacleOf, becauseNow} from '../protocol/obstacle.ts';
import {isAlive} from '../protocol/peers.ts';
import type {MonoMs} from '../protocol/words.ts';
import type {Clock, Reporter} from './ports.ts';
import {NO_COUNTS} from './prelude.ts';
import type {Chronicle} from './snapshot.ts';
import type {AgentEvent, Counters} from './status.ts';

export interface Chronicler {
  note(before: AgentState, after: AgentState, input: AgentInput, effects: readonly AgentEffect[], now: MonoMs): void;
  subscribe(listener: (event: AgentEvent) => void): () => void;
  chronicle(): Omit<Chronicle, 'storeId' | 'turnedAt'>;
}

const STATES_KEPT = 200;

/** The counters while they count. */
type Tally = {-readonly [K in keyof Counters]: Counters[K]};

export function createChronicler(clock: Clock, log: Reporter): Chronicler {
  const startedAtWallMs = clock.wallMs();
  const listeners = new Set<(event: AgentEvent) => void>();
  let stateHistory: readonly {readonly state: NodeState; readonly timestamp: number}[] = [];
  let shown: Shown | undefined;
  let events = 0;
  const counters: Tally = {...NO_COUNTS};

  function tell(type: AgentEvent['type'], because: string): void {
    const event: AgentEvent = {id: ++events, type, wallMs: clock.wallMs(), because};
    for (const listener of listeners) listener(event);
  }

  function note(before: AgentState, after: AgentState, input: AgentInput, effects: readonly AgentEffect[], now: MonoMs): void {
    count(counters, before, after, input, effects);
    const next = show(after, now);
    const last = shown;
    shown = next;
    const obstacle = obstacleOf(after);
    for (const news of newsOf(before, after)) {
      const level = news === obstacle ? 'warn' : 'info';
      log[level](news, {state: next.state, phase: phaseOf(after, now), epoch: after.known.epoch});
    }
    if (next.state !== last?.state) {
      stateHistory = [{state: next.state, timestamp: clock.wallMs()}, ...stateHistory].slice(0, STATES_KEPT);
      if (next.state === 'MASTER') counters.promotions++;
      if (last?.state === 'MASTER') counters.demotions++;
      log.info(`state is ${next.state}`, {before: last?.state ?? 'none', because: becauseNow(after)});
      tell('state', becauseNow(after));
    }
    if (!last) return;
    if (next.leader !== last.leader) tell('leader', next.leader);
    if (next.alive !== last.alive) tell('nodes', `alive: ${next.alive || 'nobody else'}`);
    if (next.paused !== last.paused) tell('pause', next.paused ? 'the cluster is paused' : 'the cluster is no longer paused');
    if (next.trust !== last.trust) tell('store', becauseNow(after));
  }

  return {
    note,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    chronicle: () => ({startedAtWallMs, stateHistory, counters: {...counters}}),
  };
}

interface Shown {
  readonly state: NodeState;
  readonly leader: string;
  readonly alive: string;
  readonly paused: boolean;
  readonly trust: string;
}

function show(s: AgentState, now: MonoMs): Shown {
  const name = s.view.name;
  const alive = Object.values(s.peers).filter((peer) => isAlive(s, peer, now));
  return {
    state: nodeStateOf(s, now),
    leader: name ? `epoch ${name.epoch} ${name.kind} ${ownerOf(s) ?? 'nobody'}` : 'unknown',
    alive: alive.map((peer) => peer.report.nodeId).join(' '),
    paused: s.wishes.paused,
    trust: s.trust.kind,
  };
}

function count(counters: Tally, before: AgentState, after: AgentState, input: AgentInput, effects: readonly AgentEffect[]): void {
  if (input.type === 'renamed') {
    const op = before.rename?.op;
    const done = input.outcome.kind === 'done';
    if (op === 'renew' && done) {
      counters.renewals++;
      counters.lastRenewalMs = input.answeredAt - input.askedAt;
    }
    if (op === 'renew' && !done) counters.renewalFailures++;
    if (op === 'claim' && done) counters.claims++;
  }
  const failed = (input.type === 'listed' && input.listing.kind === 'error') || (input.type === 'heartbeatWritten' && !input.ok);
  if (failed) counters.storeErrors++;
  counters.serviceStarts += effects.filter((effect) => effect.type === 'startService').length;
  if (after.failures > before.failures) counters.serviceFailures++;
}

// The loop: what happened → step → what to do about it, one input at a time; nothing here decides anything.
import {newAgent, stepAgent} from '../protocol/agent-machine.ts';
import {heartbeatOf, nodeStateOf, ownerOf} from '../protocol/agent-report.ts';
import type {AgentEffect, AgentInput, AgentState, Self} from '../protocol/agent-state.ts';
import {fenceTarget, type FenceTarget, type FenceWaits} from '../protocol/fence.ts';
import {assertTurn} from '../protocol/invariants.ts';
import type {Epoch, MonoMs} from '../protocol/words.ts';
import {createChronicler} from './chronicler.ts';
import {createFitness, type FitnessBoard} from './fitness.ts';
import {createHistoryWriter} from './history-writer.ts';
import {createMailbox, type Mailbox} from './mailbox.ts';
import {perform, published, type PerformerParts} from './performer.ts';
import type {AgentFacts, AgentPorts} from './ports.ts';
import {statusOf} from './snapshot.ts';
import type {AgentPort} from './status.ts';

export interface Ending {
  readonly code: 0 | 2 | 3;
  readonly because: string;
}

export interface Agent {
  readonly port: AgentPort;
  readonly mailbox: Mailbox;
  /** What stands against this node being elected. */
  readonly fitness: Pick<FitnessBoard, 'note'>;
  /** Whose host to fence now; undefined: nobody's. */
  fenceTarget(waits: FenceWaits): FenceTarget | undefined;
  /** Resolves when the agent has ended: nothing is held and nothing runs, or the guardian keeps it. */
  readonly ended: Promise<Ending>;
  input(input: AgentInput, now?: MonoMs): void;
  start(): void;
}

/** Nothing runs, and no lease is held, being claimed or to be adopted: nothing is lost with the guardian. */
const isIdle = (s: AgentState): boolean =>
  s.link.kind === 'connected' &&
  s.service.kind === 'down' &&
  s.lease.kind === 'none' &&
  !s.rename &&
  !s.adoption &&
  !s.ending &&
  !s.ended;

/** How long the last words (a final heartbeat, the history) may take, ms: a store that hangs must not keep the agent. */
const LAST_WORDS_MS = 1_000;
/** How long a standby process may take to go once it has been killed, and its guardian with it, ms. */
const KILLED_LIMIT_MS = 6_000;

export function createAgent(self: Self, facts: AgentFacts, known: Epoch, ports: AgentPorts): Agent {
  const {clock, store, log} = ports;
  let state: AgentState = newAgent(self, facts.settings, known, clock.now());
  let turnedAt = clock.now();
  let settle: (ending: Ending) => void = () => undefined;
  const ended = new Promise<Ending>((resolve) => (settle = resolve));
  /** What the lock had shown before the present turn: a claim is remembered when its own name stands there. */
  let shown = state.view;
  const history = createHistoryWriter(self, store, clock, log, (name) => (shown.text === name ? shown.firstSeenAt : undefined));
  const chronicler = createChronicler(clock, log);
  const fitness = createFitness(ports.health, input);
  const parts: PerformerParts = {
    ports,
    facts,
    history,
    fitness,
    input,
    state: () => state,
    turnedAt: () => turnedAt,
    exit,
    beat: {returned: Promise.resolve()},
    guardians: {count: 0},
  };

  /** @param now a reading of the clock made just before: each costs a read of /proc. */
  function input(given: AgentInput, now = clock.now()): void {
    if (state.ended) return;
    const before = state;
    shown = before.view;
    const {state: next, effects} = stepAgent(before, given, now);
    assertTurn(before, next, effects);
    state = next;
    turnedAt = now;
    chronicler.note(before, next, given, effects, now);
    if (next.known.epoch > before.known.epoch) void ports.rememberEpoch(next.known.epoch);
    ports.followMaster(masterUriToFollow(next, now));
    for (const effect of effects) perform(parts, effect);
    mailbox.turned(state);
    fitness.turned(state);
    if (ports.guardian.outdated() && isIdle(state)) {
      return input({type: 'guardianLost', because: 'replacing the guardian: it was started with another configuration'});
    }
    if (!state.ended) alarm.set(state.wakeAt, now);
  }

  const tick = (): void => input({type: 'tick'});
  const alarm = createAlarm(tick);

  function start(): void {
    fitness.start();
    tick();
  }

  function exit(effect: AgentEffect & {type: 'exit'}): void {
    alarm.clear();
    fitness.stop();
    void lastWords(parts, effect).then(() => settle({code: effect.code, because: effect.because}));
  }

  const mailbox = createMailbox({input, state: () => state, store, clock});
  const port: AgentPort = {
    ...mailbox.port,
    subscribe: (listener) => chronicler.subscribe(listener),
    status: () =>
      statusOf(state, facts, {...chronicler.chronicle(), storeId: store.storeId, turnedAt}, clock.now(), clock.wallMs()),
  };
  return {port, mailbox, fitness, fenceTarget: (waits) => fenceTarget(state, waits, clock.now()), ended, input, start};
}

interface Alarm {
  /** Rings at that instant and at no other one; an instant that is set already costs nothing. */
  set(at: MonoMs, now: MonoMs): void;
  clear(): void;
}

function createAlarm(ring: () => void): Alarm {
  let timer: NodeJS.Timeout | undefined;
  let setFor: MonoMs | undefined;
  function clear(): void {
    clearTimeout(timer);
    setFor = undefined;
  }
  return {
    clear,
    set(at, now) {
      if (at === setFor) return;
      clear();
      setFor = at;
      const rings = (): void => {
        setFor = undefined;
        ring();
      };
      // A timer counts whole milliseconds: one that were a fraction early would be set a second time.
      timer = setTimeout(rings, Math.ceil(at - now));
    },
  };
}

/** Resolves when they are out, or have taken too long. */
async function lastWords(
  {ports, facts, history, state, beat}: PerformerParts,
  effect: AgentEffect & {type: 'exit'},
): Promise<void> {
  const {clock, store, guardian, readiness} = ports;
  const s = state();
  readiness.stop();
  ports.followMaster(undefined);
  guardian.send({type: effect.keep ? 'keep' : 'bye'});
  // Its standby process ends with this node: whoever waits for the one waits for both.
  const standsBy = !effect.keep && facts.passive?.proves === false;
  const left = guardian.leave(standsBy ? s.self.timing.stopTimeoutMs + KILLED_LIMIT_MS : 0);
  // A number of its own: to the others a report that repeats one says nothing.
  const farewell = {...heartbeatOf({...s, seq: s.seq + 1}, clock.now()), ...published(facts), wallMs: clock.wallMs()};
  const mayWrite = s.ownRecord.kind === 'mine' && effect.code !== 3;
  const words = Promise.all([
    mayWrite ? beat.returned.then(() => store.writeHeartbeat(farewell)) : undefined,
    history.settle(LAST_WORDS_MS),
  ]);
  await Promise.race([words, new Promise((resolve) => setTimeout(resolve, LAST_WORDS_MS))]);
  await left;
}

function masterUriToFollow(s: AgentState, now: MonoMs): string | undefined {
  const owner = ownerOf(s);
  if (owner === undefined || owner === s.self.nodeId || nodeStateOf(s, now) === 'MASTER') return undefined;
  return s.peers[owner]?.report.uri;
}

// Carries out what the machine asks for. Every call to the store is answered to the machine, however late its reply comes.
import type {AgentEffect, AgentInput, AgentState} from '../protocol/agent-state.ts';
import type {GuardianReport} from '../protocol/guardian-machine.ts';
import type {NodeReport} from '../protocol/heartbeat.ts';
import type {MonoMs} from '../protocol/words.ts';
import type {FitnessBoard} from './fitness.ts';
import type {HistoryWriter} from './history-writer.ts';
import type {AgentFacts, AgentPorts} from './ports.ts';

export interface PerformerParts {
  readonly ports: AgentPorts;
  readonly facts: AgentFacts;
  readonly history: HistoryWriter;
  readonly fitness: Pick<FitnessBoard, 'note'>;
  readonly state: () => AgentState;
  /** When the turn began whose effects are being carried out. */
  readonly turnedAt: () => MonoMs;
  readonly input: (input: AgentInput, now?: MonoMs) => void;
  readonly exit: (effect: AgentEffect & {type: 'exit'}) => void;
  /** The heartbeat that was issued last: its lane has no room for the farewell before it has returned. */
  readonly beat: {returned: Promise<unknown>};
  /** Counts the guardians: what belongs to an earlier one ends. */
  readonly guardians: {count: number};
}

/** One at a time, in the order in which the machine gave them. */
export function perform(parts: PerformerParts, effect: AgentEffect): void {
  const {guardian, readiness} = parts.ports;
  switch (effect.type) {
    case 'list':
    case 'rename':
    case 'writeHeartbeat':
    case 'readHeartbeats':
    case 'readWishes':
    case 'dropWish':
      return run(parts, callStore(parts, effect));
    case 'setDeadline':
      return guardian.send({type: 'deadline', epoch: effect.epoch, attempt: effect.attempt, deadline: effect.deadline});
    case 'startService':
      return guardian.send({type: 'start', run: effect.run, epoch: effect.epoch});
    case 'stopService':
      readiness.stop();
      return guardian.send({type: 'stop', run: effect.run});
    case 'killGuardian':
      readiness.stop();
      return run(parts, killGuardian(parts, effect.because));
    case 'spawnGuardian':
      return run(parts, openGuardian(parts));
    case 'remember':
      return parts.history.add(effect.event);
    case 'exit':
      return parts.exit(effect);
    default:
      return effect satisfies never;
  }
}

type StoreEffect = AgentEffect & {type: 'list' | 'rename' | 'writeHeartbeat' | 'readHeartbeats' | 'readWishes' | 'dropWish'};

function callStore(parts: PerformerParts, effect: StoreEffect): Promise<void> {
  const {store, clock} = parts.ports;
  switch (effect.type) {
    case 'list':
      return call(
        parts,
        () => store.list(effect.refresh),
        (listing, times) => ({type: 'listed', listing, ...times}),
      );
    case 'rename':
      return call(
        parts,
        () => store.rename(effect.from, effect.to),
        (outcome, times) => ({type: 'renamed', outcome, ...times}),
      );
    case 'writeHeartbeat': {
      const heartbeat = {...effect.heartbeat, ...published(parts.facts), wallMs: clock.wallMs()};
      const written = store.writeHeartbeat(heartbeat);
      parts.beat.returned = written;
      return call(
        parts,
        () => written,
        (reply, times) => ({type: 'heartbeatWritten', ...reply, ...times}),
      );
    }
    case 'readHeartbeats': {
      return call(
        parts,
        () => store.readHeartbeats(effect.whose),
        (heard, times) => ({type: 'heard', ...heard, ...times}),
      );
    }
    case 'readWishes':
      return call(
        parts,
        () => store.readWishes(),
        (wishes, times) => ({type: 'wished', wishes, ...times}),
      );
    case 'dropWish':
      return store.dropWish(effect.wish, effect.epoch);
    default:
      return effect satisfies never;
  }
}

/** What the machine does not decide by and others want to know. */
export const published = ({serviceUri}: AgentFacts): Pick<NodeReport, 'serviceUri'> =>
  serviceUri === undefined ? {} : {serviceUri};

interface Times {
  readonly askedAt: MonoMs;
  readonly answeredAt: MonoMs;
}

/**
 * Stamps a call: `askedAt` before it is issued, `answeredAt` after its reply. The turn that wants the call has read the clock just
 * before, and an earlier `askedAt` only makes a lease shorter and a listing older.
 */
async function call<T>(
  parts: PerformerParts,
  issue: () => Promise<T>,
  answer: (reply: T, times: Times) => AgentInput,
): Promise<void> {
  const askedAt = parts.turnedAt();
  const reply = await issue();
  const answeredAt = parts.ports.clock.now();
  parts.input(answer(reply, {askedAt, answeredAt}), answeredAt);
}

async function killGuardian({ports, input, guardians}: PerformerParts, because: string): Promise<void> {
  guardians.count++;
  const {proven} = await ports.guardian.kill();
  input({type: 'guardianGone', proven, because});
}

async function openGuardian(parts: PerformerParts): Promise<void> {
  const {guardian, readiness} = parts.ports;
  const {input, state, guardians} = parts;
  const own = ++guardians.count;
  const adopted = await guardian.open({
    closed: (because) => input({type: 'guardianLost', because}),
    report(report: GuardianReport) {
      if (report.type === 'stopping' || report.type === 'gone') readiness.stop();
      input({type: 'guardianSaid', report});
      if (report.type === 'started') watch(report.run);
    },
  });
  const watch = (started: number): void =>
    readiness.start(started, (ok, because) => input({type: 'checked', run: started, ok, because}));
  // It may have died, and been told lost, while its record was being written.
  if (guardians.count !== own) return;
  input({type: 'guardianReady', adopted});
  if (adopted?.run !== undefined) watch(adopted.run);
  if (!state().ended) await checkPassive(parts, own);
}

/**
 * A standby whose passive form fails is not eligible; it is asked again and again while nothing active runs. Where its success is the
 * proof of that, also after the death of a guardian. Ends when the guardian does; the next one begins anew.
 */
async function checkPassive(parts: PerformerParts, guardian: number): Promise<void> {
  const {passive} = parts.facts;
  if (!passive) return;
  const {state, input} = parts;
  while (!state().ended && parts.guardians.count === guardian) {
    const {lease, service} = state();
    if ((lease.kind === 'none' && service.kind === 'down') || (passive.proves && service.kind === 'unproven')) {
      const {ok, because} = await parts.ports.guardian.checkPassive(state().settings.backoffMs);
      // One that was cut short because the service is to start says nothing about this node.
      if (ok || state().lease.kind === 'none') parts.fitness.note('passive', ok ? undefined : because);
      if (ok && passive.proves && state().service.kind === 'unproven') input({type: 'serviceProven'});
    }
    await new Promise((resolve) => setTimeout(resolve, passive.everyMs).unref());
  }
}

/** What is not expected to fail ends the agent when it does: the guardian makes that safe. */
function run({ports}: PerformerParts, work: Promise<void>): void {
  work.catch((error: unknown) => {
    ports.log.error('the agent failed', {error: error instanceof Error ? (error.stack ?? error.message) : String(error)});
    setImmediate(() => {
      throw error;
    });
  });
}

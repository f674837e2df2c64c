// Carries out what the machine asks for. Every call to the store is answered to the machine, late or never included.
import type {AgentEffect, AgentInput, AgentState} from '../protocol/agent-state.ts';
import type {GuardianReport} from '../protocol/guardian-machine.ts';
import type {HistoryWriter} from './history-writer.ts';
import type {AgentFacts, AgentPorts} from './ports.ts';

export interface Performer {
  perform(effect: AgentEffect): void;
}

interface Parts {
  readonly ports: AgentPorts;
  readonly facts: AgentFacts;
  readonly history: HistoryWriter;
  readonly state: () => AgentState;
  readonly input: (input: AgentInput) => void;
  readonly exit: (effect: AgentEffect & {type: 'exit'}) => void;
}

export function createPerformer(parts: Parts): Performer {
  const {ports, history, input, state} = parts;
  const {clock, store, guardian, readiness, log} = ports;
  let passiveTimer: NodeJS.Timeout | undefined;

  /** Stamps a call: `askedAt` before it is issued, `answeredAt` after its reply. */
  async function call<T>(issue: () => Promise<T>, answer: (reply: T, times: Times) => AgentInput): Promise<void> {
    const askedAt = clock.now();
    const reply = await issue();
    input(answer(reply, {askedAt, answeredAt: clock.now()}));
  }

  function perform(effect: AgentEffect): void {
    switch (effect.type) {
      case 'list':
        return run(
          call(
            () => store.list(effect.refresh),
            (listing, times) => ({type: 'listed', listing, ...times}),
          ),
        );
      case 'rename':
        return run(
          call(
            () => store.rename(effect.from, effect.to),
            (outcome, times) => ({type: 'renamed', outcome, ...times}),
          ),
        );
      case 'writeHeartbeat':
        return run(
          call(
            () => store.writeHeartbeat({...effect.heartbeat, wallMs: clock.wallMs()}),
            (reply, times) => ({type: 'heartbeatWritten', ...reply, ...times}),
          ),
        );
      case 'readHeartbeats':
        return run(hear(effect.whose));
      case 'readWishes':
        return run(
          call(
            () => store.readWishes(),
            (wishes, times) => ({type: 'wished', wishes, ...times}),
          ),
        );
      case 'dropWish':
        return run(store.dropWish(effect.wish, effect.epoch));
      case 'setDeadline':
        return guardian.send({type: 'deadline', epoch: effect.epoch, attempt: effect.attempt, deadline: effect.deadline});
      case 'startService':
        return guardian.send({type: 'start', run: effect.run, epoch: effect.epoch});
      case 'stopService':
        readiness.stop();
        return guardian.send({type: 'stop', run: effect.run});
      case 'killGuardian':
        readiness.stop();
        return run(guardian.kill().then(({proven}) => input({type: 'guardianGone', proven, because: effect.because})));
      case 'spawnGuardian':
        return run(openGuardian());
      case 'remember':
        return history.add(effect.event);
      case 'exit':
        clearTimeout(passiveTimer);
        return parts.exit(effect);
      default:
        return effect satisfies never;
    }
  }

  async function hear(whose: (AgentEffect & {type: 'readHeartbeats'})['whose']): Promise<void> {
    const all = whose === 'all';
    await call(
      () => store.readHeartbeats(whose),
      ({heartbeats, whole}, times) => ({type: 'heard', heartbeats, everybody: all && whole, own: all && whole, ...times}),
    );
  }

  async function openGuardian(): Promise<void> {
    const adopted = await guardian.open({report: onReport, closed: (because) => input({type: 'guardianLost', because})});
    input({type: 'guardianReady', adopted});
    if (adopted?.run !== undefined) watch(adopted.run);
    checkPassive();
  }

  function onReport(report: GuardianReport): void {
    if (report.type === 'started') watch(report.run);
    if (report.type === 'stopping' || report.type === 'gone') readiness.stop();
    input({type: 'guardianSaid', report});
  }

  const watch = (started: number): void =>
    readiness.start(started, (ok, because) => input({type: 'checked', run: started, ok, because}));

  /**
   * A standby whose passive form fails is not eligible; it is asked again and again while nothing active runs. After the death of a
   * guardian its success is the proof that nothing does.
   */
  function checkPassive(): void {
    const everyMs = parts.facts.passiveIntervalMs;
    clearTimeout(passiveTimer);
    if (everyMs === undefined || state().ended) return;
    const {lease, service, link} = state();
    const passive = link.kind === 'connected' && ((lease.kind === 'none' && service.kind === 'down') || service.kind === 'unproven');
    const asked = passive ? guardian.checkPassive().then(onPassive) : Promise.resolve();
    run(asked.finally(() => (passiveTimer = setTimeout(checkPassive, everyMs))));
  }

  function onPassive(result: {readonly ok: boolean; readonly because: string}): void {
    input({type: 'fitness', ...result});
    if (result.ok && state().service.kind === 'unproven') input({type: 'serviceProven'});
  }

  /** What is not expected to fail ends the agent when it does: the guardian makes that safe. */
  function run(work: Promise<void>): void {
    work.catch((error: unknown) => {
      log.error('the agent failed', {error: error instanceof Error ? (error.stack ?? error.message) : String(error)});
      setImmediate(() => {
        throw error;
      });
    });
  }

  return {perform};
}

interface Times {
  readonly askedAt: AgentState['renamedAt'];
  readonly answeredAt: AgentState['renamedAt'];
}

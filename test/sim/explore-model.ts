// A small world for exhaustive exploration: the same pure machines, time in whole seconds, and every choice a branch of its own.
// An agent may be as slow as it likes (no step is ever forced: that is its freeze); only guardians are urgent. Heartbeats and
// wishes are answered at once and show nobody, so that every node believes itself to be the first in the order.
import type {AgentEffect, AgentInput, AgentState} from '../../lib/protocol/agent-state.ts';
import {newAgent, stepAgent} from '../../lib/protocol/agent-machine.ts';
import {newGuardian, stepGuardian, type GuardianInput, type GuardianState} from '../../lib/protocol/guardian-machine.ts';
import {assertTurn} from '../../lib/protocol/invariants.ts';
import {formatLockName, parseLockName} from '../../lib/protocol/lock-name.ts';
import type {Timing} from '../../lib/protocol/timing.ts';
import {epoch, instanceId, monoMs, nodeId, type InstanceId} from '../../lib/protocol/words.ts';
import {Violation} from './checkers.ts';

export const UNIT_MS = 1_000;
/** T = 4 units. */
export const TIMING: Timing = {
  heartbeatIntervalMs: UNIT_MS,
  pollIntervalMs: UNIT_MS,
  leaseTimeoutMs: 4 * UNIT_MS,
  stopTimeoutMs: 400,
  safetyMarginMs: 600,
};

export interface ExploreNode {
  readonly name: string;
  readonly agent: AgentState | undefined;
  readonly born: number;
  readonly rename:
    {readonly from: string; readonly to: string; readonly askedAt: number; readonly done: boolean | undefined} | undefined;
  readonly list: {readonly askedAt: number; readonly refresh: boolean} | undefined;
  readonly guardian: GuardianState | undefined;
  /** The epoch under which the service runs. */
  readonly serves: {readonly run: number; readonly epoch: number} | undefined;
  readonly helper: {readonly instances: readonly InstanceId[]; readonly epoch: number; readonly attempt: number} | undefined;
}

export interface ExploreState {
  readonly now: number;
  readonly lock: string;
  readonly before: string;
  /** Renames that were answered with an error, or whose issuer is dead, and may still be executed. */
  readonly late: readonly {readonly from: string; readonly to: string}[];
  readonly nodes: readonly ExploreNode[];
  /** How often what may still go wrong. */
  readonly left: {readonly lost: number; readonly late: number; readonly stale: number; readonly crash: number};
}

type Draft = {-readonly [K in keyof ExploreState]: ExploreState[K]};

export function firstState(count: number, left: ExploreState['left']): ExploreState {
  const lock = formatLockName({kind: 'free', epoch: epoch(0), writer: undefined, attempt: 0});
  const nodes = Array.from({length: count}, (_, i): ExploreNode => ({
    name: `n${i + 1}`,
    agent: undefined,
    born: 0,
    rename: undefined,
    list: undefined,
    guardian: undefined,
    serves: undefined,
    helper: undefined,
  }));
  return {now: 0, lock, before: lock, late: [], nodes, left};
}

export const draftOf = (state: ExploreState): Draft => ({...state});

export function change(d: Draft, i: number, update: Partial<ExploreNode>): void {
  d.nodes = d.nodes.map((node, at) => (at === i ? {...node, ...update} : node));
}

export function nodeAt(d: ExploreState, i: number): ExploreNode {
  const node = d.nodes[i];
  if (!node) throw new RangeError(`no node ${i}`);
  return node;
}

/** Starts an instance on a host where the old agent is dead: it adopts a guardian that lets itself be adopted, or proves the rest. */
export function startInstance(d: Draft, i: number): void {
  const {name, born} = nodeAt(d, i);
  const self = {nodeId: nodeId(name), instanceId: instanceOf(i, born), timing: TIMING, hasService: true};
  const settings = {
    mode: 'auto',
    priority: 0,
    attempts: 9,
    backoffMs: UNIT_MS,
    startTimeoutMs: 900_000,
    coolDownMs: UNIT_MS,
  } as const;
  change(d, i, {agent: newAgent(self, settings, epoch(0), monoMs(d.now)), born: born + 1});
  tellAgent(d, i, {type: 'tick'});
}

const instanceOf = (i: number, born: number): InstanceId => instanceId(`${(i + 1).toString(16)}000000${born.toString(16)}`);

/** One step of the agent, and at once everything local that follows from it. */
export function tellAgent(d: Draft, i: number, input: AgentInput): void {
  const {agent} = nodeAt(d, i);
  if (!agent) return;
  const {state, effects} = stepAgent(agent, input, monoMs(d.now));
  // The invariant tells two renames apart by their instants, which here may be the same.
  if (d.now > agent.renamedAt) assertTurn(agent, state, effects);
  change(d, i, {agent: state});
  for (const effect of effects) perform(d, i, effect);
}

function perform(d: Draft, i: number, effect: AgentEffect): void {
  const [askedAt, answeredAt] = [monoMs(d.now), monoMs(d.now)];
  switch (effect.type) {
    case 'list':
      return change(d, i, {list: {askedAt: d.now, refresh: effect.refresh}});
    case 'rename':
      return change(d, i, {rename: {from: effect.from, to: effect.to, askedAt: d.now, done: undefined}});
    case 'readHeartbeats':
      return tellAgent(d, i, {
        type: 'heard',
        heartbeats: [],
        everybody: effect.whose === 'all' || effect.whose === 'others',
        own: true,
        failed: false,
        askedAt,
        answeredAt,
      });
    case 'writeHeartbeat':
      return tellAgent(d, i, {type: 'heartbeatWritten', ok: true, reason: '', found: undefined, askedAt, answeredAt});
    case 'readWishes':
      return tellAgent(d, i, {type: 'wished', wishes: {paused: false, switchovers: [], statements: []}, askedAt, answeredAt});
    case 'setDeadline':
      return tellGuardian(d, i, {type: 'order', order: {...effect, type: 'deadline'}});
    case 'startService':
      return tellGuardian(d, i, {type: 'order', order: {type: 'start', run: effect.run, epoch: effect.epoch}});
    case 'stopService':
      return tellGuardian(d, i, {type: 'order', order: {type: 'stop', run: effect.run}});
    case 'spawnGuardian':
      return findGuardian(d, i);
    default:
      return;
  }
}

/** A guardian that refuses is about to end: the agent asks again with its next step (see `explore`). */
export function findGuardian(d: Draft, i: number): void {
  const {agent, born, guardian} = nodeAt(d, i);
  if (!agent) return;
  if (!guardian) {
    for (let earlier = 0; earlier < born - 1; earlier++)
      tellAgent(d, i, {type: 'proof', proof: {kind: 'local', instanceId: instanceOf(i, earlier)}});
    change(d, i, {guardian: newGuardian({timing: TIMING, agentLossGraceMs: 2 * UNIT_MS})});
  }
  tellGuardian(d, i, {type: 'connected', instanceId: agent.self.instanceId});
}

export function tellGuardian(d: Draft, i: number, input: GuardianInput): void {
  const {guardian} = nodeAt(d, i);
  if (!guardian || guardian.ended) return;
  const {state, effects} = stepGuardian(guardian, input, monoMs(d.now));
  change(d, i, {guardian: state});
  for (const effect of effects) {
    const {agent} = nodeAt(d, i);
    switch (effect.type) {
      case 'report':
        tellAgent(d, i, {type: 'guardianSaid', report: effect.report});
        break;
      case 'accept': {
        const from = state.instances.at(-2);
        const {deadline, run} = state;
        const brought = effect.adopted && from && deadline;
        const adopted = brought && {
          from,
          epoch: deadline.epoch,
          attempt: deadline.attempt,
          deadline: deadline.at,
          run: run.kind === 'running' ? run.run : undefined,
        };
        if (agent) tellAgent(d, i, {type: 'guardianReady', adopted: adopted ? adopted : undefined});
        break;
      }
      case 'startRun':
        change(d, i, {serves: {run: effect.run, epoch: effect.epoch}});
        check(d);
        break;
      case 'killRun':
        change(d, i, {serves: undefined});
        tellGuardian(d, i, {type: 'runGone', run: effect.run, proven: true});
        break;
      case 'release':
        change(d, i, {helper: {instances: effect.instances, epoch: effect.epoch, attempt: effect.attempt}});
        break;
      case 'exit':
        change(d, i, {guardian: undefined, helper: undefined});
        break;
      default:
    }
  }
}

/** At the server: consumes the source. */
export function execute(d: Draft, from: string, to: string): boolean {
  if (d.lock !== from) return false;
  d.before = d.lock;
  d.lock = to;
  const [old, next] = [parseLockName(from), parseLockName(to)];
  if (!old || !next || next.epoch < old.epoch) throw new Violation('epoch grows', `${from} -> ${to}`);
  check(d);
  return true;
}

function check(d: ExploreState): void {
  const serving = d.nodes.filter(({serves}) => serves);
  if (serving.length > 1)
    throw new Violation('P1', serving.map(({name, serves}) => `${name} serves under epoch ${serves?.epoch}`).join(' and '));
  const [one] = serving;
  const lock = parseLockName(d.lock);
  if (one?.serves && lock && one.serves.epoch < lock.epoch)
    throw new Violation('P2', `${one.name} serves under epoch ${one.serves.epoch}, the lock is ${d.lock}`);
}

// What must be true at every instant, judged from the true state of the world and never by the code under test.
import type {AgentEffect, AgentState, HistoryEvent, LaneName, RenameOutcome} from '../../lib/protocol/agent-state.ts';
import {nodeStateOf} from '../../lib/protocol/agent-report.ts';
import {parseLockName} from '../../lib/protocol/lock-name.ts';
import {trueEpoch, trueLock} from './server.ts';
import {localNow, type AgentProc, type GuardianProc, type Host, type ServiceRun, type World} from './world-types.ts';

/** A rule of the protocol was broken; `check` says which. */
export class Violation extends Error {
  override readonly name = 'Violation';
  readonly check: string;
  constructor(check: string, what: string) {
    super(`${check}: ${what}`);
    this.check = check;
  }
}

export interface Checkers {
  renamed(from: string, to: string, who: string): void;
  serviceStarted(run: ServiceRun): void;
  serviceEnded(run: ServiceRun): void;
  resumed(host: Host): void;
  startOrdered(guardian: GuardianProc, run: number, epoch: number): void;
  guardianEnded(guardian: GuardianProc): void;
  helperStarted(guardian: GuardianProc): void;
  helperRenames(guardian: GuardianProc, from: string, to: string): void;
  agentStepped(agent: AgentProc, before: AgentState): void;
  deadlineTold(agent: AgentProc, effect: AgentEffect & {type: 'setDeadline'}): void;
  callIssued(agent: AgentProc, lane: LaneName): void;
  renameIssued(agent: AgentProc, effect: AgentEffect & {type: 'rename'}, askedAt: number): void;
  renameReturned(agent: AgentProc, effect: AgentEffect & {type: 'rename'}, outcome: RenameOutcome, askedAt: number): void;
  remembered(agent: AgentProc, event: HistoryEvent): void;
  proofGiven(agent: AgentProc): void;
  guardianSeenGone(agent: AgentProc): void;
}

/** A rename of an instance that returned success: the only source of a lease. */
interface Success {
  readonly epoch: number;
  readonly t0: number;
  readonly leaseTimeoutMs: number;
  readonly order: number;
}

/** @param getWorld the world is built with its checkers inside. */
export function makeCheckers(getWorld: () => World): Checkers {
  const book = new Book(getWorld);
  return {...serverCheckers(book), ...guardianCheckers(book), ...agentCheckers(book), ...historyCheckers(book)};
}

type Part<K extends keyof Checkers> = Pick<Checkers, K>;

/** What the checkers remember of what has happened. */
class Book {
  readonly running = new Set<ServiceRun>();
  readonly everExecuted = new Set<string>();
  readonly claimed = new Set<string>();
  largest = 0;
  readonly #getWorld: () => World;
  readonly #tried = new Set<string>();
  /** Since when nothing is started for an owner, by instance. */
  readonly #idle = new Map<string, {readonly epoch: number; readonly since: number}>();
  readonly #successes = new Map<string, Success[]>();
  /** The order of the last release of an instance, by instance and epoch. */
  readonly #releases = new Map<string, number>();
  #order = 0;

  constructor(getWorld: () => World) {
    this.#getWorld = getWorld;
  }

  get world(): World {
    return this.#getWorld();
  }

  checkServices(): void {
    const [first, second] = [...this.running].filter((run) => !run.host.suspended);
    if (first && second) {
      const say = (run: ServiceRun): string => `${run.host.name} (epoch ${run.epoch}, run ${run.run})`;
      fail('P1', `two services run: ${say(first)} and ${say(second)}`);
    }
    const {server} = this.world;
    if (!first || server.tampered) return;
    const lock = trueLock(server);
    if (lock && first.epoch < lock.epoch)
      fail('P2', `${first.host.name} serves under epoch ${first.epoch}, the lock says ${server.names.join(' ')}`);
  }

  /** An owner for whom nothing is started lets go after T, at its first step after that. */
  checkIdleOwner({instance, host, state}: AgentProc): void {
    const {lease, service, wishes, ending} = state;
    const idle = ['down', 'backoff', 'unproven'].includes(service.kind) && !wishes.paused && !ending && state.self.hasService;
    if (lease.kind !== 'owned' || !idle) return void this.#idle.delete(instance);
    const now = localNow(this.world, host);
    const known = this.#idle.get(instance);
    const since = known?.epoch === lease.name.epoch ? known.since : now;
    this.#idle.set(instance, {epoch: lease.name.epoch, since});
    if (now - since > lease.name.leaseTimeoutMs)
      fail('idle owner', `${host.name} keeps epoch ${lease.name.epoch}, although nothing was started for longer than T`);
  }

  confirmedBy(instance: string, epoch: number): Success[] {
    const given = this.#releases.get(`${instance}/${epoch}`) ?? -1;
    return (this.#successes.get(instance) ?? []).filter((success) => success.epoch === epoch && success.order > given);
  }

  tryTarget(to: string): void {
    if (this.#tried.has(to)) fail('U', `the target ${to} has been tried before`);
    this.#tried.add(to);
  }

  noteRelease(from: string): void {
    const name = parseLockName(from);
    if (name?.writer) this.#releases.set(`${name.writer.instanceId}/${name.epoch}`, this.#order++);
  }

  noteSuccess(instance: string, success: Omit<Success, 'order'>): void {
    const list = this.#successes.get(instance) ?? [];
    list.push({...success, order: this.#order++});
    if (list.length > 64) list.shift();
    this.#successes.set(instance, list);
  }
}

function fail(check: string, what: string): never {
  throw new Violation(check, what);
}

function serverCheckers(book: Book): Part<'renamed' | 'serviceStarted' | 'serviceEnded' | 'resumed'> {
  return {
    renamed: (from, to, who) => {
      const w = book.world;
      if (book.everExecuted.has(to)) fail('names grow', `${to} exists for the second time`);
      book.everExecuted.add(to);
      const [old, next] = [parseLockName(from), parseLockName(to)];
      if (!old || !next) return fail('names', `${from} -> ${to} by ${who}`);
      if (next.epoch < old.epoch || (next.epoch < book.largest && !w.server.tampered))
        fail('epoch grows', `${from} -> ${to} by ${who}`);
      if (old.kind === 'held' && next.kind === 'held' && old.epoch === next.epoch && old.leaseTimeoutMs !== next.leaseTimeoutMs)
        fail('T stays', `${from} -> ${to} by ${who}`);
      book.largest = Math.max(book.largest, next.epoch);
      w.log.add(w.clock.now, 'server', to);
      book.checkServices();
    },
    serviceStarted: (run) => {
      book.running.add(run);
      book.checkServices();
    },
    serviceEnded: (run) => {
      book.running.delete(run);
    },
    resumed: () => book.checkServices(),
  };
}

function guardianCheckers(
  book: Book,
): Part<'startOrdered' | 'guardianEnded' | 'helperStarted' | 'helperRenames' | 'guardianSeenGone'> {
  return {
    startOrdered: (guardian, run, epoch) => {
      const {host, state} = guardian;
      const {stopTimeoutMs, safetyMarginMs} = state.config.timing;
      const now = localNow(book.world, host);
      const ok = state.instances.some((instance) =>
        book
          .confirmedBy(instance, epoch)
          .some(({t0, leaseTimeoutMs}) => now < t0 + leaseTimeoutMs - stopTimeoutMs - safetyMarginMs),
      );
      if (!ok) fail('start', `${host.name} starts run ${run} of epoch ${epoch} without a confirmed lease that lasts`);
    },
    guardianEnded: (guardian) => {
      const left = guardian.host.runs.find((run) => run.guardian === guardian && run.alive);
      if (left) fail('K', `the guardian of ${guardian.host.name} ended and left run ${left.run} alone`);
    },
    helperStarted: ({host, state, lastAgent}) => {
      if (lastAgent?.alive === true) fail('K', `${host.name}: release begins while agent ${lastAgent.instance} lives`);
      if (state.run.kind !== 'none') fail('release', `${host.name}: release begins while a run is ${state.run.kind}`);
    },
    helperRenames: (guardian, from, to) => {
      book.tryTarget(to);
      book.noteRelease(from);
      const {host, state} = guardian;
      const agent = host.agent;
      if (agent && state.instances.includes(agent.instance))
        fail('K', `${host.name}: a release for agent ${agent.instance}, which lives`);
      const left = host.runs.find((run) => run.guardian === guardian && (run.alive || run.unproven));
      if (left) fail('release', `${host.name}: the helper releases while run ${left.run} is not proven gone`);
    },
    guardianSeenGone: ({host}) => {
      if (host.guardians.length > 0 || host.runs.some((run) => run.alive)) fail('K', `${host.name}: the guardian is not gone`);
    },
  };
}

function agentCheckers(book: Book): Part<'agentStepped' | 'deadlineTold' | 'callIssued' | 'renameIssued' | 'renameReturned'> {
  return {
    agentStepped: (agent, before) => {
      const w = book.world;
      const {trust} = agent.state;
      if (
        trust.kind === 'wrong' &&
        before.trust.kind !== 'wrong' &&
        !agent.host.weather.unmounted &&
        !w.plan.faults.some(({kind}) => STORE_FAULTS.includes(kind))
      )
        fail('trust', `${agent.host.name}: ${trust.reason}`);
      checkMasters(w, agent, before, fail);
      book.checkIdleOwner(agent);
    },
    deadlineTold: (agent, {epoch, deadline}) => {
      if (deadline === 'now') return;
      const ok = book.confirmedBy(agent.instance, epoch).some(({t0, leaseTimeoutMs}) => t0 + leaseTimeoutMs === deadline);
      if (!ok) fail('R', `${agent.host.name}: the deadline ${deadline} of epoch ${epoch} comes from no successful rename`);
    },
    callIssued: (agent, lane) => {
      if (agent.inFlight.has(lane)) fail('lanes', `${agent.host.name}: a second call in lane ${lane}`);
    },
    renameIssued: (agent, {op, from, to}) => {
      book.tryTarget(to);
      const source = parseLockName(from);
      if (op === 'claim' && source && source.epoch < agent.host.known)
        fail('B', `${agent.host.name} claims ${from}, but knows epoch ${agent.host.known}`);
      if (op === 'release') {
        book.noteRelease(from);
        checkRelease(agent, fail);
      }
      if (op !== 'claim') return;
      if (agent.state.trust.kind !== 'fine') fail('B', `${agent.host.name} claims ${from} in a store that it doubts`);
      const basis = agent.state.rename?.basis;
      if (basis === 'local') checkLocalProof(agent, from, fail);
      if (basis === 'statement' || basis === 'fence') checkOwnerDead(book.world, from, fail);
    },
    renameReturned: (agent, {to}, outcome, askedAt) => {
      const name = parseLockName(to);
      if (outcome.kind !== 'done' || name?.kind !== 'held') return;
      book.noteSuccess(agent.instance, {epoch: name.epoch, t0: askedAt, leaseTimeoutMs: name.leaseTimeoutMs});
    },
  };
}

function historyCheckers(book: Book): Part<'remembered' | 'proofGiven'> {
  return {
    remembered: (agent, event) => {
      if (event.kind !== 'claimed') return;
      const key = `${agent.instance}/${event.epoch}`;
      if (book.claimed.has(key)) fail('history', `${agent.host.name}: the claim of epoch ${event.epoch} is written twice`);
      book.claimed.add(key);
    },
    proofGiven: (agent) => {
      const {host} = agent;
      if (host.agent !== agent || host.guardians.length > 0 || host.runs.some((run) => run.alive))
        fail('proof', `${host.name}: local proof while something of the old instance lives`);
    },
  };
}

const STORE_FAULTS: readonly string[] = ['unmount', 'lockGone', 'rollback', 'doubled'];

type Fail = (check: string, what: string) => never;

/** Never two masters at one true instant, each by its own clock at that instant. */
function checkMasters(w: World, agent: AgentProc, before: AgentState, fail: Fail): void {
  if (agent.state.lease.kind !== 'owned') return;
  const now = localNow(w, agent.host);
  if (nodeStateOf(agent.state, now) !== 'MASTER' || nodeStateOf(before, now) === 'MASTER') return;
  for (const {agent: other} of w.hosts) {
    if (!other || other === agent || other.host.suspended) continue;
    if (nodeStateOf(other.state, localNow(w, other.host)) === 'MASTER')
      fail('masters', `${agent.host.name} and ${other.host.name} both call themselves MASTER`);
  }
  if (trueEpoch(w.server) < agent.state.lease.name.epoch && !w.server.tampered)
    fail('masters', `${agent.host.name} is master of an epoch that never was`);
}

function checkRelease(agent: AgentProc, fail: Fail): void {
  const {host, channel} = agent;
  const left = host.runs.find((run) => run.alive || run.unproven);
  if (left) fail('release', `${host.name} releases while run ${left.run} is not proven gone`);
  const deadline = channel?.guardian.state.deadline;
  if (channel?.guardian.alive === true && deadline && !deadline.given)
    fail('V', `${host.name} releases, but its guardian's deadline is not zero`);
}

function checkLocalProof(agent: AgentProc, from: string, fail: Fail): void {
  const {host} = agent;
  const instance = parseLockName(from)?.writer?.instanceId;
  if (!instance || !host.instances.includes(instance) || instance === agent.instance)
    fail('proof', `${host.name} claims ${from} by local proof`);
  const others = host.guardians.filter((guardian) => guardian !== agent.channel?.guardian);
  if (others.length > 0 || host.runs.some((run) => run.alive))
    fail('proof', `${host.name} claims ${from} while the old guardian or service lives`);
}

/** What replaces the wait must be true of the very instance that holds the name. */
function checkOwnerDead(w: World, from: string, fail: Fail): void {
  const instance = parseLockName(from)?.writer?.instanceId;
  const home = w.hosts.find((host) => instance !== undefined && host.instances.includes(instance));
  if (!home || !instance) return;
  const guardian = home.guardians.some(({state}) => state.instances.includes(instance));
  if (home.agent?.instance === instance || guardian) fail('proof', `${from} is claimed without the wait, but its owner lives`);
}

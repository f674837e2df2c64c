// Builds the world of a plan, and lets it heal.
import {formatLockName} from '../../lib/protocol/lock-name.ts';
import {epoch, nodeId} from '../../lib/protocol/words.ts';
import {makeCheckers} from './checkers.ts';
import type {NodePlan, Plan} from './plan.ts';
import {makeRng} from './rng.ts';
import {Scheduler} from './scheduler.ts';
import {newServer} from './server.ts';
import {wake} from './store-calls.ts';
import {makeTranscript} from './transcript.ts';
import {send, startAgentProc, thawAgent} from './world-agent.ts';
import {guardianInput, thawGuardian} from './world-guardian.ts';
import type {Host, ServiceProfile, Weather, World} from './world-types.ts';

const GOOD_SERVICE: ServiceProfile = {
  startMs: [100, 900],
  stopMs: [20, 600],
  crash: 0,
  neverReady: 0,
  ignoresTerm: 0,
  cannotStart: 0,
  passiveFails: 0,
};

export const START_TIMEOUT_MS = 4_000;
export const COOL_DOWN_MS = 5_000;
export const BACKOFF_MS = 500;

export function buildWorld(plan: Plan, transcript: boolean): World {
  const first = Math.max(...plan.nodes.map(({timing}) => timing.leaseTimeoutMs));
  const virgin = formatLockName(
    plan.virgin === 'free'
      ? {kind: 'free', epoch: epoch(0), writer: undefined, attempt: 0}
      : {kind: 'held', epoch: epoch(0), writer: undefined, leaseTimeoutMs: first, attempt: 0},
  );
  const w: World = {
    plan,
    rng: makeRng(plan.seed, 'world'),
    clock: new Scheduler(),
    server: newServer(virgin),
    hosts: [],
    checks: makeCheckers(() => w),
    log: makeTranscript(transcript),
    faults: true,
    late: new Set(),
    undo: new Set(),
    instances: 0,
    said: [],
  };
  for (const node of plan.nodes) w.hosts.push(makeHost(w, node, node.nodeId));
  plan.nodes.forEach((node, i) => {
    w.clock.at(node.startsAtMs, () => {
      const host = w.hosts[i];
      if (host && !host.agent && !host.suspended) startAgentProc(w, host);
    });
  });
  return w;
}

export function makeHost(w: World, node: NodePlan, name: string): Host {
  const rng = makeRng(w.plan.seed, `host ${name}`);
  return {
    name,
    nodeId: nodeId(node.nodeId),
    timing: node.timing,
    hasService: node.hasService,
    agentLossGraceMs: node.graceMs,
    service: {...GOOD_SERVICE},
    rng,
    settings: {
      mode: node.mode,
      priority: node.priority,
      attempts: 2,
      backoffMs: BACKOFF_MS,
      startTimeoutMs: START_TIMEOUT_MS,
      coolDownMs: COOL_DOWN_MS,
    },
    rate: 1 + node.drift,
    clockBase: rng.real(1_000, 1e7),
    bootedAt: 0,
    suspended: false,
    weather: fineWeather(),
    waiting: [],
    known: 0,
    agent: undefined,
    guardians: [],
    runs: [],
    instances: [],
    cached: undefined,
    fit: true,
    retired: false,
  };
}

const fineWeather = (): Weather => ({
  cut: false,
  renameTrouble: 0,
  listTrouble: 0,
  hung: new Set(),
  delayMs: [0.3, 3],
  unmounted: false,
  errors: 0,
  betweenAgent: 0,
  betweenGuardian: 0,
});

/** The machine runs on after a suspend: its guardian looks at the clock before anything else happens on it. */
export function resumeHost(w: World, host: Host): void {
  if (!host.suspended) return;
  w.log.add(w.clock.now, host.name, 'the host resumes');
  for (const guardian of [...host.guardians]) guardianInput(w, guardian, {type: 'tick'});
  host.suspended = false;
  w.checks.resumed(host);
  for (const guardian of [...host.guardians]) if (!guardian.frozen) thawGuardian(w, guardian);
  if (host.agent && !host.agent.frozen) thawAgent(w, host.agent);
}

/** No more faults: what hung returns, what was late happens or never will, and everybody is let go on. */
export function heal(w: World): void {
  w.faults = false;
  w.log.add(w.clock.now, 'world', 'heals');
  const {server} = w;
  for (const undo of [...w.undo]) undo();
  server.wishes = {paused: false, switchovers: [], statements: []};
  for (const late of w.late) {
    w.clock.cancel(late.timer);
    if (w.rng.chance(0.5) && late.execute()) w.log.add(w.clock.now, 'server', 'a late rename has been executed');
  }
  w.late.clear();
  for (const host of w.hosts) {
    Object.assign(host.weather, fineWeather());
    if (isLame(w, host)) host.weather.delayMs = [0.48 * host.timing.leaseTimeoutMs, 0.6 * host.timing.leaseTimeoutMs];
    Object.assign(host.service, GOOD_SERVICE);
    // What hangs in its start gets ready at last.
    for (const run of host.runs) if (run.readyAt === Infinity) run.readyAt = w.clock.now + 500;
    resumeHost(w, host);
    for (const guardian of [...host.guardians]) if (guardian.frozen) thawGuardian(w, guardian);
    if (host.agent?.frozen === true) thawAgent(w, host.agent);
    wake(host);
  }
  wake(server);
}

export const isLame = (w: World, host: Host): boolean => w.plan.lame !== undefined && w.hosts[w.plan.lame] === host;

export function setFit(w: World, host: Host, fit: boolean): void {
  if (host.fit === fit) return;
  host.fit = fit;
  if (host.agent) send(w, host.agent, () => ({type: 'fitness', ok: fit, because: fit ? '' : 'its passive form fails'}));
}

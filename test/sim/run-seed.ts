// One world from its beginning to its end: faults, healing, and then what must come true (liveness).
import {nodeStateOf} from '../../lib/protocol/agent-report.ts';
import {becauseNow} from '../../lib/protocol/obstacle.ts';
import {Violation} from './checkers.ts';
import {crashHost, start, strike} from './faults.ts';
import {makePlan, type Plan} from './plan.ts';
import {buildWorld, heal, isLame, COOL_DOWN_MS, START_TIMEOUT_MS} from './world.ts';
import {expectSuccession, mastersOf} from './liveness.ts';
import {localNow, type World} from './world-types.ts';

export interface Outcome {
  readonly plan: Plan;
  readonly failure: {readonly check: string; readonly message: string; readonly stack: string | undefined} | undefined;
  /** Virtual time times nodes. */
  readonly nodeMs: number;
  readonly steps: number;
  readonly transcript: readonly string[];
}

export const runSeed = (seed: number, transcript = false): Outcome => runPlan(makePlan(seed), transcript);

export function runPlan(plan: Plan, transcript = false): Outcome {
  const w = buildWorld(plan, transcript);
  let failure: Outcome['failure'];
  try {
    live(w);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const check = error instanceof Violation ? error.check : 'exception';
    failure = {check, message: error.message, stack: error instanceof Violation ? undefined : error.stack};
    w.log.add(w.clock.now, 'CHECK', error.message);
  }
  return {plan, failure, nodeMs: w.clock.now * plan.nodes.length, steps: w.clock.steps, transcript: w.log.lines};
}

function live(w: World): void {
  const {plan} = w;
  for (const fault of plan.faults) {
    w.clock.at(fault.atMs, () => {
      strike(w, fault);
    });
  }
  w.clock.runUntil(plan.healAtMs);
  heal(w);
  for (const host of w.hosts) if (host.name.endsWith("'")) retire(w, host);
  for (const host of w.hosts) {
    // A node that was refused, or was told to end, is started again; so is what crashed, but for one that stays dead.
    w.clock.after(w.rng.real(100, 3_000), () => {
      start(w, host, false);
    });
  }
  settle(w);
  // A slow node's heartbeats come and go, and the order with them.
  if (plan.lame === undefined) expectSuccession(w);
}

function retire(w: World, host: World['hosts'][number]): void {
  host.retired = true;
  crashHost(w, host);
}

/** Exactly one master in time, and the same for ten polls. */
function settle(w: World): void {
  const timings = w.plan.nodes.map(({timing}) => timing);
  const t = Math.max(...timings.map(({leaseTimeoutMs}) => leaseTimeoutMs));
  const s = Math.max(...timings.map(({stopTimeoutMs}) => stopTimeoutMs));
  const poll = Math.max(...timings.map(({pollIntervalMs}) => pollIntervalMs));
  const polls = (2 * w.plan.nodes.length + 5) * poll;
  // A slow node may hold the lease at first, and has to let go.
  const lame = w.plan.lame === undefined ? 0 : 2 * t;
  const limitMs = lame + 2 * t + s + polls + START_TIMEOUT_MS + COOL_DOWN_MS + 6_000;
  const begun = w.clock.now;
  // What the last fault has begun shows itself first.
  w.clock.runUntil(begun + 3 * poll);
  while (w.clock.now < begun + limitMs && !isSettled(w)) w.clock.runUntil(w.clock.now + 200);
  const [master] = mastersOf(w);
  if (!master || !isSettled(w))
    throw new Violation(
      'liveness',
      `nobody is master ${Math.round(limitMs)} ms after the healing: ${w.hosts.map((h) => describe(w, h)).join('; ')}`,
    );
  for (const end = w.clock.now + 10 * poll; w.clock.now < end;) {
    w.clock.runUntil(w.clock.now + 200);
    const now = mastersOf(w);
    if (now.length !== 1 || now[0] !== master)
      throw new Violation(
        'liveness',
        `${master.host.name} does not stay master: ${w.hosts.map((h) => describe(w, h)).join('; ')}`,
      );
  }
}

const isSettled = (w: World): boolean => {
  const [master, ...more] = mastersOf(w);
  return master !== undefined && more.length === 0 && !isLame(w, master.host);
};

function describe(w: World, host: World['hosts'][number]): string {
  const {agent} = host;
  return agent
    ? `${host.name} ${nodeStateOf(agent.state, localNow(w, host))} (${becauseNow(agent.state)})`
    : `${host.name} has no agent`;
}

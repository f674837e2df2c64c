// What each kind of fault does to the world when its time comes, and how it ends.
import type {Mode} from '../../lib/protocol/heartbeat.ts';
import {parseLockName} from '../../lib/protocol/lock-name.ts';
import {operate} from './operator.ts';
import type {Fault, NodePlan} from './plan.ts';
import {livingRuns} from './service-model.ts';
import {trueEpoch} from './server.ts';
import {wake} from './store-calls.ts';
import {killAgentProc, send, startAgentProc, thawAgent} from './world-agent.ts';
import {closeChannel, killGuardianProc, thawGuardian} from './world-guardian.ts';
import {makeHost, resumeHost, setFit} from './world.ts';
import {endAfter, type Host, type Weather, type World} from './world-types.ts';

/** A guardian that is frozen longer than this breaks an assumption of the proof (part of d). */
const GUARDIAN_FREEZE = 0.25;

export function strike(w: World, fault: Fault): void {
  const host = w.hosts[fault.node % w.hosts.length];
  if (!host || !w.faults || host.retired) return;
  w.log.add(w.clock.now, 'fault', `${fault.kind} on ${host.name}, ${Math.round(fault.durationMs)} ms, ${fault.x.toFixed(3)}`);
  if (process(w, host, fault) || weather(w, host, fault) || store(w, host, fault)) return;
  operate(w, host, fault);
}

/** Processes and machines. @returns whether the fault was one of these. */
function process(w: World, host: Host, {kind, durationMs, x}: Fault): boolean {
  const {agent} = host;
  switch (kind) {
    case 'crashAgent':
      if (agent) killAgentProc(w, agent, 'kill -9');
      if (x < 0.5) restartLater(w, host, 2 * x * x * host.timing.leaseTimeoutMs);
      return true;
    case 'crashGuardian':
      for (const guardian of [...host.guardians]) killGuardianProc(w, guardian, 'kill -9');
      return true;
    case 'crashBoth':
      crashBoth(w, host, 'kill -9 of both');
      if (x < 0.7) restartLater(w, host, durationMs * x);
      return true;
    case 'crashHost':
      crashHost(w, host);
      if (x < 0.7) restartLater(w, host, durationMs);
      return true;
    case 'start':
      start(w, host, x < 0.4);
      return true;
    case 'freezeAgent':
      if (agent && !agent.frozen) freezeAgent(w, host, durationMs);
      return true;
    case 'freezeGuardian':
      freezeGuardian(w, host, x);
      return true;
    case 'suspend':
      if (host.suspended || host.guardians.some((guardian) => guardian.frozen)) return true;
      host.suspended = true;
      endAfter(w, durationMs, () => {
        resumeHost(w, host);
      });
      return true;
    case 'closeChannel':
      if (agent?.channel) closeChannel(w, agent.channel);
      return true;
    case 'clone':
      if (!w.hosts.some(({name}) => name === `${host.name}'`)) clone(w, host, x);
      return true;
    default:
      return false;
  }
}

export function crashBoth(w: World, host: Host, why: string): void {
  if (host.agent) killAgentProc(w, host.agent, why);
  for (const guardian of [...host.guardians]) killGuardianProc(w, guardian, why);
}

/** Power off: everything is gone at once, the clock begins anew with the next boot, and the client's cache is empty. */
export function crashHost(w: World, host: Host): void {
  crashBoth(w, host, 'the host crashes');
  for (const run of livingRuns(host)) {
    run.alive = false;
    w.checks.serviceEnded(run);
  }
  host.suspended = false;
  host.cached = undefined;
  host.clockBase = host.rng.real(5_000, 60_000);
  host.bootedAt = w.clock.now;
  // What waited for the network dies with the kernel that would have sent it.
  host.waiting = [];
}

function restartLater(w: World, host: Host, delayMs: number): void {
  endAfter(w, delayMs, () => {
    start(w, host, false);
  });
}

/** While a process of the old agent exists, stopped or not, the new one refuses; only --replace kills it. */
export function start(w: World, host: Host, replace: boolean): void {
  if (host.suspended || host.retired) return;
  if (host.agent) {
    if (!replace) return;
    killAgentProc(w, host.agent, 'killed by --replace');
  }
  // A configuration may change between two starts.
  if (w.faults && w.rng.chance(0.3)) host.timing = w.rng.pick(w.plan.nodes).timing;
  startAgentProc(w, host);
}

function freezeAgent(w: World, host: Host, durationMs: number): void {
  const {agent} = host;
  if (!agent) return;
  agent.frozen = true;
  w.clock.after(durationMs, () => {
    if (agent.frozen) thawAgent(w, agent);
  });
}

function freezeGuardian(w: World, host: Host, x: number): void {
  const [guardian] = host.guardians;
  if (!guardian || guardian.frozen || host.suspended) return;
  guardian.frozen = true;
  w.clock.after(x * GUARDIAN_FREEZE * host.timing.safetyMarginMs, () => {
    if (guardian.frozen) thawGuardian(w, guardian);
  });
  if (x > 0.6) freezeAgent(w, host, 2 * host.timing.safetyMarginMs);
}

/** A second machine with the same node id, which knows nothing of this one's processes and can prove nothing about them. */
function clone(w: World, host: Host, x: number): void {
  const plan: NodePlan = {
    nodeId: host.nodeId,
    timing: host.timing,
    priority: host.settings.priority,
    mode: host.settings.mode,
    hasService: host.hasService,
    graceMs: 0,
    drift: -(host.rate - 1) * x,
    startsAtMs: 0,
  };
  const twin = makeHost(w, plan, `${host.name}'`);
  twin.bootedAt = w.clock.now;
  twin.known = host.known;
  if (w.plan.falseProof) twin.instances.push(...host.instances);
  w.hosts.push(twin);
  startAgentProc(w, twin);
}

/** How the store behaves towards this host for a while. */
function weather(w: World, host: Host, {kind, durationMs, x}: Fault): boolean {
  const during = (change: Partial<Weather>, back: Partial<Weather>): true => {
    Object.assign(host.weather, change);
    endAfter(w, durationMs, () => {
      Object.assign(host.weather, back);
      wake(host);
    });
    return true;
  };
  switch (kind) {
    case 'cut':
      return during({cut: true}, {cut: false});
    case 'slow':
      return during(
        {delayMs: x < 0.5 ? [0.3, 2_000] : [0.3 * host.timing.leaseTimeoutMs, 0.5 * host.timing.leaseTimeoutMs]},
        {delayMs: [0.3, 3]},
      );
    case 'renameTrouble':
      return during({renameTrouble: x}, {renameTrouble: 0});
    case 'listTrouble':
      return during({listTrouble: x}, {listTrouble: 0});
    case 'errors':
      return during({errors: x}, {errors: 0});
    case 'between':
      return during({betweenAgent: 0.2 * x, betweenGuardian: x < 0.5 ? 0.05 * x : 0}, {betweenAgent: 0, betweenGuardian: 0});
    case 'unmount':
      return during({unmounted: true}, {unmounted: false});
    case 'hangLane': {
      const lane = (['renew', 'watch', 'beat', 'hear', 'wish'] as const)[Math.floor(x * 5)] ?? 'watch';
      host.weather.hung.add(lane);
      // Sometimes the other half too: the lock hangs while the heartbeats work.
      if (lane === 'renew' && x > 0.1) host.weather.hung.add('watch');
      endAfter(w, durationMs, () => {
        host.weather.hung.clear();
        wake(host);
      });
      return true;
    }
    case 'badService':
      badService(w, host, durationMs, x);
      return true;
    case 'unfit':
      setFit(w, host, false);
      endAfter(w, durationMs, () => {
        setFit(w, host, true);
      });
      return true;
    default:
      return false;
  }
}

function badService(w: World, host: Host, durationMs: number, x: number): void {
  const before = {...host.service};
  const stopMs: readonly [number, number] = [20, 1.2 * host.timing.stopTimeoutMs];
  const bad = [
    {crash: 0.8},
    {neverReady: 0.8},
    {ignoresTerm: 0.8, stopMs},
    {cannotStart: 0.8},
    {passiveFails: 0.8},
    {crash: 0.3, neverReady: 0.2, ignoresTerm: 0.3, cannotStart: 0.2, passiveFails: 0.3, stopMs},
  ][Math.floor(x * 6)];
  Object.assign(host.service, bad);
  endAfter(w, durationMs, () => {
    Object.assign(host.service, before);
  });
}

/** The server and what it holds. */
function store(w: World, host: Host, {kind, durationMs, x}: Fault): boolean {
  const {server} = w;
  const backAfter = (undo: () => void): true => {
    endAfter(w, durationMs, () => {
      undo();
      wake(server);
    });
    return true;
  };
  switch (kind) {
    case 'serverDown':
      server.down = true;
      return backAfter(() => {
        server.down = false;
      });
    case 'beatsStalled':
      server.beatsStalled = true;
      return backAfter(() => {
        server.beatsStalled = false;
      });
    case 'lockGone':
      server.gone = true;
      return backAfter(() => {
        server.gone = false;
      });
    case 'rollback':
    case 'doubled':
      tamper(w, kind, x, durationMs);
      return true;
    case 'mode':
      changeMode(w, host, x, durationMs);
      return true;
    default:
      return false;
  }
}

/** An old name appears instead of, or beside, the right one; never one that some node could take for news. */
function tamper(w: World, kind: 'rollback' | 'doubled', x: number, durationMs: number): void {
  const {server} = w;
  if (server.tampered) return;
  const least = Math.min(...w.hosts.map(({known}) => known));
  const old = server.past.filter((text) => (parseLockName(text)?.epoch ?? 0) < Math.min(least, trueEpoch(server)));
  const back = old[Math.floor(x * old.length)];
  if (back === undefined) return;
  const right = server.names;
  server.tampered = true;
  server.names = kind === 'doubled' ? [...right, back] : [back];
  const undo = (): void => {
    // Renewed meanwhile, where that was possible.
    if (kind === 'doubled') server.names = server.names.slice(0, 1);
    else if (trueEpoch(server) < Math.max(...w.hosts.map(({known}) => known)) || server.names.includes(back))
      server.names = right;
    server.tampered = false;
    w.log.add(w.clock.now, 'server', `is put right: ${server.names.join(' ')}`);
  };
  endAfter(w, durationMs * 4, undo);
}

function changeMode(w: World, host: Host, x: number, durationMs: number): void {
  const modes: readonly Mode[] = ['hot_backup', 'standby', 'hot_standby', 'auto', 'disabled'];
  const before = host.settings;
  const change = (mode: Mode): void => {
    host.settings = {...host.settings, mode};
    if (host.agent) send(w, host.agent, () => ({type: 'settings', settings: host.settings}));
  };
  change(modes[Math.floor(x * modes.length)] ?? 'auto');
  endAfter(w, durationMs, () => {
    change(before.mode);
  });
}

// What people ask of the cluster, also twice, too late, or of the wrong node; but never a false statement.
import {epoch, nodeId, type NodeId} from '../../lib/protocol/words.ts';
import type {Fault} from './plan.ts';
import {trueEpoch, trueLock} from './server.ts';
import {crashHost, start} from './faults.ts';
import {send} from './world-agent.ts';
import {endAfter, type Host, type World} from './world-types.ts';

export function operate(w: World, host: Host, {kind, x, durationMs}: Fault): void {
  const {server} = w;
  const {agent} = host;
  switch (kind) {
    case 'pause':
      server.wishes = {...server.wishes, paused: true};
      endAfter(w, durationMs, () => {
        server.wishes = {...server.wishes, paused: false};
      });
      return;
    case 'switchover':
      return askSwitchover(w, x < 0.3 ? undefined : host.nodeId, x > 0.85 ? -1 : 0, x > 0.7);
    case 'statement':
      repeatStatements(w, durationMs);
      return stateTruth(w, x);
    case 'fence':
      return fence(w, host, x);
    case 'demote':
      if (agent) send(w, agent, () => ({type: 'demote', because: 'the operator wants it'}));
      return;
    case 'hint':
      if (agent) send(w, agent, () => ({type: 'hint'}));
      return;
    case 'priority':
      host.settings = {...host.settings, priority: Math.floor(x * 3)};
      if (agent) send(w, agent, () => ({type: 'settings', settings: host.settings}));
      return;
    case 'end':
      if (agent) send(w, agent, () => ({type: 'end', keepService: x < 0.4, because: 'SIGTERM'}));
      endAfter(w, durationMs * x, () => {
        start(w, host, false);
      });
      return;
    default:
      return;
  }
}

/** For the present epoch, or a stale one; once or twice. */
function askSwitchover(w: World, to: NodeId | undefined, offset: number, twice: boolean): void {
  const ask = (): void => {
    if (!w.faults) return;
    const of = Math.max(0, trueEpoch(w.server) + offset);
    const {switchovers} = w.server.wishes;
    w.server.wishes = {
      ...w.server.wishes,
      switchovers: [...switchovers.filter((each) => each.epoch !== of), {epoch: epoch(of), to}],
    };
  };
  ask();
  if (twice) w.clock.after(w.rng.real(100, 4_000), ask);
}

/** Somebody writes again and again what once was true of the present owner's node: it names another epoch and must do nothing. */
function repeatStatements(w: World, durationMs: number): void {
  const end = w.clock.now + durationMs;
  const again = (): void => {
    if (!w.faults || w.clock.now > end) return;
    const owner = trueLock(w.server)?.writer?.nodeId;
    const old = w.said.filter((each) => each.owner === owner);
    const {statements} = w.server.wishes;
    w.server.wishes = {...w.server.wishes, statements: [...statements.filter((each) => !old.includes(each)), ...old]};
    w.clock.after(700, again);
  };
  again();
}

/** A true one: nothing of the owner of the present epoch lives any more, so nothing under that epoch can ever run again. */
function stateTruth(w: World, x: number): void {
  const lock = trueLock(w.server);
  if (lock?.kind !== 'held' || !lock.writer) return;
  const {nodeId: owner, instanceId} = lock.writer;
  const home = w.hosts.find((host) => host.instances.includes(instanceId));
  // Sometimes the operator makes it true first.
  if (home && x < 0.5) {
    crashHost(w, home);
    endAfter(w, 40 * x * home.timing.leaseTimeoutMs * x, () => {
      start(w, home, false);
    });
  }
  if (!home || home.agent?.instance === instanceId || home.guardians.length > 0 || home.runs.some((run) => run.alive)) return;
  const statement = {epoch: lock.epoch, owner: nodeId(owner)};
  w.said.push(statement);
  w.server.wishes = {...w.server.wishes, statements: [...w.server.wishes.statements, statement]};
}

/** A node has the owner that it sees powered off; the command works later than it is answered, or not at all. */
function fence(w: World, by: Host, x: number): void {
  const {agent} = by;
  const name = agent?.state.view.name;
  const seen = agent?.state.known.epoch;
  if (!agent || name?.kind !== 'held' || !name.writer || name.epoch !== seen || name.writer.nodeId === by.nodeId) return;
  const {instanceId} = name.writer;
  const target = w.hosts.find((host) => host.instances.includes(instanceId));
  if (!target) return;
  w.clock.after(w.rng.real(50, 3_000), () => {
    if (!w.faults || x < 0.2) return;
    crashHost(w, target);
    endAfter(w, w.rng.real(2_000, 20_000), () => {
      start(w, target, false);
    });
    if (x > 0.35) send(w, agent, () => ({type: 'proof', proof: {kind: 'fence', epoch: name.epoch}}));
  });
}

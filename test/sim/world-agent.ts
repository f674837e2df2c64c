// The agent as an actor: the machine of lib/protocol and the hands that carry out its decisions, one after the other, as the
// production shell does. It can freeze or die at any moment, also between two of them.
import type {AgentEffect, AgentInput, LaneName} from '../../lib/protocol/agent-state.ts';
import {newAgent, stepAgent} from '../../lib/protocol/agent-machine.ts';
import {newsOf} from '../../lib/protocol/obstacle.ts';
import {assertTurn} from '../../lib/protocol/invariants.ts';
import type {GuardianInput} from '../../lib/protocol/guardian-machine.ts';
import {epoch, instanceId} from '../../lib/protocol/words.ts';
import {seekGuardian, killOwnGuardian} from './world-kinship.ts';
import {callList, callReadHeartbeats, callReadWishes, callRename, callWriteHeartbeat, isMeant} from './store-calls.ts';
import {toGuardian} from './world-guardian.ts';
import {localNow, trueOf, type AgentProc, type Channel, type Host, type MakeInput, type World} from './world-types.ts';

/** How often readiness and health of the service are looked at, ms. */
const CHECK_MS = 400;

export function startAgentProc(w: World, host: Host): AgentProc {
  const instance = instanceId((w.instances++ + 0xa0000000).toString(16).slice(-8));
  const now = localNow(w, host);
  const self = {nodeId: host.nodeId, instanceId: instance, timing: host.timing, hasService: host.hasService};
  const agent: AgentProc = {
    host,
    instance,
    state: newAgent(self, host.settings, epoch(host.known), now),
    alive: true,
    frozen: false,
    inbox: [],
    todo: [],
    timer: undefined,
    checkTimer: undefined,
    channel: undefined,
    inFlight: new Set(),
    shownMaster: false,
    exit: undefined,
    seeking: 0,
    fencedEpoch: -1,
  };
  host.agent = agent;
  host.instances.push(instance);
  w.log.add(w.clock.now, host.name, `agent: instance ${instance} starts`);
  w.clock.after(host.rng.real(1, 50), () => {
    send(w, agent, () => ({type: 'tick'}));
    if (!host.fit) send(w, agent, () => ({type: 'fitness', ok: false, because: 'its passive form fails'}));
  });
  return agent;
}

/** Brings something to the agent, now or when it can take it. */
export function send(w: World, agent: AgentProc, make: MakeInput): void {
  if (!agent.alive) return;
  if (agent.frozen || agent.host.suspended || agent.todo.length > 0) {
    agent.inbox.push(() => {
      step(w, agent, make());
    });
    return;
  }
  step(w, agent, make());
  drain(agent);
}

export function thawAgent(w: World, agent: AgentProc): void {
  agent.frozen = false;
  if (!agent.alive || agent.host.suspended) return;
  carryOut(w, agent);
  drain(agent);
  send(w, agent, () => ({type: 'tick'}));
}

const canRun = (agent: AgentProc): boolean => agent.alive && !agent.frozen && !agent.host.suspended && agent.todo.length === 0;

function drain(agent: AgentProc): void {
  while (agent.inbox.length > 0 && canRun(agent)) agent.inbox.shift()?.();
}

function step(w: World, agent: AgentProc, input: AgentInput): void {
  const {host} = agent;
  const now = localNow(w, host);
  const before = agent.state;
  const turn = stepAgent(before, input, now);
  assertTurn(before, turn.state, turn.effects);
  agent.state = turn.state;
  host.known = Math.max(host.known, turn.state.known.epoch);
  if (w.log.on) for (const news of newsOf(before, turn.state)) w.log.add(w.clock.now, host.name, `agent: ${news}`);
  if (w.log.on && turn.state.trust.kind !== before.trust.kind)
    w.log.add(w.clock.now, host.name, `agent: trust ${turn.state.trust.kind}`);
  w.checks.agentStepped(agent, before);
  agent.todo.push(...turn.effects);
  carryOut(w, agent);
  if (isUp(agent)) watchService(w, agent);
  if (canRun(agent)) wakeLater(w, agent);
}

/** Every effect in order; a freeze or a death in between leaves the rest for later, or for never. */
function carryOut(w: World, agent: AgentProc): void {
  const {weather, rng} = agent.host;
  for (let effect = agent.todo.shift(); effect; effect = agent.todo.shift()) {
    perform(w, agent, effect);
    if (!agent.alive) return;
    if (!w.faults || weather.betweenAgent === 0 || agent.todo.length === 0) continue;
    // The moment before the word that starts a service is the most dangerous one.
    const risk = agent.todo[0]?.type === 'startService' ? 4 : 1;
    if (!rng.chance(risk * weather.betweenAgent)) continue;
    if (rng.chance(0.4)) {
      killAgentProc(w, agent, 'between two effects');
      return;
    }
    agent.frozen = true;
    w.log.add(w.clock.now, agent.host.name, 'agent: freezes between two effects');
    w.clock.after(rng.real(10, 1.5 * agent.host.timing.leaseTimeoutMs), () => {
      thawAgent(w, agent);
    });
    return;
  }
}

function wakeLater(w: World, agent: AgentProc): void {
  w.clock.cancel(agent.timer);
  const {host} = agent;
  agent.timer = w.clock.at(trueOf(host, agent.state.wakeAt) + host.rng.real(0.05, 2), () => {
    send(w, agent, () => ({type: 'tick'}));
  });
}

function perform(w: World, agent: AgentProc, effect: AgentEffect): void {
  const {host} = agent;
  switch (effect.type) {
    case 'list':
      return call(w, agent, 'watch', (askedAt, done) => {
        callList(w, host, effect.refresh, (listing) => {
          done(() => ({type: 'listed', listing, askedAt, answeredAt: localNow(w, host)}));
        });
      });
    case 'rename':
      return rename(w, agent, effect);
    case 'writeHeartbeat':
      return call(w, agent, 'beat', (askedAt, done) => {
        callWriteHeartbeat(w, host, {...effect.heartbeat, wallMs: 0}, (ok, found) => {
          done(() => ({type: 'heartbeatWritten', ok, reason: ok ? '' : 'EIO', found, askedAt, answeredAt: localNow(w, host)}));
        });
      });
    case 'readHeartbeats':
      return hear(w, agent, effect);
    case 'readWishes':
      return call(w, agent, 'wish', (askedAt, done) => {
        callReadWishes(w, host, (wishes) => {
          done(() => ({type: 'wished', wishes, askedAt, answeredAt: localNow(w, host)}));
        });
      });
    case 'setDeadline':
      w.checks.deadlineTold(agent, effect);
      return order(w, agent, {type: 'order', order: {...effect, type: 'deadline'}});
    case 'startService':
      w.log.add(w.clock.now, host.name, `agent: orders run ${effect.run} of epoch ${effect.epoch}`);
      return order(w, agent, {type: 'order', order: {type: 'start', run: effect.run, epoch: effect.epoch}});
    case 'stopService':
      return order(w, agent, {type: 'order', order: {type: 'stop', run: effect.run}});
    case 'killGuardian':
      w.log.add(w.clock.now, host.name, `agent: kills its guardian: ${effect.because}`);
      return killOwnGuardian(w, agent);
    case 'spawnGuardian':
      return seekGuardian(w, agent);
    case 'remember':
      return w.checks.remembered(agent, effect.event);
    case 'dropWish':
      return dropWish(w, host, effect.wish, effect.epoch);
    case 'exit':
      return exit(w, agent, effect);
    default:
      return effect satisfies never;
  }
}

type Done = (make: MakeInput) => void;

/** At most one call of a lane; the reply reaches the agent unless it is dead by then. */
function call(w: World, agent: AgentProc, lane: LaneName, go: (askedAt: ReturnType<typeof localNow>, done: Done) => void): void {
  w.checks.callIssued(agent, lane);
  agent.inFlight.add(lane);
  go(localNow(w, agent.host), (make) => {
    agent.inFlight.delete(lane);
    send(w, agent, make);
  });
}

function rename(w: World, agent: AgentProc, effect: AgentEffect & {type: 'rename'}): void {
  const {host} = agent;
  const {op, from, to} = effect;
  w.log.add(w.clock.now, host.name, `agent: ${op} ${from} -> ${to}`);
  call(w, agent, 'renew', (askedAt, done) => {
    w.checks.renameIssued(agent, effect, askedAt);
    callRename(w, host, from, to, (outcome) => {
      if (outcome.kind === 'failed') w.log.add(w.clock.now, host.name, `agent: ${op} answered: ${outcome.reason}`);
      done(() => {
        w.checks.renameReturned(agent, effect, outcome, askedAt);
        return {type: 'renamed', outcome, askedAt, answeredAt: localNow(w, host)};
      });
    });
  });
}

function hear(w: World, agent: AgentProc, effect: AgentEffect & {type: 'readHeartbeats'}): void {
  const {host} = agent;
  const {whose} = effect;
  call(w, agent, 'hear', (askedAt, done) => {
    callReadHeartbeats(w, host, whose, ({heartbeats, whole}) => {
      const everybody = (whose === 'all' || whose === 'others') && whole;
      const own = isMeant(whose, host.nodeId, host.nodeId) && (whole || heartbeats.some((h) => h.nodeId === host.nodeId));
      done(() => ({type: 'heard', heartbeats, everybody, own, failed: !whole, askedAt, answeredAt: localNow(w, host)}));
    });
  });
}

function order(w: World, agent: AgentProc, input: GuardianInput): void {
  if (agent.channel) toGuardian(w, agent.channel, () => input);
}

const isUp = ({alive, state}: AgentProc): boolean =>
  alive && (state.service.kind === 'starting' || state.service.kind === 'ready');

/** Looks at the service while there is one. */
function watchService(w: World, agent: AgentProc): void {
  if (agent.checkTimer?.run) return;
  const {host} = agent;
  agent.checkTimer = w.clock.after(host.rng.real(0.5, 1) * CHECK_MS, () => {
    agent.checkTimer = undefined;
    const {service} = agent.state;
    if (!isUp(agent) || !('run' in service)) return;
    send(w, agent, () => {
      const running = host.runs.find((each) => each.run === service.run && each.alive);
      const ok = running !== undefined && !running.failed && w.clock.now >= running.readyAt;
      return {type: 'checked', run: service.run, ok, because: ok ? '' : 'connection refused'};
    });
    watchService(w, agent);
  });
}

function dropWish(w: World, host: Host, wish: 'switchover' | 'statement', of: number): void {
  w.clock.after(host.rng.real(1, 20), () => {
    if (host.weather.cut || host.weather.unmounted || w.server.down) return;
    const {switchovers, statements} = w.server.wishes;
    w.server.wishes =
      wish === 'switchover'
        ? {...w.server.wishes, switchovers: switchovers.filter((each) => each.epoch !== of)}
        : {...w.server.wishes, statements: statements.filter((each) => each.epoch !== of)};
  });
}

function exit(w: World, agent: AgentProc, effect: AgentEffect & {type: 'exit'}): void {
  w.log.add(w.clock.now, agent.host.name, `agent: exits ${effect.code}${effect.keep ? ' (keep)' : ''}: ${effect.because}`);
  agent.exit = effect;
  order(w, agent, {type: 'order', order: {type: effect.keep ? 'keep' : 'bye'}});
  killAgentProc(w, agent, undefined);
}

/** The process is gone; what it had on the wire is not. */
export function killAgentProc(w: World, agent: AgentProc, why: string | undefined): void {
  if (!agent.alive) return;
  if (why !== undefined) w.log.add(w.clock.now, agent.host.name, `agent: dies (${why})`);
  agent.alive = false;
  agent.inbox = [];
  agent.todo = [];
  w.clock.cancel(agent.timer);
  w.clock.cancel(agent.checkTimer);
  if (agent.host.agent === agent) agent.host.agent = undefined;
  if (agent.channel) toGuardian(w, agent.channel, () => ({type: 'linkClosed'}));
}

/** Through the queue of the channel: in order, and lost only if the agent dies. */
export function toAgent(w: World, channel: Channel, make: MakeInput): void {
  const {agent} = channel;
  const {rng} = agent.host;
  const delayMs = w.faults && rng.chance(0.03) ? rng.real(1, 400) : rng.real(0.05, 1);
  channel.toAgentAt = Math.max(channel.toAgentAt, w.clock.now + delayMs);
  w.clock.at(channel.toAgentAt, () => {
    if (agent.channel !== channel) return;
    send(w, agent, make);
  });
}

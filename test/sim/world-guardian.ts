// The guardian as an actor: urgent, alive longer than its agent, and mortal; its release helper is an actor of its own.
import {parseLockName} from '../../lib/protocol/lock-name.ts';
import {
  newGuardian,
  stepGuardian,
  type GuardianEffect,
  type GuardianInput,
  type GuardianReport,
} from '../../lib/protocol/guardian-machine.ts';
import {endWithGuardian, killRun, startRun, termRun} from './service-model.ts';
import {callList, callRename} from './store-calls.ts';
import {killAgentProc, toAgent} from './world-agent.ts';
import {
  localNow,
  type AgentProc,
  type Channel,
  type GuardianProc,
  type Host,
  type ServiceRun,
  type World,
} from './world-types.ts';

/** A guardian looks at the clock at least this often, ms. */
const LOOK_MS = 250;
/** How often the helper looks again, ms, and how often it tries before it gives up. */
const HELPER_PAUSE_MS = 300;
const HELPER_TRIES = 12;

export function spawnGuardianProc(w: World, host: Host): GuardianProc {
  const guardian: GuardianProc = {
    host,
    state: newGuardian({timing: host.timing, agentLossGraceMs: host.agentLossGraceMs}),
    alive: true,
    frozen: false,
    inbox: [],
    channel: undefined,
    lastAgent: undefined,
    timer: undefined,
    candidate: undefined,
    helper: false,
  };
  host.guardians.push(guardian);
  w.log.add(w.clock.now, host.name, 'guardian: started');
  return guardian;
}

/** An agent introduces itself. `answer` comes through `accept` or `reject`. */
export function connectTo(w: World, guardian: GuardianProc, agent: AgentProc): void {
  deliver(guardian, () => {
    guardian.candidate = agent;
    guardianInput(w, guardian, {type: 'connected', instanceId: agent.instance});
  });
}

/** Through the queue of the channel: in order, and lost only if the guardian dies. */
export function toGuardian(w: World, channel: Channel, make: () => GuardianInput): void {
  const {guardian} = channel;
  const {rng} = guardian.host;
  const delayMs = w.faults && rng.chance(0.03) ? rng.real(1, 400) : rng.real(0.05, 1);
  channel.toGuardianAt = Math.max(channel.toGuardianAt, w.clock.now + delayMs);
  w.clock.at(channel.toGuardianAt, () => {
    deliver(guardian, () => {
      guardianInput(w, guardian, make());
    });
  });
}

function deliver(guardian: GuardianProc, go: () => void): void {
  if (!guardian.alive) return;
  if (guardian.frozen || guardian.host.suspended) guardian.inbox.push(go);
  else go();
}

export function thawGuardian(w: World, guardian: GuardianProc): void {
  guardian.frozen = false;
  if (!guardian.alive || guardian.host.suspended) return;
  guardianInput(w, guardian, {type: 'tick'});
  while (guardian.inbox.length > 0 && canRun(guardian)) guardian.inbox.shift()?.();
}

const canRun = ({alive, frozen}: GuardianProc): boolean => alive && !frozen;
const isDead = ({alive}: GuardianProc): boolean => !alive;

export function guardianInput(w: World, guardian: GuardianProc, input: GuardianInput): void {
  if (!guardian.alive) return;
  const now = localNow(w, guardian.host);
  const turn = stepGuardian(guardian.state, input, now);
  guardian.state = turn.state;
  for (const effect of turn.effects) {
    // A crash between two effects leaves the rest undone.
    if (isDead(guardian)) return;
    perform(w, guardian, effect);
    if (w.faults && guardian.host.weather.betweenGuardian > 0 && guardian.host.rng.chance(guardian.host.weather.betweenGuardian))
      killGuardianProc(w, guardian, 'between two effects');
  }
  lookLater(w, guardian);
}

/** While there is anything to watch. */
function lookLater(w: World, guardian: GuardianProc): void {
  const {state} = guardian;
  if (guardian.timer?.run || !guardian.alive) return;
  if (state.run.kind === 'none' && state.link.kind !== 'gone') return;
  guardian.timer = w.clock.after((LOOK_MS * guardian.host.rng.real(0.6, 1)) / guardian.host.rate, () => {
    if (guardian.frozen || guardian.host.suspended) {
      guardian.timer = undefined;
      return;
    }
    guardianInput(w, guardian, {type: 'tick'});
  });
}

function perform(w: World, guardian: GuardianProc, effect: GuardianEffect): void {
  const tell = (to: GuardianProc, input: GuardianInput): void => {
    deliver(to, () => {
      guardianInput(w, to, input);
    });
  };
  switch (effect.type) {
    case 'report':
      return reportToAgent(w, guardian, effect.report);
    case 'accept':
      return accepted(w, guardian, effect.adopted);
    case 'reject':
      return rejected(w, guardian, effect.because);
    case 'startRun':
      w.checks.startOrdered(guardian, effect.run, effect.epoch);
      startRun(w, guardian, effect.run, effect.epoch, tell);
      return;
    case 'termRun':
      return withRun(guardian, effect.run, (run) => {
        termRun(w, run, tell);
      });
    case 'killRun':
      return withRun(guardian, effect.run, (run) => {
        killRun(w, run, tell, guardian.host.suspended);
      });
    case 'killAgent':
      return killLastAgent(w, guardian);
    case 'release':
      w.log.add(w.clock.now, guardian.host.name, `guardian: releases for its dead agent, attempts above ${effect.attempt}`);
      return startHelper(w, guardian, effect);
    case 'exit':
      return endGuardian(w, guardian, effect.because);
    default:
      return effect satisfies never;
  }
}

function withRun(guardian: GuardianProc, run: number, go: (run: ServiceRun) => void): void {
  const found = guardian.host.runs.find((each) => each.guardian === guardian && each.run === run);
  if (found) go(found);
}

function reportToAgent(w: World, guardian: GuardianProc, report: GuardianReport): void {
  if (!guardian.channel) return;
  if (w.log.on && report.type !== 'acknowledged')
    w.log.add(w.clock.now, guardian.host.name, `guardian: ${JSON.stringify(report)}`);
  toAgent(w, guardian.channel, () => ({type: 'guardianSaid', report}));
}

function accepted(w: World, guardian: GuardianProc, adopted: boolean): void {
  const agent = guardian.candidate;
  guardian.candidate = undefined;
  if (!agent) return;
  const {state} = guardian;
  const from = state.instances.at(-2);
  const {deadline} = state;
  const channel: Channel = {agent, guardian, toAgentAt: w.clock.now, toGuardianAt: w.clock.now};
  guardian.channel = channel;
  guardian.lastAgent = agent;
  agent.channel = channel;
  if (!agent.alive) {
    toGuardian(w, channel, () => ({type: 'linkClosed'}));
    return;
  }
  if (adopted) w.log.add(w.clock.now, guardian.host.name, `guardian: adopted by ${agent.instance}`);
  const run = state.run.kind === 'running' ? state.run.run : undefined;
  const brought =
    adopted && from !== undefined && deadline
      ? {from, epoch: deadline.epoch, attempt: deadline.attempt, deadline: deadline.at, run}
      : undefined;
  toAgent(w, channel, () => ({type: 'guardianReady', adopted: brought}));
}

function rejected(w: World, guardian: GuardianProc, because: string): void {
  guardian.candidate = undefined;
  w.log.add(w.clock.now, guardian.host.name, `guardian: rejects a new agent: ${because}`);
}

/** (K) Whoever sees the other's pipe close kills it, frozen or not, and sees it gone. */
function killLastAgent(w: World, guardian: GuardianProc): void {
  const agent = guardian.lastAgent;
  w.clock.after(guardian.host.rng.real(1, 40), () => {
    if (agent) killAgentProc(w, agent, 'killed by its guardian');
    deliver(guardian, () => {
      guardianInput(w, guardian, {type: 'agentGone'});
    });
  });
}

export function killGuardianProc(w: World, guardian: GuardianProc, why: string): void {
  if (!guardian.alive) return;
  w.log.add(w.clock.now, guardian.host.name, `guardian: dies (${why})`);
  bury(w, guardian);
  endWithGuardian(w, guardian);
}

function endGuardian(w: World, guardian: GuardianProc, because: string): void {
  w.log.add(w.clock.now, guardian.host.name, `guardian: ends: ${because}`);
  bury(w, guardian);
  w.checks.guardianEnded(guardian);
  endWithGuardian(w, guardian);
}

/** A channel may close although both ends live: whoever sees it kills the other. */
export function closeChannel(w: World, channel: Channel): void {
  toGuardian(w, channel, () => ({type: 'linkClosed'}));
  toAgent(w, channel, () => ({type: 'guardianLost', because: 'its channel closed'}));
}

function bury(w: World, guardian: GuardianProc): void {
  guardian.alive = false;
  guardian.inbox = [];
  w.clock.cancel(guardian.timer);
  guardian.host.guardians = guardian.host.guardians.filter((other) => other !== guardian);
  const {channel} = guardian;
  if (channel) toAgent(w, channel, () => ({type: 'guardianLost', because: 'its channel closed'}));
}

/** The helper is a process of its own: it lists and renames until no name of these instances is left, and may outlive the guardian. */
function startHelper(w: World, guardian: GuardianProc, what: GuardianEffect & {type: 'release'}): void {
  const {instances, epoch, attempt: above} = what;
  const {host} = guardian;
  guardian.helper = true;
  w.checks.helperStarted(guardian);
  let attempt = above;
  let tries = 0;
  let missing = 0;
  const ended = (): void => {
    deliver(guardian, () => {
      guardianInput(w, guardian, {type: 'releaseEnded'});
    });
  };
  const look = (): void => {
    if (tries++ >= HELPER_TRIES) {
      ended();
      return;
    }
    callList(w, host, tries > 1, (listing) => {
      const parsed = listing.kind === 'names' ? listing.names.flatMap((text) => parseLockName(text) ?? []) : [];
      const mine = parsed.find(
        (name) => name.kind === 'held' && name.epoch >= epoch && name.writer && instances.includes(name.writer.instanceId),
      );
      if (!mine?.writer) {
        // A stale listing may hide it: it counts when a refreshed one shows somebody else's name, twice.
        if (parsed.length === 1) missing++;
        if (missing >= 2) ended();
        else w.clock.after(HELPER_PAUSE_MS, look);
        return;
      }
      attempt++;
      const digits = (epoch: number): string => String(epoch).padStart(10, '0');
      const {nodeId, instanceId} = mine.writer;
      const from = `${digits(mine.epoch)}.held.${nodeId}.${instanceId}.${mine.kind === 'held' ? mine.leaseTimeoutMs : 0}.${mine.attempt}`;
      const to = `${digits(mine.epoch + 1)}.free.${nodeId}.${instanceId}.${attempt}`;
      w.checks.helperRenames(guardian, from, to);
      callRename(w, host, from, to, () => {
        w.clock.after(host.rng.real(1, 20), look);
      });
    });
  };
  w.clock.after(host.rng.real(1, 60), look);
}

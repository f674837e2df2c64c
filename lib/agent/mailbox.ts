// Requests from HTTP, signals and the configuration: left for the next turn, and answered when they have been carried out.
import {nodeStateOf, ownerOf} from '../protocol/agent-report.ts';
import type {AgentInput, AgentState, Settings} from '../protocol/agent-state.ts';
import type {Mode, NodeState} from '../protocol/heartbeat.ts';
import {becauseNow} from '../protocol/obstacle.ts';
import {isAlive} from '../protocol/peers.ts';
import {isNodeId, type Epoch, type MonoMs, type NodeId} from '../protocol/words.ts';
import {switchoverFault} from '../protocol/wishes.ts';
import type {Store} from '../store/contract.ts';
import type {Clock} from './ports.ts';
import {Refused, type AgentPort} from './status.ts';

export interface Mailbox {
  readonly port: Omit<AgentPort, 'status' | 'subscribe'>;
  /** The machine has taken a step: requests that wait for an outcome look at it. */
  turned(state: AgentState): void;
  /** What has changed with a reloaded configuration; the rest stays as it was set since. */
  configure(changed: Partial<Settings>): void;
  end(because: string, keepService: boolean): void;
}

export interface MailboxParts {
  readonly input: (input: AgentInput) => void;
  readonly state: () => AgentState;
  readonly store: Store;
  readonly clock: Clock;
}

/** A request that has not come true after this many lease timeouts is answered as refused. */
const PATIENCE_LEASES = 2;

export function createMailbox(parts: MailboxParts): Mailbox {
  const {input, state, store} = parts;
  const waiting = new Set<(s: AgentState) => void>();
  const until: Until = (holds, what) => waitUntil(waiting, parts, holds, what);
  const end = (because: string, keepService: boolean): void => input({type: 'end', keepService, because});
  return {
    turned: (s) => [...waiting].forEach((look) => look(s)),
    configure: (changed) => input({type: 'settings', settings: {...state().settings, ...changed}}),
    end,
    port: {
      setMode: (mode) => setMode(parts, until, mode),
      setPriority(priority) {
        const {settings} = state();
        input({type: 'settings', settings: {...settings, priority}});
        return Promise.resolve(settings.priority);
      },
      clear: (nodeId) => clear(parts, nodeId),
      switchover: (to) => switchover(parts, until, to),
      async setPaused(paused) {
        await (paused ? store.placeWish({wish: 'paused'}) : store.dropWish('paused', 0));
        await until((s) => s.wishes.paused === paused, paused ? 'pausing' : 'resuming');
      },
      shutdown() {
        end('a shutdown was requested', false);
        return Promise.resolve();
      },
      hint: () => input({type: 'hint'}),
    },
  };
}

type Until = (holds: (s: AgentState) => boolean, what: string) => Promise<void>;

/** Resolves once `holds`. @throws what `holds` throws; Refused when the patience is over. */
function waitUntil(
  waiting: Set<(s: AgentState) => void>,
  {state}: MailboxParts,
  holds: (s: AgentState) => boolean,
  what: string,
): Promise<void> {
  const limitMs = PATIENCE_LEASES * state().self.timing.leaseTimeoutMs;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      waiting.delete(look);
      reject(new Refused(`${what} has not happened within ${limitMs / 1_000} s: ${becauseNow(state())}`));
    }, limitMs);
    const look = (s: AgentState): void => {
      try {
        if (!holds(s)) return;
        resolve();
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
      waiting.delete(look);
      clearTimeout(timer);
    };
    waiting.add(look);
    look(state());
  });
}

async function setMode(parts: MailboxParts, until: Until, mode: Mode): Promise<NodeState> {
  const {input, state, clock} = parts;
  const stateNow = (): NodeState => nodeStateOf(state(), clock.now());
  const before = stateNow();
  const {settings} = state();
  if (mode === 'master') {
    if (before === 'MASTER') return before;
    input({type: 'settings', settings: {...settings, mode: 'auto'}});
    // What this node saw last may be over: somebody may just be taking the lease.
    const led = (s: AgentState): boolean => s.lease.kind === 'none' && ownerOf(s) !== undefined;
    await until((s) => stateNow() === 'MASTER' || led(s), 'becoming MASTER');
    if (led(state())) await switchover(parts, until, state().self.nodeId);
    await until(() => stateNow() === 'MASTER', 'becoming MASTER');
    return before;
  }
  input({type: 'settings', settings: {...settings, mode}});
  if (mode !== 'auto') {
    input({type: 'demote', because: `mode ${mode} was asked for`});
    await until((s) => s.lease.kind === 'none', 'giving the lease away');
  }
  return before;
}

async function switchover({input, state, store, clock}: MailboxParts, until: Until, to: string | undefined): Promise<void> {
  const target = targetOf(to);
  const {name} = state().view;
  if (name?.kind !== 'held' || !name.writer) throw new Refused('nobody holds the lease: there is nothing to switch over');
  if (name.writer.nodeId === target) throw new Refused(`${name.writer.nodeId} is the owner already`);
  const fault = state().lease.kind === 'owned' ? switchoverFault(state(), target, clock.now()) : undefined;
  if (fault !== undefined) throw new Refused(fault);
  await store.placeWish({wish: 'switchover', epoch: name.epoch, to: target});
  const dropped = watchForDrop(name.epoch, clock);
  input({type: 'hint'});
  try {
    await until((s) => {
      const refusal = dropped(s);
      if (refusal !== undefined) throw new Refused(refusal);
      return s.view.name?.kind === 'held' && s.view.name.epoch > name.epoch;
    }, 'the switchover');
  } catch (error) {
    // What was refused, or answered as not done, must not come true later.
    await store.dropWish('switchover', name.epoch);
    throw error;
  }
  const next = ownerOf(state());
  if (target !== undefined && next !== target) throw new Refused(`${next ?? 'nobody'} took the lease instead of ${target}`);
}

/** How long the owner's reason may take to get here, heartbeats. */
const REASON_BEATS = 3;

/** @returns what tells from state to state whether the owner of this epoch has dropped the wish that has just been placed, and why. */
function watchForDrop(at: Epoch, clock: Clock): (s: AgentState) => string | undefined {
  const placedAt = clock.now();
  let missingSince: MonoMs | undefined;
  return (s) => {
    const there = s.wishes.switchovers.some((wish) => wish.epoch === at);
    if (there || s.wishedAt === undefined || s.wishedAt < placedAt) return undefined;
    missingSince ??= clock.now();
    const {name, askedAt} = s.view;
    // Only a listing from after that shows that the epoch has not simply passed.
    if (name?.kind !== 'held' || name.epoch !== at || askedAt <= missingSince) return undefined;
    const because = s.lease.kind === 'owned' ? becauseNow(s) : (s.peers[name.writer?.nodeId ?? '']?.report.because ?? '');
    const late = clock.now() - missingSince > REASON_BEATS * s.self.timing.heartbeatIntervalMs;
    if (because.startsWith('switchover refused') || late) return because === '' ? 'the owner refused the switchover' : because;
    return undefined;
  };
}

function targetOf(to: string | undefined): NodeId | undefined {
  if (to === undefined || to === '') return undefined;
  if (!isNodeId(to)) throw new Refused(`${JSON.stringify(to)} is no node id`);
  return to;
}

async function clear({input, state, store, clock}: MailboxParts, which: string | undefined): Promise<void> {
  const s = state();
  const dead = Object.values(s.peers).filter((peer) => !isAlive(s, peer, clock.now()) && peer.report.nodeId !== ownerOf(s));
  const chosen = dead.map((peer) => peer.report.nodeId).filter((id) => which === undefined || which === '' || id === which);
  await Promise.all(chosen.map((id) => store.removeHeartbeat(id)));
  input({type: 'forget', nodes: chosen});
}

// Requests from HTTP, signals and the configuration: left for the next turn, and answered when they have been carried out.
import {nodeStateOf} from '../protocol/agent-report.ts';
import type {AgentInput, AgentState, Settings} from '../protocol/agent-state.ts';
import type {Mode, NodeState} from '../protocol/heartbeat.ts';
import {isAlive} from '../protocol/peers.ts';
import {isNodeId, nodeId} from '../protocol/words.ts';
import {switchoverFault} from '../protocol/wishes.ts';
import type {Store} from '../store/contract.ts';
import type {Clock} from './ports.ts';
import {Refused, type AgentPort} from './status.ts';

export interface Mailbox {
  readonly port: Omit<AgentPort, 'status' | 'subscribe'>;
  /** The machine has taken a step: requests that wait for an outcome look at it. */
  turned(state: AgentState): void;
  /** What a reloaded configuration says now. */
  configure(settings: Settings): void;
  end(because: string, keepService: boolean): void;
}

interface Parts {
  readonly input: (input: AgentInput) => void;
  readonly state: () => AgentState;
  readonly store: Store;
  readonly clock: Clock;
}

/** A request that has not come true after this many lease timeouts is answered as refused. */
const PATIENCE_LEASES = 2;

export function createMailbox({input, state, store, clock}: Parts): Mailbox {
  const waiting = new Set<(s: AgentState) => void>();

  /** Resolves once `holds`; rejects when the patience is over. */
  function until(holds: (s: AgentState) => boolean, what: string): Promise<void> {
    const limitMs = PATIENCE_LEASES * state().self.timing.leaseTimeoutMs;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.delete(look);
        reject(new Refused(`${what} has not happened within ${limitMs / 1000} s: ${state().because}`));
      }, limitMs);
      const look = (s: AgentState): void => {
        if (!holds(s)) return;
        waiting.delete(look);
        clearTimeout(timer);
        resolve();
      };
      waiting.add(look);
      look(state());
    });
  }

  const change = (settings: Settings): void => input({type: 'settings', settings});
  const stateNow = (): NodeState => nodeStateOf(state(), clock.now());

  async function setMode(mode: Mode): Promise<NodeState> {
    const before = stateNow();
    const {settings, lease} = state();
    if (mode === 'master') {
      if (before === 'MASTER') return before;
      change({...settings, mode: 'auto'});
      if (owner() !== undefined && lease.kind === 'none') await switchover(state().self.nodeId);
      await until(() => stateNow() === 'MASTER', 'becoming MASTER');
      return before;
    }
    change({...settings, mode});
    if (mode !== 'auto') {
      input({type: 'demote', because: `mode ${mode} was asked for`});
      await until((s) => s.lease.kind === 'none', 'giving the lease away');
    }
    return before;
  }

  const owner = (): string | undefined => {
    const {name} = state().view;
    return name?.kind === 'held' ? name.writer?.nodeId : undefined;
  };

  async function switchover(to: string | undefined): Promise<void> {
    const s = state();
    if (to !== undefined && !isNodeId(to)) throw new Refused(`${JSON.stringify(to)} is no node id`);
    const target = to === undefined ? undefined : nodeId(to);
    const {name} = s.view;
    if (name?.kind !== 'held' || !name.writer) throw new Refused('nobody holds the lease: there is nothing to switch over');
    if (s.lease.kind === 'owned') {
      const fault = switchoverFault(s, target, clock.now());
      if (fault !== undefined) throw new Refused(fault);
    }
    if (name.writer.nodeId === target) throw new Refused(`${name.writer.nodeId} is the owner already`);
    await store.placeWish({wish: 'switchover', epoch: name.epoch, to: target});
    input({type: 'hint'});
    const from = name.epoch;
    await until((now) => now.known.epoch > from + 1, 'the switchover');
    const after = owner();
    if (target !== undefined && after !== target) throw new Refused(`${after ?? 'nobody'} took the lease instead of ${target}`);
  }

  async function clear(which: string | undefined): Promise<void> {
    const s = state();
    const dead = Object.values(s.peers).filter((peer) => !isAlive(s, peer, clock.now()) && peer.report.nodeId !== owner());
    const chosen = dead.map((peer) => peer.report.nodeId).filter((id) => which === undefined || which === '' || id === which);
    await Promise.all(chosen.map((id) => store.removeHeartbeat(id)));
    input({type: 'forget', nodes: chosen});
  }

  return {
    turned: (s) => [...waiting].forEach((look) => look(s)),
    configure: change,
    end: (because, keepService) => input({type: 'end', keepService, because}),
    port: {
      setMode,
      async setPriority(priority) {
        const {settings} = state();
        change({...settings, priority});
        return Promise.resolve(settings.priority);
      },
      clear,
      switchover,
      async setPaused(paused) {
        await (paused ? store.placeWish({wish: 'paused'}) : store.dropWish('paused', 0));
        await until((s) => s.wishes.paused === paused, paused ? 'pausing' : 'resuming');
      },
      async shutdown() {
        input({type: 'end', keepService: false, because: 'a shutdown was requested'});
        return Promise.resolve();
      },
      hint: () => input({type: 'hint'}),
    },
  };
}

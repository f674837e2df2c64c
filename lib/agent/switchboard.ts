// What HTTP talks to before there is an agent, and after: a node that waits for its store answers too.
import type {Config} from '../config/config.ts';
import {ownReport, type Prelude} from './prelude.ts';
import {Refused, type AgentEvent, type AgentPort} from './status.ts';
import type {Clock} from './ports.ts';

export interface Switchboard {
  readonly port: AgentPort;
  /** From now on the agent answers. */
  connect(agent: AgentPort): void;
  /** Why there is no agent yet. */
  waiting(because: string): void;
}

export function createSwitchboard(config: Config, prelude: Prelude, clock: Clock, end: () => void): Switchboard {
  let agent: AgentPort | undefined;
  let because = 'starting';
  const listeners = new Map<(event: AgentEvent) => void, () => void>();
  const shared = (): AgentPort => {
    if (!agent) throw new Refused(`this node is not part of the cluster yet: ${because}`);
    return agent;
  };
  const port: AgentPort = {
    status: () => agent?.status() ?? ownReport(config, prelude, because, clock),
    subscribe(listener) {
      listeners.set(listener, agent?.subscribe(listener) ?? (() => undefined));
      return () => {
        listeners.get(listener)?.();
        listeners.delete(listener);
      };
    },
    setMode: async (mode) => shared().setMode(mode),
    setPriority: async (priority) => shared().setPriority(priority),
    clear: async (nodeId) => shared().clear(nodeId),
    switchover: async (to) => shared().switchover(to),
    setPaused: async (paused) => shared().setPaused(paused),
    async shutdown() {
      if (agent) await agent.shutdown();
      else end();
    },
    hint: () => agent?.hint(),
  };
  return {
    port,
    connect(given) {
      agent = given;
      for (const listener of listeners.keys()) listeners.set(listener, given.subscribe(listener));
    },
    waiting: (reason) => {
      because = reason;
    },
  };
}

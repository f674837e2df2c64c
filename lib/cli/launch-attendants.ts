// What a node does beside serving: its hooks, and the restart of silent peers. Both follow the status; neither touches the store.
import type {AgentPort, Status} from '../agent/status.ts';
import type {Config} from '../config/config.ts';
import {createHooks, hooksDue, NOTHING_SEEN} from '../service/hooks.ts';
import {createPeerRestarts, type PeersView} from '../service/peer-restarts.ts';
import {scriptRunner} from '../service/script.ts';
import type {Workbench} from './launch-bench.ts';

/** What of a workbench is needed here. */
export type AttendantsBench = Pick<Workbench, 'config' | 'clock' | 'log' | 'closers'>;

export interface Attendants {
  configure(config: Config): void;
}

/** Closed with the node, when its last hooks have run. */
export function attend({config, clock, log, closers}: AttendantsBench, port: AgentPort): Attendants {
  const runScript = scriptRunner(log, process.cwd());
  const hooks = createHooks(config.hooks, runScript, log);
  const restarts = createPeerRestarts(restartsOf(config), runScript, log, () => clock.now());
  let seen = NOTHING_SEEN;
  let masterSince: number | undefined;

  /** Of several changes in a row none is passed over: called at each of them. */
  function follow(status: Status): void {
    const {due, seen: next} = hooksDue(seen, {...status, serviceFailures: status.counters.serviceFailures});
    seen = next;
    for (const name of due) hooks.run(name, environmentOf(status));
  }

  function tend(status: Status): void {
    // A node that serves alone sees nobody, and so cannot tell who is silent.
    const leads = status.state === 'MASTER' && status.mode !== 'disabled';
    masterSince = leads ? (masterSince ?? clock.now()) : undefined;
    const view = masterSince === undefined ? undefined : peersOf(status, clock.now() - masterSince);
    restarts.look(view, () => environmentOf(status));
  }

  function look(): void {
    const status = port.status();
    follow(status);
    tend(status);
  }

  let timer: NodeJS.Timeout | undefined;
  /** A node that has none of this to do does not wake up for it. */
  function configure(next: Config): void {
    hooks.configure(next.hooks);
    restarts.configure(restartsOf(next));
    clearInterval(timer);
    timer = hasDuties(next) ? setInterval(look, next.timing.heartbeatIntervalMs) : undefined;
  }

  configure(config);
  const unsubscribe = port.subscribe(() => follow(port.status()));
  closers.push(async () => {
    clearInterval(timer);
    unsubscribe();
    follow(port.status());
    await Promise.all([hooks.close(), restarts.close()]);
  });
  return {configure};
}

const hasDuties = ({hooks: {onActive, onPassive, onLeaderChange, onFault}, restart}: Config): boolean =>
  [onActive, onPassive, onLeaderChange, onFault].some((hook) => hook !== undefined) || Object.keys(restart.commands).length > 0;

/** A node never restarts itself. */
function restartsOf({restart, nodeId}: Config): Parameters<typeof createPeerRestarts>[0] {
  const commands = Object.fromEntries(Object.entries(restart.commands).filter(([id]) => id !== nodeId));
  return {...restart, commands};
}

/** Under pause nobody is restarted: whoever is down then is meant to be. */
function peersOf(status: Status, masterForMs: number): PeersView | undefined {
  const {paused, leaseTimeoutMs, heartbeatIntervalMs, nodes} = status;
  return paused ? undefined : {leaseTimeoutMs, heartbeatIntervalMs, nodes, masterForMs};
}

/** What services get, and who the master is. */
export function environmentOf(status: Status): NodeJS.ProcessEnv {
  return {
    ...process.env,
    HA_APP: status.app,
    HA_NODE_ID: status.nodeId,
    HA_ROLE: status.state === 'MASTER' ? 'active' : 'passive',
    HA_EPOCH: String(status.epoch),
    HA_URI: status.uri ?? '',
    HA_PERSISTENCE_DIR: status.persistenceDir ?? '',
    HA_MASTER_ID: status.masterId ?? '',
    HA_MASTER_URI: status.masterUri ?? '',
    HA_BECAUSE: status.because,
  };
}

// restartPeer: the master runs the command of each silent node, at most one at a time for each, with a growing pause and a time limit.
import type {RunningCommand} from '../guardian/command.ts';
import type {RunScript, ScriptLog} from './script.ts';

export interface RestartSettings {
  readonly commands: Readonly<Record<string, readonly string[]>>;
  readonly timeoutMs: number;
  /** Before a command is run again; doubled each time, up to GROWTH_MAX times this. */
  readonly backoffMs: number;
}

/** The others as the master sees them. */
export interface PeersView {
  readonly leaseTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly nodes: readonly {readonly nodeId: string; readonly lastSeenMs: number | null}[];
  /** For how long this node has been master. */
  readonly masterForMs: number;
}

export interface PeerRestarts {
  configure(settings: RestartSettings): void;
  /** @param view undefined while nobody is to be restarted: this node is not master, or the cluster is paused. */
  look(view: PeersView | undefined, environment: () => NodeJS.ProcessEnv): void;
  /** Kills what still runs. */
  close(): Promise<void>;
}

const GROWTH_MAX = 32;
/** A node that has never been seen is waited for so many heartbeats. */
const UNSEEN_HEARTBEATS = 5;

/** A restart that is under way, or the pause after one. */
interface Attempt {
  readonly running: RunningCommand | undefined;
  readonly count: number;
  readonly notBefore: number;
}

/** @returns the ids of those that have been silent for a lease timeout, or have not been seen at all. */
export function silentPeers(ids: readonly string[], view: PeersView): readonly string[] {
  return ids.filter((id) => {
    const lastSeenMs = view.nodes.find(({nodeId}) => nodeId === id)?.lastSeenMs ?? null;
    if (lastSeenMs !== null) return lastSeenMs >= view.leaseTimeoutMs;
    return view.masterForMs >= UNSEEN_HEARTBEATS * view.heartbeatIntervalMs;
  });
}

/** @param now ms on a clock that never goes back. */
export function createPeerRestarts(
  initial: RestartSettings,
  runScript: RunScript,
  log: ScriptLog,
  now: () => number,
): PeerRestarts {
  let settings = initial;
  const attempts = new Map<string, Attempt>();

  function restart(id: string, command: readonly string[], environment: NodeJS.ProcessEnv): void {
    const {count} = attempts.get(id) ?? {count: 0};
    log.warn(`node ${id} is silent: running its restart command`, {command: command[0], attempt: count + 1});
    const name = `restartPeer ${id}`;
    const running = runScript({name, command, environment: {...environment, HA_PEER_ID: id}, timeoutMs: settings.timeoutMs});
    attempts.set(id, {running, count: count + 1, notBefore: Infinity});
    void running.done.then(({ok, because}) => {
      const pauseMs = settings.backoffMs * Math.min(2 ** count, GROWTH_MAX);
      attempts.set(id, {running: undefined, count: count + 1, notBefore: now() + pauseMs});
      log[ok ? 'info' : 'warn'](`the restart command of node ${id} ${ok ? 'has ended' : 'has failed'}: ${because}`);
    });
  }

  return {
    configure: (next) => (settings = next),
    look(view, environment) {
      if (!view) return;
      const silent = new Set(silentPeers(Object.keys(settings.commands), view));
      for (const [id, {running}] of attempts) if (!silent.has(id) && !running) attempts.delete(id);
      for (const [id, command] of Object.entries(settings.commands)) {
        const attempt = attempts.get(id);
        if (silent.has(id) && (attempt === undefined || now() >= attempt.notBefore)) restart(id, command, environment());
      }
    },
    async close() {
      const running = [...attempts.values()].flatMap((attempt) => attempt.running ?? []);
      for (const each of running) each.signal('SIGKILL');
      await Promise.all(running.map(({done}) => done));
    },
  };
}

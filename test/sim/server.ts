// The true state of the shared directory, as the server has it: what a call does at the instant of its execution.
import type {Wishes} from '../../lib/protocol/agent-state.ts';
import type {Heartbeat} from '../../lib/protocol/heartbeat.ts';
import {parseLockName, type LockName} from '../../lib/protocol/lock-name.ts';
import type {Epoch} from '../../lib/protocol/words.ts';

export interface Server {
  /** The entries of the lock directory; normally one. */
  names: string[];
  /** Every name the lock ever had, in order. */
  readonly past: string[];
  readonly everUsed: Set<string>;
  readonly records: Map<string, Heartbeat>;
  wishes: Wishes;
  /** The lock directory was moved away or removed. */
  gone: boolean;
  /** The server does not answer. */
  down: boolean;
  /** Heartbeats hang, for everybody. */
  beatsStalled: boolean;
  waiting: (() => void)[];
  /** When the lock last changed hands or was renewed. */
  changedAt: number;
  /** A backup was restored or a second lock laid beside the first: what the protocol detects and cannot prevent. */
  tampered: boolean;
}

export function newServer(first: string): Server {
  return {
    names: [first],
    past: [first],
    everUsed: new Set([first]),
    records: new Map(),
    wishes: {paused: false, switchovers: [], statements: []},
    gone: false,
    down: false,
    beatsStalled: false,
    waiting: [],
    changedAt: 0,
    tampered: false,
  };
}

/** RENAME: consumes its source. @returns whether it was there. */
export function executeRename(server: Server, from: string, to: string, now: number): boolean {
  if (server.gone) return false;
  const at = server.names.indexOf(from);
  if (at < 0) return false;
  server.names = server.names.map((name, i) => (i === at ? to : name));
  server.past.push(to);
  server.everUsed.add(to);
  server.changedAt = now;
  return true;
}

/** The lock as it truly is: the first well-formed name. */
export function trueLock(server: Server): LockName | undefined {
  for (const text of server.names) {
    const name = parseLockName(text);
    if (name) return name;
  }
  return undefined;
}

export const trueEpoch = (server: Server): Epoch => (trueLock(server)?.epoch ?? 0) as Epoch;

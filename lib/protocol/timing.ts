// The durations of the protocol, the inequality that makes them safe, and the instants derived from them.
import {LEASE_TIMEOUT_MAX_MS, LEASE_TIMEOUT_MIN_MS} from './lock-name.ts';
import {after, type MonoMs} from './words.ts';

/** Durations in milliseconds, each measured on a node's own suspend-aware clock. */
export interface Timing {
  /** How often a node renews its lease and overwrites its heartbeat. */
  readonly heartbeatIntervalMs: number;
  /** How often a standby looks at the lock. */
  readonly pollIntervalMs: number;
  /** T: silence after which a held lease may be claimed. Stands in the lock name; 1 s to 24 h. */
  readonly leaseTimeoutMs: number;
  /** S: from SIGTERM to SIGKILL. */
  readonly stopTimeoutMs: number;
  /** d: clock-rate drift in T, scheduling, and dying. */
  readonly safetyMarginMs: number;
}

/** heartbeatInterval = pollInterval = 1 s, T = 30 s, S = 10 s, d = 2 s. */
export const DEFAULT_TIMING: Timing = {
  heartbeatIntervalMs: 1_000,
  pollIntervalMs: 1_000,
  leaseTimeoutMs: 30_000,
  stopTimeoutMs: 10_000,
  safetyMarginMs: 2_000,
};

/** How many heartbeats may pass unseen before a node no longer counts as alive. */
export const ALIVE_HEARTBEATS = 5;
/** How many polls a node that has just started, or whose polling had a gap, listens before it claims. */
export const LISTEN_POLLS = 3;
/** An owner learns from its own renewals whether the lock is its own: it lists the lock only every so many polls. */
export const OWNER_LOOK_POLLS = 2;
/** How many polls each rank waits longer than the one before it. */
export const RANK_POLLS = 2;
/** How many polls a node may fail to write its heartbeat before it ranks after everybody it sees. */
export const MUTE_POLLS = 10;
/** After how many polls without an answer the store is said to be silent. */
export const SILENT_POLLS = 3;
/** How long the guardian may take to acknowledge a deadline before the agent kills it. */
export const GUARDIAN_ACK_MS = 1_000;
/** How long evidence that this is not the store we knew must stand: no attribute cache lies longer. */
export const DOUBT_MS = 60_000;

/** What must be seen to stand still, or be listened for: 3 polls, or heartbeats where these are rarer, ms. */
export const listenMs = (t: Timing): number => LISTEN_POLLS * Math.max(t.pollIntervalMs, t.heartbeatIntervalMs);

/** After this long without a heartbeat of its own a node ranks last, ms. */
export const muteMs = (t: Timing): number => MUTE_POLLS * Math.max(t.pollIntervalMs, t.heartbeatIntervalMs);

/**
 * How long a lock name must have stood still before anything but its own silence may replace the wait, ms: 3 renewals of its owner.
 * @param ownerHeartbeatMs how often the owner renews, as its heartbeat says; if that is not known, three times in T, which every
 *   configuration guarantees.
 */
export const stillMs = (t: Timing, leaseTimeoutMs: number, ownerHeartbeatMs: number | undefined): number =>
  Math.max(listenMs(t), ownerHeartbeatMs === undefined ? Math.ceil(leaseTimeoutMs / 3) : LISTEN_POLLS * ownerHeartbeatMs);

/** @returns a sentence for each reason why these timings are refused; none if they are sound. */
export function timingFaults(t: Timing): string[] {
  const faults: string[] = [];
  for (const [key, ms] of Object.entries(t)) {
    if (!Number.isInteger(ms) || ms < 1)
      faults.push(`${key.replace(/Ms$/, '')} is ${ms} ms, but must be a whole number of at least 1 ms`);
  }
  if (t.leaseTimeoutMs < LEASE_TIMEOUT_MIN_MS || t.leaseTimeoutMs > LEASE_TIMEOUT_MAX_MS) {
    faults.push(`leaseTimeout is ${t.leaseTimeoutMs} ms, but must be between 1 s and 24 h`);
  }
  const neededMs = t.stopTimeoutMs + t.safetyMarginMs + 3 * t.heartbeatIntervalMs;
  if (neededMs > t.leaseTimeoutMs) {
    faults.push(
      `stopTimeout ${t.stopTimeoutMs} ms + safetyMargin ${t.safetyMarginMs} ms + 3 * heartbeatInterval ${t.heartbeatIntervalMs} ms` +
        ` = ${neededMs} ms is more than leaseTimeout ${t.leaseTimeoutMs} ms: raise leaseTimeout or lower the others`,
    );
  }
  return faults;
}

/** When the guardian begins to stop (SIGTERM), for a lease that ends at `deadline` = t0 + T. */
export const stopAt = (deadline: MonoMs, t: Pick<Timing, 'stopTimeoutMs' | 'safetyMarginMs'>): MonoMs =>
  after(deadline, -t.stopTimeoutMs - t.safetyMarginMs);

/** When the guardian sends SIGKILL. */
export const killAt = (deadline: MonoMs, t: Pick<Timing, 'safetyMarginMs'>): MonoMs => after(deadline, -t.safetyMarginMs);

/** How long a master keeps its service running without an answer from the store: T - S - d. */
export const rideOutMs = (t: Timing): number => t.leaseTimeoutMs - t.stopTimeoutMs - t.safetyMarginMs;

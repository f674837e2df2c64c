// What a check came to: one of three words, why, and what to do.

export type Level = 'ok' | 'warning' | 'unsafe';

export const CHECKS = {
  store: 'store',
  fileSystem: 'file system',
  mountOptions: 'mount options',
  serverLease: "server's lease time",
  rename: 'rename',
  renameBetweenHosts: 'rename, two hosts',
  fullDirectory: 'full directory',
  visibility: 'visibility',
  latency: 'latency',
  heartbeatIo: 'heartbeat I/O',
  space: 'space and quota',
  clock: 'suspend-aware clock',
  clockRate: 'clock rate',
  scheduling: 'scheduling',
  guardian: 'guardian',
  stateDir: 'state directory',
  watchdog: 'watchdog',
  vip: 'floating address',
  timings: 'timings',
  otherTimings: 'timings of others',
} as const;

export type Check = keyof typeof CHECKS;

export interface Verdict {
  readonly check: Check;
  readonly level: Level;
  /** What was found and what it means, without a full stop. */
  readonly reason: string;
  /** What to do; null where nothing has to be done. */
  readonly remedy: string | null;
}

export const ok = (check: Check, reason: string): Verdict => ({check, level: 'ok', reason, remedy: null});
export const warning = (check: Check, reason: string, remedy: string): Verdict => ({check, level: 'warning', reason, remedy});
export const unsafe = (check: Check, reason: string, remedy: string): Verdict => ({check, level: 'unsafe', reason, remedy});

/** Milliseconds below a second, seconds above. */
export const seconds = (ms: number): string => (Math.abs(ms) < 1_000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 10) / 100} s`);

// Ports that do nothing, for tests of one part of the loop.
import type {AgentPorts, Clock, GuardianPort, Reporter} from '../../lib/agent/ports.ts';
import {monoMs} from '../../lib/protocol/words.ts';
import type {Store} from '../../lib/store/contract.ts';

export const quiet: Reporter = {debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined};

export const idleStore: Store = {
  storeId: '0123456789abcdef',
  rename: () => Promise.resolve({kind: 'done'}),
  list: () => Promise.resolve({kind: 'names', names: []}),
  writeHeartbeat: () => Promise.resolve({ok: true, reason: '', found: undefined}),
  readHeartbeats: () => Promise.resolve({heartbeats: [], own: true, everybody: true, failed: false}),
  readWishes: () => Promise.resolve(undefined),
  placeWish: () => Promise.resolve(),
  dropWish: () => Promise.resolve(),
  removeHeartbeat: () => Promise.resolve(),
  writeHistory: () => Promise.resolve(),
  readEpoch: () => Promise.resolve(undefined),
};

export const idleGuardian: GuardianPort = {
  open: () => Promise.resolve(undefined),
  outdated: () => false,
  send: () => undefined,
  kill: () => Promise.resolve({proven: true, because: ''}),
  checkPassive: () => Promise.resolve({ok: true, because: ''}),
  leave: () => Promise.resolve(),
};

/** A clock that the test moves. */
export function handClock(start = 1_000): Clock & {at: number} {
  const clock = {at: start, now: () => monoMs(clock.at), wallMs: () => clock.at};
  return clock;
}

export const idlePorts = (changes: Partial<AgentPorts> = {}): AgentPorts => ({
  clock: handClock(),
  store: idleStore,
  guardian: idleGuardian,
  readiness: {start: () => undefined, stop: () => undefined},
  health: {start: () => undefined, stop: () => undefined, role: () => undefined},
  log: quiet,
  rememberEpoch: () => Promise.resolve(),
  followMaster: () => undefined,
  ...changes,
});

// One call to the store on its way: out, executed (or not, or much later), and back, as NFS clients and servers do it.
import type {LaneName, Listing, RenameOutcome, Whose, Wishes} from '../../lib/protocol/agent-state.ts';
import type {Heartbeat, NodeReport} from '../../lib/protocol/heartbeat.ts';
import type {NodeId} from '../../lib/protocol/words.ts';
import {executeRename} from './server.ts';
import {endAfter, type Host, type LateCall, type World} from './world-types.ts';

/** Carries a rename to the server; `reply` is called at most once, never for a call that hangs for ever. */
export function callRename(w: World, host: Host, from: string, to: string, reply: (outcome: RenameOutcome) => void): void {
  const rng = host.rng;
  const execute = (): boolean => {
    const done = !host.weather.unmounted && executeRename(w.server, from, to, w.clock.now);
    if (done) w.checks.renamed(from, to, host.name);
    return done;
  };
  const trouble = w.faults && rng.chance(host.weather.renameTrouble) ? rng.int(0, 5) : -1;
  const fail = (reason: string): RenameOutcome => ({kind: 'failed', reason});
  switch (trouble) {
    case 0: // the reply is lost, the resend finds nothing
      return trip(w, host, 'renew', execute, () => {
        endAfter(w, rng.real(50, 4_000), () => {
          reply(fail('ENOENT (after a resend)'));
        });
      });
    case 1: // executed, yet an error
      return trip(w, host, 'renew', execute, () => {
        reply(fail('EIO'));
      });
    case 2: // an error at once, executed soon
      executeLate(w, rng.real(1, 3_000), execute);
      break;
    case 3: // an error, executed when nobody thinks of it any more
      executeLate(w, rng.real(0.5, 4) * host.timing.leaseTimeoutMs, execute);
      break;
    case 4: // an error after a long time, as a soft mount gives it; executed in between or never
      if (rng.chance(0.5)) executeLate(w, rng.real(1, 8_000), execute);
      endAfter(w, rng.real(3_000, 9_000), () => {
        reply(fail('ETIMEDOUT'));
      });
      return;
    case 5: // never executed
      break;
    default:
      return trip(w, host, 'renew', execute, (done) => {
        reply(done ? {kind: 'done'} : fail('ENOENT'));
      });
  }
  endAfter(w, rng.real(1, 500), () => {
    reply(fail('EIO'));
  });
}

/** A rename of a call that was given up, or of a dead process: the kernel goes on sending it. */
export function executeLate(w: World, delayMs: number, execute: () => boolean): void {
  const late: LateCall = {
    execute,
    timer: w.clock.after(delayMs, () => {
      w.late.delete(late);
      if (execute()) w.log.add(w.clock.now, 'server', 'a late rename has been executed');
    }),
  };
  w.late.add(late);
}

export function callList(w: World, host: Host, refresh: boolean, reply: (listing: Listing) => void): void {
  const rng = host.rng;
  const trouble = w.faults && rng.chance(host.weather.listTrouble) ? rng.int(0, 6) : -1;
  if (w.faults && rng.chance(host.weather.errors)) {
    endAfter(w, rng.real(1, 3_000), () => {
      reply({kind: 'error', reason: 'EIO'});
    });
    return;
  }
  trip(
    w,
    host,
    'watch',
    () => look(w, host, refresh, trouble),
    (listing) => {
      // What the server said stays in the client's cache; it may be handed out again.
      if (listing.kind === 'names') host.cached = listing.names;
      if (trouble === 5)
        endAfter(w, rng.real(100, 5_000), () => {
          reply(listing);
        });
      else reply(listing);
    },
  );
}

function look(w: World, host: Host, refresh: boolean, trouble: number): Listing {
  const {server} = w;
  if (host.weather.unmounted || server.gone) return {kind: 'notOurStore', reason: 'there is no store.json'};
  const {past} = server;
  const names = (list: readonly (string | undefined)[]): Listing => ({
    kind: 'names',
    names: list.flatMap((name) => name ?? []),
  });
  if (!refresh) {
    if (trouble === 0) return names(host.cached ?? server.names);
    if (trouble === 1) return names([past[Math.max(0, past.length - 2)]]);
    if (trouble === 2) return names([past[Math.max(0, past.length - 1 - host.rng.int(0, 8))]]);
  }
  if (trouble === 3) return names([]);
  if (trouble === 4) return names([past[Math.max(0, past.length - 2)], ...server.names]);
  if (trouble === 6) return names(['.nfs0000000000a1', ...server.names, '.snapshot']);
  return names(server.names);
}

export function callWriteHeartbeat(
  w: World,
  host: Host,
  heartbeat: Heartbeat,
  reply: (ok: boolean, found: Pick<NodeReport, 'instanceId' | 'seq'> | undefined) => void,
): void {
  if (w.faults && host.rng.chance(host.weather.errors)) {
    endAfter(w, host.rng.real(1, 3_000), () => {
      reply(false, undefined);
    });
    return;
  }
  trip(
    w,
    host,
    'beat',
    () => {
      if (host.weather.unmounted) return undefined;
      const found = w.server.records.get(heartbeat.nodeId);
      w.server.records.set(heartbeat.nodeId, heartbeat);
      return {found: found && {instanceId: found.instanceId, seq: found.seq}};
    },
    (written) => {
      reply(written !== undefined, written?.found);
    },
  );
}

export interface Heard {
  readonly heartbeats: readonly Heartbeat[];
  readonly whole: boolean;
}

/** Whether a reading of `reader` is to find the record of `nodeId`. */
export function isMeant(whose: Whose, nodeId: NodeId, reader: NodeId): boolean {
  if (whose === 'all') return true;
  return whose === 'others' ? nodeId !== reader : whose.includes(nodeId);
}

export function callReadHeartbeats(w: World, host: Host, whose: Whose, reply: (heard: Heard) => void): void {
  trip(
    w,
    host,
    'hear',
    () => {
      if (host.weather.unmounted) return {heartbeats: [], whole: false};
      const wanted = [...w.server.records.values()].filter(({nodeId}) => isMeant(whose, nodeId, host.nodeId));
      const readable = wanted.filter(() => !(w.faults && host.rng.chance(host.weather.errors)));
      return {heartbeats: readable, whole: readable.length === wanted.length};
    },
    reply,
  );
}

export function callReadWishes(w: World, host: Host, reply: (wishes: Wishes | undefined) => void): void {
  trip(w, host, 'wish', () => (host.weather.unmounted ? undefined : w.server.wishes), reply);
}

/** There, execution, and back; whatever stands in the way is waited out. */
function trip<T>(w: World, host: Host, lane: LaneName, execute: () => T, reply: (result: T) => void): void {
  const arrive = (): void => {
    whenReachable(w, host, lane, () => {
      const result = execute();
      pass(w, host.rng.real(...host.weather.delayMs), () => {
        whenReachable(w, host, lane, () => {
          reply(result);
        });
      });
    });
  };
  pass(w, host.rng.real(...host.weather.delayMs), arrive);
}

/** A long way ends with the healing, a short one by itself. */
function pass(w: World, delayMs: number, go: () => void): void {
  if (delayMs > 100) endAfter(w, delayMs, go);
  else w.clock.after(delayMs, go);
}

const isBeat = (lane: LaneName): boolean => lane === 'beat' || lane === 'hear';

/** Now, or once network, server and lane work again; a few milliseconds after that, in any order. */
function whenReachable(w: World, host: Host, lane: LaneName, go: () => void): void {
  const {server} = w;
  const again = (): void => {
    w.clock.after(host.rng.real(0, 50), () => {
      whenReachable(w, host, lane, go);
    });
  };
  if (server.down || (server.beatsStalled && isBeat(lane))) server.waiting.push(again);
  else if (host.weather.cut || host.weather.hung.has(lane)) host.waiting.push(again);
  else go();
}

/** Lets everything go on that waited for this host's network or lanes. */
export function wake(queue: {waiting: (() => void)[]}): void {
  const {waiting} = queue;
  queue.waiting = [];
  for (const go of waiting) go();
}

// Who must be master once the world is well, and how soon: judged from settings and truth, not from the machine's ranks.
import {nodeStateOf} from '../../lib/protocol/agent-report.ts';
import {Violation} from './checkers.ts';
import {crashHost} from './faults.ts';
import {trueEpoch} from './server.ts';
import {isLame, START_TIMEOUT_MS} from './world.ts';
import {send} from './world-agent.ts';
import {localNow, type AgentProc, type Host, type World} from './world-types.ts';

export const mastersOf = (w: World): AgentProc[] =>
  w.hosts.flatMap(({agent}) => (agent && nodeStateOf(agent.state, localNow(w, agent.host)) === 'MASTER' ? [agent] : []));

/** The master dies, or lets go: the best of the others must follow, and in time. */
export function expectSuccession(w: World): void {
  // Cool-downs of the time before must be over, and everybody's heartbeats seen.
  const longest = longestLease(w);
  w.clock.runUntil(w.clock.now + 2 * longest + 5_000);
  const [master, ...more] = mastersOf(w);
  if (!master || more.length > 0) throw new Violation('liveness', `${mastersOf(w).length} masters in fine weather`);
  const candidates = w.hosts
    .filter((host) => host.agent && host !== master.host && !isLame(w, host) && isElectable(host))
    .sort(byOrder);
  const way = w.rng.pick(['crash', 'demote', 'switchover', 'switchoverTo'] as const);
  const target = way === 'switchoverTo' ? candidates.at(-1) : undefined;
  const expected = target ?? candidates[0] ?? (way === 'demote' ? master.host : undefined);
  w.log.add(w.clock.now, 'world', `${way} of ${master.host.name}, the master: ${expected?.name ?? 'nobody'} must follow`);
  if (!expected) return;
  const begun = w.clock.now;
  remove(w, master, way, target);
  const poll = Math.max(...w.plan.nodes.map((node) => node.timing.pollIntervalMs));
  const limitMs = (way === 'crash' ? longest : master.host.timing.stopTimeoutMs) + 5 * poll + START_TIMEOUT_MS;
  const follower = (): AgentProc | undefined => mastersOf(w).find((each) => each !== master || way === 'demote');
  w.clock.runUntil(begun + 10);
  while (follower() === undefined && w.clock.now < begun + limitMs) w.clock.runUntil(w.clock.now + 100);
  const next = follower();
  if (!next) throw new Violation('liveness', `nobody follows ${master.host.name} within ${limitMs} ms`);
  if (next.host !== expected)
    throw new Violation('election', `${next.host.name} follows ${master.host.name}, but ${expected.name} goes before it`);
}

function remove(
  w: World,
  master: AgentProc,
  way: 'crash' | 'demote' | 'switchover' | 'switchoverTo',
  target: Host | undefined,
): void {
  if (way === 'crash') crashHost(w, master.host);
  else if (way === 'demote') send(w, master, () => ({type: 'demote', because: 'the operator wants it'}));
  else w.server.wishes = {...w.server.wishes, switchovers: [{epoch: trueEpoch(w.server), to: target?.nodeId}]};
}

export const longestLease = (w: World): number => Math.max(...w.plan.nodes.map(({timing}) => timing.leaseTimeoutMs));
const isElectable = ({settings}: Host): boolean => ['auto', 'standby', 'hot_standby', 'master'].includes(settings.mode);

const byOrder = (a: Host, b: Host): number => b.settings.priority - a.settings.priority || (padded(a) < padded(b) ? -1 : 1);
/** Natural order, said differently: numbers are padded, then characters are compared. */
const padded = ({nodeId}: Host): string => nodeId.replace(/\d+/g, (digits) => digits.padStart(70, '0'));

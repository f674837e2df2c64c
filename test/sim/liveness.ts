// Who must be master once the world is well, and how soon: judged from settings and truth, not from the machine's ranks.
import {nodeStateOf} from '../../lib/protocol/agent-report.ts';
import {Violation} from './checkers.ts';
import {crashHost} from './faults.ts';
import {START_TIMEOUT_MS} from './world.ts';
import {send} from './world-agent.ts';
import {localNow, type AgentProc, type Host, type World} from './world-types.ts';

export const mastersOf = (w: World): AgentProc[] =>
  w.hosts.flatMap(({agent}) => (agent && nodeStateOf(agent.state, localNow(w, agent.host)) === 'MASTER' ? [agent] : []));

/** The master dies, or lets go: the best of the others must follow, and in time. */
export function expectSuccession(w: World): void {
  // Cool-downs of the time before must be over, and everybody's heartbeats seen.
  const longest = Math.max(...w.plan.nodes.map(({timing}) => timing.leaseTimeoutMs));
  w.clock.runUntil(w.clock.now + 2 * longest + 5_000);
  const [master, ...more] = mastersOf(w);
  if (!master || more.length > 0) throw new Violation('liveness', `${mastersOf(w).length} masters in fine weather`);
  const candidates = w.hosts.filter((host) => host.agent && host !== master.host && ['auto', 'standby', 'hot_standby', 'master'].includes(host.settings.mode));
  const [best] = candidates.sort(byOrder);
  const way = w.rng.pick(['crash', 'demote'] as const);
  const {timing} = master.host;
  w.log.add(w.clock.now, 'world', `${master.host.name}, the master, ${way === 'crash' ? 'crashes' : 'is demoted'}: ${best?.name ?? 'nobody'} must follow`);
  const begun = w.clock.now;
  if (way === 'crash') crashHost(w, master.host);
  else send(w, master, () => ({type: 'demote', because: 'the operator wants it'}));
  const expected = best ?? (way === 'demote' ? master.host : undefined);
  if (!expected) return;
  const poll = Math.max(...w.plan.nodes.map((node) => node.timing.pollIntervalMs));
  const limitMs = (way === 'crash' ? longest : timing.stopTimeoutMs) + 5 * poll + START_TIMEOUT_MS;
  const limit = begun + limitMs;
  w.clock.runUntil(begun + 10);
  for (let now = mastersOf(w); now.length === 0 && w.clock.now < limit; now = mastersOf(w)) w.clock.runUntil(w.clock.now + 100);
  const [next] = mastersOf(w);
  if (!next) throw new Violation('liveness', `nobody follows ${master.host.name} within ${limitMs} ms`);
  if (next.host !== expected) throw new Violation('election', `${next.host.name} follows ${master.host.name}, but ${expected.name} goes before it`);
}

const byOrder = (a: Host, b: Host): number => b.settings.priority - a.settings.priority || (padded(a) < padded(b) ? -1 : 1);
/** Natural order, said differently: numbers are padded, then characters are compared. */
const padded = ({nodeId}: Host): string => nodeId.replace(/\d+/g, (digits) => digits.padStart(70, '0'));

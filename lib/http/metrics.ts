// The status as Prometheus reads it. prom-client is loaded at the first scrape: a node that nobody scrapes does not pay for it.
import type {Status} from '../agent/status.ts';
import type {NodeState} from '../protocol/heartbeat.ts';

const STATES: readonly NodeState[] = ['INITIALIZING', 'STANDBY', 'HOT_STANDBY', 'HOT_BACKUP', 'MASTER', 'FAILED', 'TERMINATED'];

interface Sample {
  readonly value: number;
  readonly labels?: Readonly<Record<string, string>>;
}

interface Family {
  readonly name: string;
  readonly help: string;
  readonly kind: 'gauge' | 'counter';
  readonly samples: (s: Status) => readonly Sample[];
}

const seconds = (ms: number): number => ms / 1_000;
const flag = (on: boolean): readonly Sample[] => [{value: on ? 1 : 0}];
const one = (value: number): readonly Sample[] => [{value}];
const gauge = (name: string, help: string, samples: Family['samples']): Family => ({name, help, kind: 'gauge', samples});
const counter = (name: string, help: string, value: (s: Status) => number): Family => ({
  name,
  help,
  kind: 'counter',
  samples: (s) => one(value(s)),
});

const FAMILIES: readonly Family[] = [
  gauge('ha_agent_info', 'Which agent this is; always 1.', (s) => [
    {value: 1, labels: {version: s.version, app: s.app, node: s.nodeId, instance_id: s.instanceId, store: s.storeId ?? ''}},
  ]),
  gauge('ha_agent_state', '1 for the state that this node is in.', (s) =>
    STATES.map((state) => ({value: s.state === state ? 1 : 0, labels: {state}})),
  ),
  gauge('ha_agent_master', '1 while this node is MASTER: lease held and service ready.', (s) => flag(s.state === 'MASTER')),
  gauge('ha_agent_healthy', '1 while the agent itself works.', (s) => flag(s.healthy)),
  gauge('ha_agent_paused', '1 while the cluster is paused.', (s) => flag(s.paused)),
  gauge('ha_agent_eligible', '1 while this node could be elected.', (s) => flag(s.eligible)),
  gauge('ha_agent_master_known', '1 while somebody owns the lease.', (s) => flag(s.masterId !== null)),
  gauge('ha_agent_priority', 'Priority of this node; higher goes first.', (s) => one(s.priority)),
  gauge('ha_agent_epoch', 'Largest epoch that this node knows.', (s) => one(s.epoch)),
  gauge('ha_agent_lease_left_seconds', 'Time left on the lease of this node; absent if it owns none.', (s) =>
    s.leaseLeftMs === null ? [] : one(seconds(s.leaseLeftMs)),
  ),
  gauge('ha_agent_last_renewal_seconds', 'How long the last renewal took; absent before the first.', ({counters}) =>
    counters.lastRenewalMs === null ? [] : one(seconds(counters.lastRenewalMs)),
  ),
  gauge('ha_agent_lease_timeout_seconds', 'How long a silent master is waited for.', (s) => one(seconds(s.leaseTimeoutMs))),
  gauge('ha_agent_node_last_seen_seconds', 'Time since the heartbeat of a node was seen to change.', (s) =>
    s.nodes.flatMap(({nodeId, lastSeenMs}) =>
      lastSeenMs === null ? [] : [{value: seconds(lastSeenMs), labels: {node: nodeId}}],
    ),
  ),
  gauge('ha_agent_nodes', 'How many nodes this node sees in each state.', (s) =>
    STATES.map((state) => ({value: s.nodes.filter((node) => node.state === state).length, labels: {state}})),
  ),
  counter('ha_agent_renewals_total', 'Renewals of the lease that succeeded.', (s) => s.counters.renewals),
  counter('ha_agent_renewal_failures_total', 'Renewals of the lease that failed.', (s) => s.counters.renewalFailures),
  counter('ha_agent_claims_total', 'Claims of the lease that succeeded.', (s) => s.counters.claims),
  counter('ha_agent_promotions_total', 'How often this node became MASTER.', (s) => s.counters.promotions),
  counter('ha_agent_demotions_total', 'How often this node ceased to be MASTER.', (s) => s.counters.demotions),
  counter('ha_agent_service_starts_total', 'Starts of the service.', (s) => s.counters.serviceStarts),
  counter('ha_agent_service_failures_total', 'Failures of the service.', (s) => s.counters.serviceFailures),
  counter(
    'ha_agent_store_errors_total',
    'Calls to the store that failed or did not return in time.',
    (s) => s.counters.storeErrors,
  ),
  gauge('process_start_time_seconds', 'When the agent started, seconds since 1970.', (s) => one(seconds(s.startedAtWallMs))),
  gauge('process_resident_memory_bytes', 'Resident memory of the agent.', () => one(process.memoryUsage.rss())),
  counter('process_cpu_seconds_total', 'Processor time that the agent has used.', () => {
    const {user, system} = process.cpuUsage();
    return (user + system) / 1e6;
  }),
];

/** A registry of its own for each scrape: the numbers are counted elsewhere, and a node that is gone leaves no series behind. */
export async function renderMetrics(s: Status): Promise<{readonly type: string; readonly text: string}> {
  const {Counter, Gauge, Registry} = (await import('prom-client')).default;
  const registry = new Registry();
  for (const {name, help, kind, samples} of FAMILIES) {
    const found = samples(s);
    const labelNames = [...new Set(found.flatMap(({labels}) => Object.keys(labels ?? {})))];
    const config = {name, help, labelNames, registers: [registry]};
    if (kind === 'gauge') {
      const family = new Gauge(config);
      for (const {value, labels} of found) family.set({...labels}, value);
      // Without labels a fresh gauge says 0, and a lease that is not held has not 0 s left.
      if (found.length === 0) family.remove({});
    } else {
      const family = new Counter(config);
      for (const {value, labels} of found) family.inc({...labels}, value);
    }
  }
  return {type: registry.contentType, text: await registry.metrics()};
}

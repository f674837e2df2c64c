// The status in the shapes that clients of Brooklyn know, with our fields added; nulls stay in.
import type {NodeStatus, Status} from '../agent/status.ts';
import type {Mode, NodeState} from '../protocol/heartbeat.ts';

export interface NodeView {
  readonly nodeId: string;
  readonly nodeUri: string | null;
  readonly status: NodeState;
  readonly localTimestamp: number;
  readonly remoteTimestamp: number | null;
  readonly priority: number | null;
  // Ours from here on.
  readonly instanceId: string | null;
  readonly mode: Mode;
  readonly epoch: number;
  readonly eligible: boolean;
  readonly because: string;
  readonly lastSeenMs: number | null;
  readonly serviceUri: string | null;
}

/** Brooklyn's HighAvailabilitySummary; the fields after `links` are ours and about the answering node. */
export interface SummaryView {
  readonly planeId: string | null;
  readonly ownId: string;
  readonly masterId: string | null;
  readonly nodes: Readonly<Record<string, NodeView>>;
  readonly links: Readonly<Record<string, string>>;
  readonly app: string;
  readonly state: NodeState;
  readonly phase: string;
  readonly mode: Mode;
  readonly epoch: number;
  readonly eligible: boolean;
  readonly because: string;
  readonly masterUri: string | null;
  readonly leaseLeftMs: number | null;
  readonly leaseTimeoutMs: number;
  readonly paused: boolean;
}

export const summaryOf = (s: Status): SummaryView => ({
  planeId: s.storeId,
  ownId: s.nodeId,
  masterId: s.masterId,
  nodes: Object.fromEntries(s.nodes.map((node) => [node.nodeId, nodeView(node)])),
  links: {},
  app: s.app,
  state: s.state,
  phase: s.phase,
  mode: s.mode,
  epoch: s.epoch,
  eligible: s.eligible,
  because: s.because,
  masterUri: s.masterUri,
  leaseLeftMs: s.leaseLeftMs,
  leaseTimeoutMs: s.leaseTimeoutMs,
  paused: s.paused,
});

const nodeView = (node: NodeStatus): NodeView => ({
  nodeId: node.nodeId,
  nodeUri: node.uri,
  status: node.state,
  localTimestamp: node.localTimestamp,
  remoteTimestamp: node.remoteTimestamp,
  priority: node.priority,
  instanceId: node.instanceId,
  mode: node.mode,
  epoch: node.epoch,
  eligible: node.eligible,
  because: node.because,
  lastSeenMs: node.lastSeenMs,
  serviceUri: node.serviceUri,
});

/** Brooklyn's metrics as far as we have the things they count: we persist leases and rebind nothing. */
export const metricsOf = (s: Status, wallMs: number): object => ({
  state: s.state,
  uptime: formatSpan(wallMs - s.startedAtWallMs),
  currentTimeUtc: wallMs,
  startTimeUtc: s.startedAtWallMs,
  highAvailability: {
    priority: s.priority,
    pollPeriod: s.pollIntervalMs,
    heartbeatTimeout: s.leaseTimeoutMs,
    history: s.stateHistory.map(({state, timestamp}) => ({state, timestamp})),
  },
  lease: {
    epoch: s.epoch,
    leftMs: s.leaseLeftMs,
    renewals: s.counters.renewals,
    renewalFailures: s.counters.renewalFailures,
    lastRenewalMs: s.counters.lastRenewalMs,
    claims: s.counters.claims,
  },
  service: {
    promotions: s.counters.promotions,
    demotions: s.counters.demotions,
    starts: s.counters.serviceStarts,
    failures: s.counters.serviceFailures,
  },
  store: {errors: s.counters.storeErrors},
});

/** What a machine that asks for a role is told beside the status code. */
export const roleOf = (s: Status): object => ({
  state: s.state,
  phase: s.phase,
  nodeId: s.nodeId,
  epoch: s.epoch,
  masterId: s.masterId,
  because: s.because,
});

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;

/** A duration for people: its two largest units, "3m 2s"; below a second in ms. */
export function formatSpan(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))}ms`;
  let rest = Math.floor(ms / 1_000) * 1_000;
  const parts: string[] = [];
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0 && parts.length < 2) parts.push(`${count}${unit}`);
  }
  return parts.join(' ');
}

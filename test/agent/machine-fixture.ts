// A machine's state to look at: built by real steps from a new agent, then changed where a test says so.
import type {AgentFacts} from '../../lib/agent/ports.ts';
import {newAgent} from '../../lib/protocol/agent-machine.ts';
import type {AgentState, Owned, Peer, Settings} from '../../lib/protocol/agent-state.ts';
import type {NodeReport} from '../../lib/protocol/heartbeat.ts';
import {parseLockName} from '../../lib/protocol/lock-name.ts';
import {DEFAULT_TIMING} from '../../lib/protocol/timing.ts';
import {epoch, instanceId, monoMs, nodeId, type MonoMs} from '../../lib/protocol/words.ts';

export const SETTINGS: Settings = {
  mode: 'auto',
  priority: 0,
  attempts: 3,
  backoffMs: 1_000,
  startTimeoutMs: 60_000,
  coolDownMs: 30_000,
};
export const SELF = {nodeId: nodeId('n1'), instanceId: instanceId('aaaaaaaa'), timing: DEFAULT_TIMING, hasService: true};

export const FACTS: AgentFacts = {
  version: '1',
  app: 'default',
  persistenceDir: '/nowhere',
  settings: SETTINGS,
  passive: undefined,
  serviceUri: undefined,
};

export function agentAt(now: MonoMs, changes: Partial<AgentState> = {}): AgentState {
  return {...newAgent(SELF, SETTINGS, epoch(7), now), listenUntil: now, ...changes};
}

export function reportOf(id: string, changes: Partial<NodeReport> = {}): NodeReport {
  return {
    nodeId: nodeId(id),
    instanceId: instanceId('bbbbbbbb'),
    seq: 1,
    state: 'STANDBY',
    epoch: epoch(7),
    mode: 'auto',
    priority: 0,
    eligible: true,
    cooling: false,
    because: 'following',
    uri: undefined,
    wallMs: 1_000,
    ...changes,
  };
}

export const peer = (report: NodeReport, changedAt: number | undefined): Peer => ({
  report,
  changedAt: changedAt === undefined ? undefined : monoMs(changedAt),
});

/** A lease of SELF under epoch 9. */
export function ownedLease(renewedAt: MonoMs): Owned {
  const name = parseLockName('0000000009.held.n1.aaaaaaaa.30000.1');
  if (name?.kind !== 'held') throw new Error('not a held name');
  return {kind: 'owned', name, renewedAt, inDoubt: false, idleSince: undefined};
}

/** The view of a node that sees this very name. */
export function seeing(text: string, at: number): AgentState['view'] {
  const name = parseLockName(text);
  if (!name) throw new Error(`not a lock name: ${text}`);
  return {name, text, firstSeenAt: monoMs(at), askedAt: monoMs(at)};
}

// The name of the lock file says everything about the lease; this is the only place that reads or writes one.
import {epoch, EPOCH_MAX, isInstanceId, isNodeId, type Epoch, type InstanceId, type NodeId} from './words.ts';

export const LEASE_TIMEOUT_MIN_MS = 1_000;
export const LEASE_TIMEOUT_MAX_MS = 24 * 60 * 60 * 1_000;

/** Who wrote a lock name. Absent in the names a store is born with. */
export interface Writer {
  readonly nodeId: NodeId;
  readonly instanceId: InstanceId;
}

/** Somebody owns the lease: `0000000042.held.n1.3f9a1c22.30000.17`. */
export interface HeldName {
  readonly kind: 'held';
  readonly epoch: Epoch;
  readonly writer: Writer | undefined;
  readonly leaseTimeoutMs: number;
  /** The writer's attempt that made this name. */
  readonly attempt: number;
}

/** Nobody owns the lease: `0000000043.free.n1.3f9a1c22.18`. */
export interface FreeName {
  readonly kind: 'free';
  readonly epoch: Epoch;
  readonly writer: Writer | undefined;
  readonly attempt: number;
}

export type LockName = HeldName | FreeName;

const PATTERN =
  /^(\d{10})\.(?:held\.(-|[A-Za-z0-9][A-Za-z0-9_-]{0,62})\.(-|[0-9a-f]{8})\.([1-9]\d{3,7})\.(0|[1-9]\d{0,14})|free\.(-|[A-Za-z0-9][A-Za-z0-9_-]{0,62})\.(-|[0-9a-f]{8})\.(0|[1-9]\d{0,14}))$/;

/** @returns undefined for whatever is not a well-formed lock name: it is ignored and reported, never acted upon. */
export function parseLockName(text: string): LockName | undefined {
  const m = PATTERN.exec(text);
  if (!m) return undefined;
  // The last epochs are kept out, so that there is always a next one.
  if (Number(m[1]) > EPOCH_MAX - 2) return undefined;
  const at = epoch(Number(m[1]));
  if (m[4] !== undefined) {
    const leaseTimeoutMs = Number(m[4]);
    if (leaseTimeoutMs < LEASE_TIMEOUT_MIN_MS || leaseTimeoutMs > LEASE_TIMEOUT_MAX_MS) return undefined;
    const writer = parseWriter(m[2], m[3]);
    if (writer === 'malformed') return undefined;
    return {kind: 'held', epoch: at, writer, leaseTimeoutMs, attempt: Number(m[5])};
  }
  const writer = parseWriter(m[6], m[7]);
  if (writer === 'malformed') return undefined;
  return {kind: 'free', epoch: at, writer, attempt: Number(m[8])};
}

function parseWriter(node: string | undefined, instance: string | undefined): Writer | undefined | 'malformed' {
  if (node === '-' && instance === '-') return undefined;
  if (node === undefined || instance === undefined || !isNodeId(node) || !isInstanceId(instance)) return 'malformed';
  return {nodeId: node, instanceId: instance};
}

export function formatLockName(name: LockName): string {
  const digits = String(name.epoch).padStart(10, '0');
  const writer = name.writer ? `${name.writer.nodeId}.${name.writer.instanceId}` : '-.-';
  return name.kind === 'held'
    ? `${digits}.held.${writer}.${name.leaseTimeoutMs}.${name.attempt}`
    : `${digits}.free.${writer}.${name.attempt}`;
}

export const isWrittenBy = (name: LockName, instance: InstanceId): boolean => name.writer?.instanceId === instance;

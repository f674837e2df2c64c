// The words of the protocol as types: what must not be mixed up has a type of its own.

declare const brand: unique symbol;
type Brand<T, Name> = T & {readonly [brand]: Name};

/** Fencing token: larger with every change of owner. A whole number from 0 to 9 999 999 999. */
export type Epoch = Brand<number, 'Epoch'>;

/** Milliseconds on this host's suspend-aware clock. Comparable on one host and within one boot; never written to the store. */
export type MonoMs = Brand<number, 'MonoMs'>;

/** Stable name of a node: `[A-Za-z0-9][A-Za-z0-9_-]{0,62}`. */
export type NodeId = Brand<string, 'NodeId'>;

/** One start of an agent: eight hexadecimal digits, fresh and random. */
export type InstanceId = Brand<string, 'InstanceId'>;

const NODE_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/;
const INSTANCE_ID = /^[0-9a-f]{8}$/;
export const EPOCH_MAX = 9_999_999_999;

export const isNodeId = (text: string): text is NodeId => NODE_ID.test(text);
export const isInstanceId = (text: string): text is InstanceId => INSTANCE_ID.test(text);
export const isEpoch = (value: number): value is Epoch => Number.isInteger(value) && value >= 0 && value <= EPOCH_MAX;

/** @throws if `text` is no node id: for text that this program made itself. */
export function nodeId(text: string): NodeId {
  if (!isNodeId(text)) throw new RangeError(`not a node id: ${JSON.stringify(text)}`);
  return text;
}

/** @throws if `text` is no instance id. */
export function instanceId(text: string): InstanceId {
  if (!isInstanceId(text)) throw new RangeError(`not an instance id: ${JSON.stringify(text)}`);
  return text;
}

/** @throws if `value` is not a whole number from 0 to 9 999 999 999. */
export function epoch(value: number): Epoch {
  if (!isEpoch(value)) throw new RangeError(`not an epoch: ${value}`);
  return value;
}

export const monoMs = (value: number): MonoMs => value as MonoMs;
/** The instant `durationMs` after `at`. */
export const after = (at: MonoMs, durationMs: number): MonoMs => monoMs(at + durationMs);

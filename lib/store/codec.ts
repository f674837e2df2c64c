// A heartbeat as bytes: one block of fixed size that carries its own checksum, so that a torn one is recognised.
import {crc32} from 'node:zlib';
import type {Heartbeat, Mode, NodeReport, NodeState} from '../protocol/heartbeat.ts';
import {LEASE_TIMEOUT_MAX_MS} from '../protocol/lock-name.ts';
import {isEpoch, isInstanceId, isNodeId, type NodeId} from '../protocol/words.ts';
import {Fields, formatOf, Malformed, parseJson, plainText} from './fields.ts';

/** The size of every heartbeat, bytes; a multiple of every common sector and page size, as direct I/O wants. */
export const HEARTBEAT_BYTES = 16_384;

const FORMAT = 1;
const PREFIX = `{"format":${FORMAT},"crc32":"`;
const CRC_DIGITS = 8;
/** Limits that keep a node's own report below half of the block, whatever is escaped in it. */
const BECAUSE_MAX = 500;
const URI_MAX = 500;
/** Three heartbeats fit into every lease: no node waits longer between two of them, ms. */
const INTERVAL_MAX_MS = LEASE_TIMEOUT_MAX_MS / 3;

const STATES: Readonly<Record<NodeState, true>> = {
  INITIALIZING: true,
  STANDBY: true,
  HOT_STANDBY: true,
  HOT_BACKUP: true,
  MASTER: true,
  FAILED: true,
  TERMINATED: true,
};
const MODES: Readonly<Record<Mode, true>> = {
  disabled: true,
  auto: true,
  master: true,
  standby: true,
  hot_standby: true,
  hot_backup: true,
};

/** What a block gave. A torn one may be whole when it is read again; the others stay what they are. */
export type DecodedHeartbeat =
  | {readonly kind: 'record'; readonly storeId: string; readonly heartbeat: Heartbeat}
  | {readonly kind: 'torn' | 'foreign'; readonly reason: string};

/**
 * @returns HEARTBEAT_BYTES bytes: JSON text, spaces, a newline. Reports in `seen` that find no room are dropped from its end;
 * a reason is cut at 500 characters, and a URI longer than that is left out.
 */
export function encodeHeartbeat(storeId: string, heartbeat: Heartbeat): Buffer {
  const own = JSON.stringify(wireReport(heartbeat));
  const head = `${PREFIX}${'0'.repeat(CRC_DIGITS)}","storeId":${JSON.stringify(storeId)},${own.slice(1, -1)},"seen":[`;
  const tail = ']}';
  let room = HEARTBEAT_BYTES - Buffer.byteLength(head) - tail.length - 1;
  const seen: string[] = [];
  for (const report of heartbeat.seen) {
    const text = JSON.stringify(wireReport(report));
    room -= Buffer.byteLength(text) + (seen.length > 0 ? 1 : 0);
    if (room < 0) break;
    seen.push(text);
  }
  const block = Buffer.alloc(HEARTBEAT_BYTES, ' ');
  block.write(head + seen.join(',') + tail);
  block.write('\n', HEARTBEAT_BYTES - 1);
  block.write(checksum(block), PREFIX.length);
  return block;
}

/**
 * Never throws, whatever the bytes are.
 * @param bytes what was read: a block, or less, or more.
 * @param owner the node whose file it was.
 */
export function decodeHeartbeat(bytes: Buffer, owner: NodeId): DecodedHeartbeat {
  if (bytes.length === 0) return {kind: 'torn', reason: 'is empty'};
  if (bytes.length > HEARTBEAT_BYTES)
    return {kind: 'foreign', reason: `is longer than a heartbeat, which has ${HEARTBEAT_BYTES} bytes`};
  // The padding is most of the block.
  const text = bytes.toString('utf8', 0, bytes.lastIndexOf('}') + 1);
  const json = parseJson(text);
  if (!json) return {kind: 'torn', reason: 'does not hold one JSON record: half written, or something else'};
  const format = formatOf(json.value);
  if (format !== undefined && format > FORMAT) {
    return {
      kind: 'foreign',
      reason: `was written by a newer version (format ${format}, this one knows ${FORMAT}): upgrade this node`,
    };
  }
  if (!text.startsWith(PREFIX)) return {kind: 'foreign', reason: 'holds JSON that is no heartbeat'};
  if (bytes.length !== HEARTBEAT_BYTES || text.slice(PREFIX.length, PREFIX.length + CRC_DIGITS) !== checksum(bytes)) {
    return {kind: 'torn', reason: 'has a wrong checksum'};
  }
  try {
    return parseHeartbeat(json.value, owner);
  } catch (error) {
    if (error instanceof Malformed) return {kind: 'foreign', reason: `is no heartbeat: it ${error.message}`};
    throw error;
  }
}

/** Over the whole block, its own digits taken as zeros. */
function checksum(block: Buffer): string {
  const before = crc32(block.subarray(0, PREFIX.length));
  const zeros = crc32('0'.repeat(CRC_DIGITS), before);
  return crc32(block.subarray(PREFIX.length + CRC_DIGITS), zeros)
    .toString(16)
    .padStart(CRC_DIGITS, '0');
}

function parseHeartbeat(value: unknown, owner: NodeId): DecodedHeartbeat {
  const fields = new Fields(value);
  const report = parseReport(fields);
  if (report.nodeId !== owner)
    return {kind: 'foreign', reason: `says it is of node ${report.nodeId}, in the place of node ${owner}`};
  const seen = fields.list('seen').map((entry) => parseReport(new Fields(entry)));
  return {kind: 'record', storeId: fields.string('storeId'), heartbeat: {...report, seen}};
}

const wireReport = (report: NodeReport): Record<keyof Omit<NodeReport, 'serviceUri'>, unknown> => ({
  nodeId: report.nodeId,
  instanceId: report.instanceId,
  seq: report.seq,
  state: report.state,
  epoch: report.epoch,
  mode: report.mode,
  priority: report.priority,
  eligible: report.eligible,
  cooling: report.cooling,
  heartbeatIntervalMs: report.heartbeatIntervalMs,
  because: plainText(report.because, BECAUSE_MAX),
  uri: report.uri === undefined || report.uri.length > URI_MAX ? null : report.uri,
  ...(report.serviceUri !== undefined && report.serviceUri.length <= URI_MAX && {serviceUri: report.serviceUri}),
  wallMs: report.wallMs,
});

function parseReport(fields: Fields): NodeReport {
  const epoch = fields.whole('epoch');
  const seq = fields.whole('seq');
  const serviceUri = fields.optional('serviceUri', (f) => f.sentence('serviceUri', URI_MAX));
  if (!isEpoch(epoch)) throw new Malformed('has an impossible "epoch"');
  const intervalMs = fields.optional('heartbeatIntervalMs', (f) => f.whole('heartbeatIntervalMs'));
  if (intervalMs !== undefined && (intervalMs < 1 || intervalMs > INTERVAL_MAX_MS))
    throw new Malformed('has an impossible "heartbeatIntervalMs"');
  return {
    nodeId: fields.branded('nodeId', isNodeId),
    instanceId: fields.branded('instanceId', isInstanceId),
    seq,
    state: fields.word('state', STATES),
    epoch,
    mode: fields.word('mode', MODES),
    priority: fields.whole('priority'),
    eligible: fields.boolean('eligible'),
    cooling: fields.boolean('cooling'),
    ...(intervalMs !== undefined && {heartbeatIntervalMs: intervalMs}),
    because: fields.sentence('because', BECAUSE_MAX),
    uri: fields.nullable('uri', (f) => f.sentence('uri', URI_MAX)) ?? undefined,
    ...(serviceUri !== undefined && {serviceUri}),
    wallMs: fields.number('wallMs'),
  };
}

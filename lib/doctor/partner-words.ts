// What two doctors say to each other: one JSON object per request, one per answer, both taken apart before they are believed.
import type {Timing} from '../protocol/timing.ts';
import {isNodeId, type NodeId} from '../protocol/words.ts';
import {Fields, Malformed, parseJson} from '../store/fields.ts';
import {isDoctorDirName} from '../store/paths.ts';
import {isNonce} from './workplace.ts';

/** Larger with every change that an older doctor would misunderstand. */
export const PARTNER_VERSION = 1;
/** No request and no answer is longer, bytes. */
export const MESSAGE_MAX = 65_536;
/** A race of more rounds would not fit into an answer. */
export const RACE_MAX = 4_000;
/** A race that lasts longer is refused, ms. */
export const RACE_MAX_MS = 60_000;

export type Request =
  | {readonly op: 'hello'}
  | {readonly op: 'clock'}
  | {readonly op: 'join'; readonly name: string; readonly nonce: string}
  | {readonly op: 'race'; readonly count: number; readonly startAtMs: number; readonly periodMs: number}
  | {readonly op: 'change'; readonly index: number}
  | {readonly op: 'bye'};

/** Who answers. */
export interface Hello {
  readonly version: number;
  readonly program: string;
  readonly host: string;
  readonly nodeId: NodeId;
  readonly app: string;
  readonly timing: Timing;
}

const OPS: Readonly<Record<Request['op'], true>> = {hello: true, clock: true, join: true, race: true, change: true, bye: true};

/** @throws Malformed, read after "the request". */
export function parseRequest(text: string): Request {
  const fields = fieldsOf(text);
  const op = fields.word('op', OPS);
  switch (op) {
    case 'hello':
    case 'clock':
    case 'bye':
      return {op};
    case 'join':
      return {op, name: matching(fields, 'name', isDoctorDirName), nonce: matching(fields, 'nonce', isNonce)};
    case 'race': {
      const [count, periodMs] = [within(fields, 'count', 1, RACE_MAX), within(fields, 'periodMs', 1, RACE_MAX_MS)];
      if (count * periodMs > RACE_MAX_MS) throw new Malformed('asks for a race that takes too long');
      return {op, count, periodMs, startAtMs: fields.number('startAtMs')};
    }
    case 'change':
      return {op, index: within(fields, 'index', 1, RACE_MAX)};
    default:
      return op satisfies never;
  }
}

/** @throws Malformed, read after "the answer". */
export function parseHello(fields: Fields): Hello {
  const timing = fields.object('timing');
  const ms = (key: keyof Timing): number => timing.whole(key);
  return {
    version: fields.whole('version'),
    program: fields.sentence('program', 50),
    host: fields.sentence('host', 255),
    nodeId: fields.branded('nodeId', isNodeId),
    app: fields.sentence('app', 63),
    timing: {
      heartbeatIntervalMs: ms('heartbeatIntervalMs'),
      pollIntervalMs: ms('pollIntervalMs'),
      leaseTimeoutMs: ms('leaseTimeoutMs'),
      stopTimeoutMs: ms('stopTimeoutMs'),
      safetyMarginMs: ms('safetyMarginMs'),
    },
  };
}

/** @throws Malformed */
export function fieldsOf(text: string): Fields {
  const json = parseJson(text);
  if (!json) throw new Malformed('is not JSON');
  return new Fields(json.value);
}

function matching(fields: Fields, key: string, is: (text: string) => boolean): string {
  const value = fields.string(key);
  if (!is(value)) throw new Malformed(`has a malformed "${key}"`);
  return value;
}

function within(fields: Fields, key: string, min: number, max: number): number {
  const value = fields.whole(key);
  if (value < min || value > max) throw new Malformed(`has a "${key}" that is not between ${min} and ${max}`);
  return value;
}

// store.json and the records of the history: the only place that turns their text into records and back.
import {isInstanceId, isNodeId} from '../protocol/words.ts';
import type {EpochRecord} from './contract.ts';
import {Fields, formatOf, Malformed, parseJson, plainText} from './fields.ts';
import {isStoreId} from './paths.ts';

const FORMAT = 1;
const BECAUSE_MAX = 500;
const LOCK_NAME_MAX = 255;

/** Which store a directory is. */
export interface StoreRecord {
  /** 16 hexadecimal digits. */
  readonly storeId: string;
  /** The stores that the operator replaced by this one: whoever knew one of them may go on with this. */
  readonly supersedes: readonly string[];
}

export type Parsed<T> =
  | {readonly kind: 'record'; readonly record: T}
  /** `format` is set if a newer version of this program wrote it. `reason` is read after the file's name. */
  | {readonly kind: 'bad'; readonly reason: string; readonly format: number | undefined};

const BASES: Readonly<Record<EpochRecord['why'], true>> = {free: true, silence: true, statement: true, fence: true, local: true};

export const formatStoreRecord = (record: StoreRecord): string =>
  `${JSON.stringify({format: FORMAT, storeId: record.storeId, supersedes: record.supersedes}, undefined, 2)}\n`;

/** Never throws, whatever the text is. */
export const parseStoreRecord = (text: string): Parsed<StoreRecord> =>
  parse(text, (fields) => {
    const storeId = fields.string('storeId');
    if (!isStoreId(storeId)) throw new Malformed('has a malformed "storeId"');
    const supersedes = fields.list('supersedes').map((id) => {
      if (typeof id !== 'string' || !isStoreId(id)) throw new Malformed('has a malformed id in "supersedes"');
      return id;
    });
    return {storeId, supersedes};
  });

/** Sentences in it are cut at 500 characters. */
export const formatEpochRecord = (record: EpochRecord): string =>
  `${JSON.stringify(
    {
      ...record,
      because: plainText(record.because, BECAUSE_MAX),
      ended: record.ended && {...record.ended, because: plainText(record.ended.because, BECAUSE_MAX)},
    },
    undefined,
    2,
  )}\n`;

/**
 * Never throws, whatever the text is.
 * @param epoch the epoch that the file's name states.
 */
export const parseEpochRecord = (text: string, epoch: number): Parsed<EpochRecord> =>
  parse(text, (fields) => {
    if (fields.whole('epoch') !== epoch) throw new Malformed('is about another epoch than its name says');
    const to = fields.object('to');
    const from = fields.object('from');
    const phases = fields.object('phasesMs');
    const ended = fields.nullable('ended', (f) => f.object('ended'));
    return {
      format: FORMAT,
      epoch,
      to: {nodeId: to.branded('nodeId', isNodeId), instanceId: to.branded('instanceId', isInstanceId)},
      from: {
        nodeId: from.nullable('nodeId', (f) => f.branded('nodeId', isNodeId)),
        lockName: from.sentence('lockName', LOCK_NAME_MAX),
      },
      why: fields.word('why', BASES),
      because: fields.sentence('because', BECAUSE_MAX),
      claimedAtWallMs: fields.number('claimedAtWallMs'),
      phasesMs: {
        detected: phases.optional('detected', (f) => f.nullable('detected', (g) => g.number('detected'))) ?? null,
        claimed: phases.number('claimed'),
        started: phases.nullable('started', (f) => f.number('started')),
        ready: phases.nullable('ready', (f) => f.number('ready')),
      },
      ended: ended && {wallMs: ended.number('wallMs'), because: ended.sentence('because', BECAUSE_MAX)},
    };
  });

function parse<T>(text: string, read: (fields: Fields) => T): Parsed<T> {
  const json = parseJson(text);
  if (!json) return {kind: 'bad', reason: text.trim() === '' ? 'is empty' : 'is not JSON', format: undefined};
  const format = formatOf(json.value);
  if (format !== undefined && format > FORMAT) {
    return {kind: 'bad', reason: `was written by a newer version (format ${format}, this one knows ${FORMAT})`, format};
  }
  try {
    if (format !== FORMAT) throw new Malformed('has no "format"');
    return {kind: 'record', record: read(new Fields(json.value))};
  } catch (error) {
    if (error instanceof Malformed)
      return {kind: 'bad', reason: `is no record of this program: it ${error.message}`, format: undefined};
    throw error;
  }
}

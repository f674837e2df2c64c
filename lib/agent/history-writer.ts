// The history of epochs, written by their owner into the store: not a log, so nothing is dropped while the agent lives.
import type {HistoryEvent} from '../protocol/agent-state.ts';
import type {Self} from '../protocol/agent-state.ts';
import {parseLockName} from '../protocol/lock-name.ts';
import type {MonoMs} from '../protocol/words.ts';
import type {EpochRecord, Store} from '../store/contract.ts';
import type {Clock, Reporter} from './ports.ts';

export interface HistoryWriter {
  add(event: HistoryEvent): void;
  /** Resolves once everything is written, or after `limitMs`. */
  settle(limitMs: number): Promise<void>;
}

/** How long to wait after a failed write before it is tried again, ms. */
const RETRY_MS = 1_000;

/** @param changedAt when this node first saw the lock under that name; undefined: it did not. */
export function createHistoryWriter(
  self: Self,
  store: Pick<Store, 'writeHistory' | 'readEpoch'>,
  clock: Clock,
  log: Reporter,
  changedAt: (lockName: string) => MonoMs | undefined,
): HistoryWriter {
  const records = new Map<number, {record: EpochRecord; detectedAt: number}>();
  /** Ends of epochs that an earlier instance of this node claimed: its record gets them. */
  const adopted = new Map<number, EpochRecord['ended']>();
  const dirty = new Set<number>();
  let writing: Promise<void> | undefined;
  let ending = false;

  async function writeAll(): Promise<void> {
    let failed = false;
    for (const epoch of dirty) {
      dirty.delete(epoch);
      try {
        const record = records.get(epoch)?.record ?? (await endedRecord(epoch));
        if (record) await store.writeHistory(record);
        if (record?.ended) records.delete(epoch);
        adopted.delete(epoch);
        failed = false;
      } catch (error) {
        dirty.add(epoch);
        if (!failed) log.warn(`could not write the history of epoch ${epoch}: trying again`, {reason: String(error)});
        failed = true;
        if (ending) return;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
      }
    }
  }

  async function endedRecord(epoch: number): Promise<EpochRecord | undefined> {
    const ended = adopted.get(epoch);
    const found = ended && (await store.readEpoch(epoch));
    return found?.to.nodeId === self.nodeId && !found.ended ? {...found, ended: ended ?? null} : undefined;
  }

  function kick(): void {
    writing ??= writeAll().finally(() => {
      writing = undefined;
      if (dirty.size > 0 && !ending) kick();
    });
  }

  return {
    add(event) {
      const changed = applyEvent(records.get(event.epoch), event, {self, clock, changedAt});
      if (changed) records.set(event.epoch, changed);
      else if (event.kind === 'ended' && !records.has(event.epoch)) adopted.set(event.epoch, endOf(event, clock));
      else return;
      dirty.add(event.epoch);
      kick();
    },
    async settle(limitMs) {
      ending = true;
      const limit = new Promise<void>((resolve) => setTimeout(resolve, limitMs).unref());
      if (writing) await Promise.race([writing, limit]);
      if (dirty.size > 0) await Promise.race([writeAll(), limit]);
    },
  };
}

type Entry = {readonly record: EpochRecord; readonly detectedAt: number};

interface Witness {
  readonly self: Self;
  readonly clock: Clock;
  readonly changedAt: (lockName: string) => MonoMs | undefined;
}

/** @returns undefined for an epoch that an earlier instance claimed, and where nothing changes. */
function applyEvent(entry: Entry | undefined, event: HistoryEvent, {self, clock, changedAt}: Witness): Entry | undefined {
  if (event.kind === 'claimed') {
    const from = parseLockName(event.from);
    const seenAt = changedAt(event.from);
    const agoMs = clock.now() - event.claimedAt;
    const record: EpochRecord = {
      format: 1,
      epoch: event.epoch,
      to: {nodeId: self.nodeId, instanceId: self.instanceId},
      from: {nodeId: from?.writer?.nodeId ?? null, lockName: event.from},
      why: event.why,
      because: whyOf(event.why, from?.writer?.nodeId ?? 'nobody'),
      claimedAtWallMs: Math.round(clock.wallMs() - agoMs),
      phasesMs: {
        detected: seenAt === undefined ? null : Math.round(event.detectedAt - seenAt),
        claimed: Math.round(event.claimedAt - event.detectedAt),
        started: null,
        ready: null,
      },
      ended: null,
    };
    return {record, detectedAt: event.detectedAt};
  }
  if (!entry) return undefined;
  const {record, detectedAt} = entry;
  if (event.kind === 'ended') {
    return {detectedAt, record: {...record, ended: endOf(event, clock)}};
  }
  if (record.phasesMs[event.kind] !== null) return undefined;
  return {detectedAt, record: {...record, phasesMs: {...record.phasesMs, [event.kind]: Math.round(event.at - detectedAt)}}};
}

const endOf = (event: HistoryEvent & {kind: 'ended'}, clock: Clock): EpochRecord['ended'] => ({
  wallMs: Math.round(clock.wallMs()),
  because: event.because,
});

const NEW_STORE = 'the store was new, and one lease timeout was over';

function whyOf(why: EpochRecord['why'], from: string): string {
  switch (why) {
    case 'free':
      return from === 'nobody' ? 'nobody had held the lease' : `${from} had released the lease`;
    case 'silence':
      return from === 'nobody' ? NEW_STORE : `${from} had been silent for the whole lease`;
    case 'statement':
      return `the operator said that ${from} was dead`;
    case 'fence':
      return `${from} had been fenced`;
    case 'local':
      return 'the earlier instance on this host was proven dead';
    default:
      return why satisfies never;
  }
}

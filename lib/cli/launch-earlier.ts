// What earlier instances of this node left on this host: ended before the node joins, and proven gone as soon as that is known.
import {lookAtEarlier, type Earlier} from '../agent/earlier.ts';
import {parseKept, provenInstances, type KeptGuardian} from '../agent/kept-guardians.ts';
import {killGuardian, type GuardianRecord} from '../guardian/record.ts';
import type {InstanceId} from '../protocol/words.ts';
import type {LocalState} from '../agent/local-state.ts';
import type {Reporter} from '../agent/ports.ts';

/** What of a workbench is needed here. */
export interface EarlierBench {
  readonly state: Pick<LocalState, 'guardian'>;
  readonly log: Reporter;
  readonly leaving: AbortController;
}

export interface EarlierInstances {
  /** As guardian.json has them, newest first. */
  readonly kept: readonly KeptGuardian[];
  /** The guardian that is to be taken over. */
  readonly living: GuardianRecord | undefined;
  /** That guardian is dead after all; `proven`: and so is what it ran. */
  lost(proven: boolean): void;
  /** The passive form has succeeded: nothing runs that only it can tell of. */
  passive(): void;
  /** The instances of which nothing is left. */
  proven(): readonly InstanceId[];
}

/** How long one round of killing may take, ms. */
const ROUND_MS = 1_000;

/**
 * (K) Does not return while a process is known to be left that the last guardian does not hold.
 * @param waiting told what is waited for.
 * @param adopts whether the last guardian may be taken over.
 * @returns undefined if the node was told to end before.
 */
export async function settleEarlier(
  bench: EarlierBench,
  waiting: (because: string) => void,
  adopts = true,
): Promise<EarlierInstances | undefined> {
  const kept = parseKept(await bench.state.guardian());
  const found = new Map<KeptGuardian, Earlier['kind']>();
  for (const guardian of kept) {
    const settled = await settle(bench, guardian.record, adopts && guardian === kept[0], waiting);
    if (!settled) return undefined;
    logEarlier(bench, settled);
    found.set(guardian, settled.kind);
  }
  const newest = kept[0];
  return {
    kept,
    living: newest && found.get(newest) === 'guardian' ? newest.record : undefined,
    lost(proven) {
      if (newest && found.get(newest) === 'guardian') found.set(newest, proven ? 'proven' : 'passive');
    },
    passive() {
      for (const [guardian, kind] of found) if (kind === 'passive') found.set(guardian, 'proven');
    },
    proven: () => provenInstances(kept, (guardian) => found.get(guardian) === 'proven'),
  };
}

/** @param adoptable whether its guardian may be taken over; an older one has no business any more. */
async function settle(
  {log, leaving}: EarlierBench,
  record: GuardianRecord,
  adoptable: boolean,
  waiting: (because: string) => void,
): Promise<Earlier | undefined> {
  let said = '';
  for (;;) {
    const found = lookAtEarlier(record);
    if (found.kind !== 'left' && (found.kind !== 'guardian' || adoptable)) return found;
    const pids = found.kind === 'left' ? found.pids : [record.guardian.pid];
    const because = `killing what an earlier instance left (process ${pids.join(', ')}): the node does not join before it is gone`;
    if (because !== said) log.warn(because);
    said = because;
    waiting(because);
    await killGuardian(record, true, ROUND_MS);
    if (leaving.signal.aborted) return undefined;
  }
}

function logEarlier({log}: EarlierBench, earlier: Earlier): void {
  switch (earlier.kind) {
    case 'nothing':
      return log.debug('no local proof about an earlier instance', {because: earlier.because});
    case 'guardian':
      return log.info('the guardian of an earlier agent lives', {pid: earlier.record.guardian.pid});
    case 'proven':
      return log.info('the earlier instance on this host is proven dead', {because: earlier.because});
    case 'passive':
      return log.info('the earlier instance on this host is dead; its service is asked for with the passive form');
    case 'left':
      return;
    default:
      return earlier satisfies never;
  }
}

// What is kept of a guardian on this host's disk before a claim, and what it proves after a restart.
import {after} from '../protocol/words.ts';
import {removeAddresses, type FloatingAddress} from './address.ts';
import {bootNow} from './clock.ts';
import {
  INITIAL_PID_NAMESPACE,
  allProcesses,
  bootId,
  inInnerNamespace,
  isAlive,
  machineId,
  mentions,
  pidNamespace,
  productUuid,
  signal,
} from './proc.ts';
import type {ProcessIdentity} from './proc.ts';
import {markerText} from './containment.ts';
import {Family} from './family.ts';

/** Plain JSON. Secret because of the token: a file of mode 0600. */
export interface GuardianRecord {
  readonly version: 1;
  readonly socketPath: string;
  /** Who shows it may command the guardian. */
  readonly token: string;
  readonly guardian: ProcessIdentity;
  /** The agent that the guardian obeys. */
  readonly agent: ProcessIdentity;
  readonly marker: string;
  /** Who holds the service of the latest run: leader of its group and session, or first process of its namespace. */
  readonly holder?: ProcessIdentity | undefined;
  /** `exec` by its containment; `ensure` stands for `systemd` too: only the passive form tells. */
  readonly service: 'none' | 'ensure' | 'namespace' | 'group';
  /** What it may have put up. */
  readonly addresses?: readonly FloatingAddress[] | undefined;
  readonly pidNamespace: string;
  readonly machineId: string;
  readonly productUuid: string | undefined;
}

/** Where this process runs: the part of a record that makes the numbers in it mean something. */
export const placeOfRecord = (): Pick<GuardianRecord, 'pidNamespace' | 'machineId' | 'productUuid'> => ({
  pidNamespace: pidNamespace(),
  machineId: machineId(),
  productUuid: productUuid(),
});

/** The record once a run is held: has to be durable as soon as the guardian tells of the holder. */
export const recordWithHolder = (record: GuardianRecord, holder: ProcessIdentity): GuardianRecord => ({...record, holder});

export type Trace =
  /** `kernel`: its containment cannot be escaped. `scan`: nothing of it was found. `reboot`: nothing survives one. */
  | {readonly kind: 'gone'; readonly how: 'kernel' | 'scan' | 'reboot' | 'nothing to run'}
  | {readonly kind: 'left'; readonly pids: readonly number[]}
  | {readonly kind: 'unknown'; readonly because: string};

export type Leftovers =
  | {readonly kind: 'elsewhere'; readonly because: string}
  | {readonly kind: 'here'; readonly agent: 'gone' | 'alive'; readonly guardian: 'gone' | 'alive'; readonly service: Trace};

/**
 * Local proof after a restart of the agent. `elsewhere`: the record says nothing about this host. The service is looked at after
 * agent and guardian, because either could still start it.
 */
export function whatIsLeft(record: GuardianRecord): Leftovers {
  const elsewhere = whyElsewhere(record);
  if (elsewhere !== undefined) return {kind: 'elsewhere', because: elsewhere};
  const agent = isAlive(record.agent) ? 'alive' : 'gone';
  const guardian = isAlive(record.guardian) ? 'alive' : 'gone';
  return {kind: 'here', agent, guardian, service: traceOfService(record)};
}

function whyElsewhere(record: GuardianRecord): string | undefined {
  const here = placeOfRecord();
  if (here.machineId === '') return 'this machine has no machine-id, so that it cannot be told from another';
  if (record.machineId !== here.machineId) return 'the record was made on another machine (machine-id)';
  if (record.productUuid !== undefined && here.productUuid !== undefined && record.productUuid !== here.productUuid) {
    return 'the record was made on other hardware (DMI product uuid)';
  }
  const rebooted = record.guardian.bootId !== bootId();
  const expected = rebooted ? INITIAL_PID_NAMESPACE : record.pidNamespace;
  if (here.pidNamespace !== expected) {
    return rebooted
      ? 'after a reboot, only the initial PID namespace sees every process'
      : 'the record was made in another PID namespace (container)';
  }
  return undefined;
}

/** What runs of the service, as far as its containment lets one know. */
export const traceOfService = (record: GuardianRecord): Trace => traceWith(record, familyOf(record));

/** Marker, and with the holder also its group, its session and the children of what is found there. */
const familyOf = (record: GuardianRecord): Family =>
  new Family(record.holder?.bootId === bootId() ? record.holder : undefined, markerText(record.marker));

function traceWith(record: GuardianRecord, family: Family): Trace {
  if (record.service === 'none') return {kind: 'gone', how: 'nothing to run'};
  if (record.service === 'ensure')
    return {kind: 'unknown', because: 'only its passive command can tell whether the service is active'};
  if (record.guardian.bootId !== bootId()) return {kind: 'gone', how: 'reboot'};
  const pids = leftOf(record, family);
  if (pids.length > 0) return {kind: 'left', pids};
  if (record.service === 'group') return {kind: 'gone', how: 'scan'};
  const dying = findDying();
  // What a dying first process leaves unreadable might be the one that we look for.
  if (dying.length > 0) return {kind: 'unknown', because: `a PID namespace is just ending (process ${dying.join(', ')})`};
  return {kind: 'gone', how: 'kernel'};
}

/** Ending the first process of a namespace is enough, and reaches what has dropped every mark. */
function leftOf(record: GuardianRecord, family: Family): number[] {
  if (record.service === 'group') return family.pids();
  const pids = findMarked(record.marker);
  const {holder} = record;
  return holder && isAlive(holder) && !pids.includes(holder.pid) ? [...pids, holder.pid] : pids;
}

/** Living processes that carry the marker; the holder of a namespace always does. */
export const findMarked = (marker: string): number[] =>
  allProcesses()
    .filter((look) => look.pid !== process.pid && mentions(look.pid, markerText(marker)))
    .map((look) => look.pid);

const findDying = (): number[] =>
  allProcesses()
    .filter((look) => look.exiting && inInnerNamespace(look.pid))
    .map((look) => look.pid);

export interface KillResult {
  /** Guardian and service are known to be gone. */
  readonly proven: boolean;
  readonly how: (Trace & {kind: 'gone'})['how'] | undefined;
  /** Processes that were still there at the end. */
  readonly survivors: readonly number[];
  /** A floating address of it may still be up. */
  readonly addressLeft?: true;
  readonly because: string;
}

const KILL_PAUSE_MS = 10;

/**
 * Kills a guardian, sees it gone, then kills what is left of its service and sees that gone, and takes down its floating addresses.
 * @param ran whether the guardian has been told to start anything: if not, an `ensure` service needs no proof either.
 * @param limitMs gives up after it; at least 0.
 */
export async function killGuardian(record: GuardianRecord, ran: boolean, limitMs: number): Promise<KillResult> {
  const killed = await killProcesses(record, ran, limitMs);
  // Their holder does that too, unless it was killed as well.
  const left = killed.survivors.includes(record.guardian.pid) ? undefined : await removeAddresses(record.addresses ?? []);
  return left === undefined ? killed : {...failed(killed.survivors, left), addressLeft: true};
}

async function killProcesses(record: GuardianRecord, ran: boolean, limitMs: number): Promise<KillResult> {
  const endAt = after(bootNow(), limitMs);
  const late = (): boolean => bootNow() > endAt;
  // Who descends from whom is best known while all live.
  const family = familyOf(record);
  if (record.service === 'group') family.pids();
  for (signal(record.guardian, 'SIGKILL'); isAlive(record.guardian); await pause()) {
    if (late()) return failed([record.guardian.pid], 'the guardian cannot be killed');
  }
  if (!ran && record.service === 'ensure')
    return {proven: true, how: 'nothing to run', survivors: [], because: 'nothing had been started'};
  for (;;) {
    const trace = strike(record, family);
    if (trace.kind === 'gone')
      return {proven: true, how: trace.how, survivors: [], because: `guardian and service are gone (${trace.how})`};
    if (trace.kind === 'unknown' && record.service === 'ensure') return failed([], trace.because);
    if (late())
      return trace.kind === 'left' ? failed(trace.pids, 'processes of the service cannot be killed') : failed([], trace.because);
    await pause();
  }
}

/** One round of SIGKILL, whoever of them may not be signalled. @returns what was there before it. */
function strike(record: GuardianRecord, family: Family): Trace {
  const pids = leftOf(record, family);
  for (const look of allProcesses()) {
    if (pids.includes(look.pid)) signal({pid: look.pid, startTicks: look.startTicks, bootId: bootId()}, 'SIGKILL');
  }
  return pids.length > 0 ? {kind: 'left', pids} : traceWith(record, family);
}

const failed = (survivors: readonly number[], because: string): KillResult => ({
  proven: false,
  how: undefined,
  survivors,
  because,
});

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, KILL_PAUSE_MS));

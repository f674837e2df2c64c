// Who a process is and what is left of a family of processes, as /proc tells it. Reads are synchronous: /proc never hangs.
import {readdirSync, readFileSync, readlinkSync} from 'node:fs';

/** A process beyond doubt: numbers are reused, number + start time + boot are not. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks from boot to the start of the process. */
  readonly startTicks: number;
  /** /proc/sys/kernel/random/boot_id of the boot it was started in. */
  readonly bootId: string;
}

/** One process at one moment. */
export interface ProcessLook {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  readonly startTicks: number;
  /** Only its entry is left: it runs nothing and holds nothing. */
  readonly dead: boolean;
  /** It has begun to die: its command line and environment can no longer be read. */
  readonly exiting: boolean;
}

const PF_EXITING = 0x4;

/** @returns undefined if no process has this number now. */
export function lookAt(pid: number): ProcessLook | undefined {
  const text = readProc(`/proc/${pid}/stat`);
  // The name in parentheses may contain anything, also ") ": the fields begin after the last one.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
  if (fields === undefined || fields.length < 20) return undefined;
  const numbers = fields.map(Number);
  const [state] = fields;
  return {
    pid,
    parent: numbers[1] ?? 0,
    group: numbers[2] ?? 0,
    session: numbers[3] ?? 0,
    startTicks: numbers[19] ?? 0,
    dead: state === 'Z' || state === 'X',
    exiting: ((numbers[6] ?? 0) & PF_EXITING) !== 0,
  };
}

/** @returns undefined if no process has this number, or only a dead one. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  const look = lookAt(pid);
  return look && !look.dead ? {pid, startTicks: look.startTicks, bootId: bootId()} : undefined;
}

/** Whether this very process still runs, stopped or not; one that is only waiting to be reaped does not. */
export function isAlive(identity: ProcessIdentity): boolean {
  if (identity.bootId !== bootId()) return false;
  const look = lookAt(identity.pid);
  return look !== undefined && !look.dead && look.startTicks === identity.startTicks;
}

/**
 * Sends a signal to this very process.
 * @returns false if it is not there any more, or if it belongs to somebody whom we may not signal (EPERM); `isAlive` tells which. One
 *   such process must never keep the others from being signalled.
 */
export function signal(identity: ProcessIdentity, name: NodeJS.Signals): boolean {
  if (!isAlive(identity)) return false;
  try {
    process.kill(identity.pid, name);
    return true;
  } catch (error) {
    if (hasCode(error, 'ESRCH', 'EPERM')) return false;
    throw error;
  }
}

/** Sends a signal to a process group. @returns false if nobody is in it, or nobody who may be signalled. */
export function signalGroup(group: number, name: NodeJS.Signals): boolean {
  try {
    process.kill(-group, name);
    return true;
  } catch (error) {
    if (hasCode(error, 'ESRCH', 'EPERM')) return false;
    throw error;
  }
}

/** Every process of this PID namespace that is not dead. */
export function allProcesses(): ProcessLook[] {
  const looks: ProcessLook[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const look = lookAt(Number(name));
    if (look && !look.dead) looks.push(look);
  }
  return looks;
}

/** Living children of a process, oldest first. */
export function childrenOf(pid: number): ProcessLook[] {
  const text = readProc(`/proc/${pid}/task/${pid}/children`);
  if (text === undefined) return allProcesses().filter((look) => look.parent === pid);
  const looks = text
    .split(' ')
    .filter((word) => word !== '')
    .map((word) => lookAt(Number(word)));
  return looks.filter((look) => look !== undefined && !look.dead && look.parent === pid) as ProcessLook[];
}

/** Whether `text` stands in the environment or in the command line of a process; false where they cannot be read. */
export const mentions = (pid: number, text: string): boolean =>
  (readProc(`/proc/${pid}/cmdline`)?.includes(text) ?? false) || (readProc(`/proc/${pid}/environ`)?.includes(text) ?? false);

/** Whether a process lives in a PID namespace below ours; false if it has just disappeared. */
export function inInnerNamespace(pid: number): boolean {
  const line = readProc(`/proc/${pid}/status`)
    ?.split('\n')
    .find((each) => each.startsWith('NSpid:'));
  return line !== undefined && line.trim().split(/\s+/).length > 2;
}

let knownBootId: string | undefined;
/** Different after each boot of this host. */
export const bootId = (): string => (knownBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim());

/** `pid:[4026531836]`: process numbers mean something only inside one. */
export const pidNamespace = (): string => readlinkSync('/proc/self/ns/pid');

/** The PID namespace that a host boots into always has this name. */
export const INITIAL_PID_NAMESPACE = 'pid:[4026531836]';

/** The installation; the empty string where there is none. */
export const machineId = (): string => (readProc('/etc/machine-id') ?? readProc('/var/lib/dbus/machine-id') ?? '').trim();

/** The hardware or virtual machine; undefined where it cannot be read (not root, no DMI). */
export const productUuid = (): string | undefined => readProc('/sys/class/dmi/id/product_uuid')?.trim();

/** Whether `error` is a system error with one of these codes. */
export const hasCode = (error: unknown, ...codes: readonly string[]): boolean =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' && codes.includes(error.code);

/** @returns undefined if it is not there (any more) or not ours to read. */
function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'ENOTDIR', 'EIO')) return undefined;
    throw error;
  }
}

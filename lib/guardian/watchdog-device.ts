// What the kernel says of a watchdog without opening it, because to open one is to arm it.
import {access, constants, readFile, realpath, stat} from 'node:fs/promises';
import {basename} from 'node:path';
import {hasCode} from './proc.ts';

export interface WatchdogSpec {
  readonly device: string;
  /** `automatic`: where it cannot be armed the service is started without it. */
  readonly mode: 'automatic' | 'required';
  /** For a device whose timeout the kernel does not tell, ms. */
  readonly timeoutMs: number | undefined;
}

export type WatchdogLook =
  | {readonly usable: true; readonly timeoutMs: number}
  | {readonly usable: false; readonly because: string; readonly remedy: string};

const LOAD =
  'load the driver of its hardware, or the kernel\'s own: "modprobe softdog soft_margin=15", and say watchdogDevice if it has another name';

/** Whether this process could arm it, and after how long without a word it resets the host. Never rejects. */
export async function lookAtWatchdog({device, timeoutMs}: Pick<WatchdogSpec, 'device' | 'timeoutMs'>): Promise<WatchdogLook> {
  const fault = (because: string, remedy: string): WatchdogLook => ({usable: false, because: `${device} ${because}`, remedy});
  try {
    const real = await realpath(device);
    const found = await stat(real);
    if (!found.isCharacterDevice() && !found.isFIFO()) return fault('is no device', 'say the right one with watchdogDevice');
    await access(real, constants.W_OK);
    const told = found.isCharacterDevice() ? await readAttributes(real) : undefined;
    if (told?.nowayout === true)
      return fault(
        'cannot be disarmed (nowayout): every stop of the service would reset the host',
        'load its driver with nowayout=0',
      );
    const knownMs = told?.timeoutMs ?? timeoutMs;
    if (knownMs === undefined)
      return fault('does not tell its timeout below /sys/class/watchdog', 'say with watchdogTimeout what its driver has set');
    return {usable: true, timeoutMs: knownMs};
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'ENXIO')) return fault('is not there', LOAD);
    if (hasCode(error, 'EACCES', 'EPERM', 'EROFS'))
      return fault('may not be opened by this user', 'run the agent as root, or give its user write permission by a udev rule');
    if (!(error instanceof Error)) throw error;
    return fault(`cannot be looked at: ${error.message}`, LOAD);
  }
}

interface Attributes {
  readonly timeoutMs: number | undefined;
  readonly nowayout: boolean;
}

/** `/dev/watchdog` is another name of the first one. */
async function readAttributes(real: string): Promise<Attributes> {
  const name = basename(real);
  const directory = `/sys/class/watchdog/${name === 'watchdog' ? 'watchdog0' : name}`;
  const [timeout, nowayout] = await Promise.all(['timeout', 'nowayout'].map((each) => readAttribute(`${directory}/${each}`)));
  const seconds = Number(timeout);
  return {timeoutMs: seconds > 0 ? seconds * 1_000 : undefined, nowayout: nowayout === '1'};
}

/** @returns undefined where the driver has no such attribute. */
async function readAttribute(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'latin1')).trim();
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENODEV', 'EACCES', 'EOPNOTSUPP')) return undefined;
    throw error;
  }
}

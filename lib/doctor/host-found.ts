// What can be found out on this host without the store: containment, clock, lateness, state directory, watchdogs.
import {fork} from 'node:child_process';
import {access, constants, readdir} from 'node:fs/promises';
import {dirname, extname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {mountKindOf} from '../agent/mount.ts';
import type {Config} from '../config/config.ts';
import {bootNow} from '../guardian/clock.ts';
import {describeAddress} from '../guardian/address.ts';
import {unmetNeeds} from '../guardian/address-needs.ts';
import {probeContainment} from '../guardian/containment-probe.ts';
import {lookAtWatchdog} from '../guardian/watchdog-device.ts';
import type {HostFound, StateDirFound} from './findings.ts';

const CLOCK_SCRIPT = fileURLToPath(new URL(`./clock-main${extname(import.meta.url)}`, import.meta.url));
/** How long another process may take to tell the time, ms. */
const CLOCK_LIMIT_MS = 10_000;
/** How often lateness is looked at, ms. */
const TICK_MS = 50;

/** @param lateness of the time that the doctor needed for everything else. */
export async function findHost({containment, stateDir, vip, watchdog}: Config, lateness: Lateness): Promise<HostFound> {
  const {mode, device} = watchdog;
  return {
    clockDifferenceMs: await clockDifference(),
    containment: await probeContainment(containment),
    stateDir: await findStateDir(stateDir),
    watchdogs: await findWatchdogs(),
    watchdog: mode === 'off' ? undefined : {device, mode, look: await lookAtWatchdog(watchdog)},
    vip: vip.length === 0 ? undefined : {addresses: vip.map(describeAddress).join(', '), needs: await unmetNeeds(vip)},
    latenessMs: lateness.stop(),
  };
}

/** A process that starts now knows nothing of what this one has seen of the clock before, as guardian and agent do not of each other. */
async function clockDifference(): Promise<number | undefined> {
  const child = fork(CLOCK_SCRIPT, [], {execArgv: [], cwd: '/', stdio: ['ignore', 'ignore', 'inherit', 'ipc']});
  const timer = setTimeout(() => child.kill('SIGKILL'), CLOCK_LIMIT_MS);
  const difference = await new Promise<number | undefined>((resolve) => {
    child.once('error', () => resolve(undefined));
    child.once('exit', () => resolve(undefined));
    let askedAt = 0;
    child.on('message', (said) => {
      const now = bootNow();
      if (said === 'ready') {
        askedAt = now;
        child.send('ask');
      } else if (typeof said === 'number') {
        // The answer was made at some moment between the two.
        resolve(Math.round(said < askedAt ? said - askedAt : Math.max(0, said - now)));
      }
    });
  });
  clearTimeout(timer);
  if (child.connected) child.disconnect();
  return difference;
}

/** Permissions alone: nothing is made here; and what is not local may hang, so that it is not even looked at. */
async function findStateDir(path: string): Promise<StateDirFound> {
  const kind = await mountKindOf(path);
  if (kind && kind.kind !== 'local') return {path, existing: path, writable: true, mountType: kind.type};
  let existing = path;
  while (existing !== '/' && !(await may(existing, constants.F_OK))) existing = dirname(existing);
  return {path, existing, writable: await may(existing, constants.W_OK | constants.X_OK), mountType: kind?.type};
}

/** Looks at permissions only: to open a watchdog is to arm it. */
async function findWatchdogs(): Promise<{device: string; usable: boolean}[]> {
  const devices = (await readdir('/dev')).filter((name) => /^watchdog\d*$/.test(name)).sort();
  const found: {device: string; usable: boolean}[] = [];
  for (const name of devices) {
    const device = join('/dev', name);
    found.push({device, usable: await may(device, constants.R_OK | constants.W_OK)});
  }
  return found;
}

async function may(path: string, mode: number): Promise<boolean> {
  try {
    await access(path, mode);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false;
    throw error;
  }
}

/** By how much timers of this process come late. */
export class Lateness {
  readonly #timer: NodeJS.Timeout;
  #maxMs = 0;
  #expected = performance.now() + TICK_MS;

  constructor() {
    this.#timer = setInterval(() => {
      const now = performance.now();
      this.#maxMs = Math.max(this.#maxMs, now - this.#expected);
      this.#expected = now + TICK_MS;
    }, TICK_MS);
  }

  /** @returns the most that was seen, ms. */
  stop(): number {
    clearInterval(this.#timer);
    return Math.round(this.#maxMs);
  }
}

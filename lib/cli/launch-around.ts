// What is around the service, as the agent sees to it: refused where it cannot work, left-overs removed, and a watchdog that may be missing.
import {watchdogTimingFault, WATCHDOG_TIMING_REMEDY} from '../agent/watchdog-timing.ts';
import type {FitnessBoard} from '../agent/fitness.ts';
import type {Config} from '../config/config.ts';
import {HaError} from '../errors.ts';
import {describeAddress, removeAddresses, type FloatingAddress} from '../guardian/address.ts';
import {unmetNeeds} from '../guardian/address-needs.ts';
import type {Around} from '../guardian/around.ts';
import {lookAtWatchdog} from '../guardian/watchdog-device.ts';
import type {Workbench} from './launch-bench.ts';

/** How often a required watchdog is looked at, ms. */
const LOOK_MS = 5_000;
/** How often the removal of an address is tried again, ms. */
const RETRY_MS = 500;

/** For the guardian; undefined where nothing surrounds the service. */
export function aroundOf({vip: addresses, watchdog: {mode, device, timeoutMs}}: Config): Around | undefined {
  const watchdog = mode === 'off' ? undefined : {device, mode, timeoutMs};
  return watchdog || addresses.length > 0 ? {addresses, watchdog} : undefined;
}

/** @throws HaError vip.unusable, watchdog.unusable: what no waiting would mend. */
export async function refuseUnusable({vip, watchdog, timing}: Config): Promise<void> {
  const needs = await unmetNeeds(vip);
  const [first] = needs;
  if (first) {
    const reason = needs.map(({because}) => because).join('; ');
    const message = `the floating address ${vip.map(describeAddress).join(', ')} cannot be held here: ${reason}`;
    throw new HaError('vip.unusable', {reason}, {message, hint: needs.map(({remedy}) => remedy).join('; ')});
  }
  if (watchdog.mode !== 'required') return;
  const look = await lookAtWatchdog(watchdog);
  const reason = look.usable ? watchdogTimingFault(timing, look.timeoutMs) : undefined;
  if (reason === undefined) return;
  const {device} = watchdog;
  throw new HaError('watchdog.unusable', {device, reason}, {message: `${device}: ${reason}`, hint: WATCHDOG_TIMING_REMEDY});
}

/**
 * Removes the configured addresses, which an instance of this node has left if agent, guardian and their holder were killed together.
 * Nothing is started, and nothing proven, before they are gone.
 * @param held what a living guardian may have up.
 * @param waiting told what is waited for. @returns false if the node was told to end before.
 */
export async function removeLeftAddresses(
  {config, log, leaving}: Pick<Workbench, 'config' | 'log' | 'leaving'>,
  held: readonly FloatingAddress[],
  waiting: (because: string) => void,
): Promise<boolean> {
  const isHeld = ({address}: FloatingAddress): boolean => held.some((each) => each.address === address);
  const left = config.vip.filter((each) => !isHeld(each));
  for (let said = ''; ;) {
    const because = await removeAddresses(left);
    if (because === undefined) return true;
    const text = `removing what an earlier instance left: ${because}`;
    if (text !== said) log.warn(text);
    said = text;
    waiting(text);
    if (leaving.signal.aborted) return false;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** A node whose required watchdog could not be armed is not eligible; where it is only wanted, that is said once. */
export function attendWatchdog({config, log, closers}: Workbench, {note}: Pick<FitnessBoard, 'note'>): void {
  const {watchdog, timing} = config;
  if (watchdog.mode === 'off') return;
  const look = async (): Promise<void> => {
    const found = await lookAtWatchdog(watchdog);
    const misfit = found.usable ? watchdogTimingFault(timing, found.timeoutMs) : undefined;
    const fault = found.usable ? misfit && `${misfit} (${WATCHDOG_TIMING_REMEDY})` : `${found.because} (${found.remedy})`;
    if (watchdog.mode === 'required') note('watchdog', fault && `the watchdog it needs: ${fault}`);
    else if (fault !== undefined) log.warn(`the service runs without a watchdog: ${fault}`);
  };
  if (watchdog.mode === 'automatic') return void look();
  note('watchdog', 'the watchdog it needs has not been looked at yet');
  void look();
  const timer = setInterval(() => void look(), LOOK_MS);
  closers.push(() => clearInterval(timer));
}

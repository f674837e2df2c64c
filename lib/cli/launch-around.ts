// What is around the service, as the agent sees to it: refused where it cannot work, left-overs removed, and a watchdog that may be missing.
import {watchdogTimingFault, WATCHDOG_TIMING_REMEDY} from '../agent/watchdog-timing.ts';
import type {FitnessBoard} from '../agent/fitness.ts';
import type {Config} from '../config/config.ts';
import {HaError} from '../errors.ts';
import {describeAddress, lookForAddress, removeAddresses, type FloatingAddress} from '../guardian/address.ts';
import {unmetNeeds} from '../guardian/address-needs.ts';
import type {Around} from '../guardian/around.ts';
import {bootId} from '../guardian/proc.ts';
import {lookAtWatchdog} from '../guardian/watchdog-device.ts';
import type {RootLog} from '../log/log.ts';
import type {Workbench} from './launch-bench.ts';
import type {EarlierInstances} from './launch-earlier.ts';

/** How often a required watchdog is looked at, ms. */
const LOOK_MS = 5_000;
/** How often the removal of an address is tried again, ms. */
const RETRY_MS = 500;

type WatchdogConfig = Pick<Config, 'watchdog' | 'timing' | 'highAvailability'>;

/** For the guardian; undefined where nothing surrounds the service. */
export function aroundOf({vip: addresses, watchdog: {mode, device, timeoutMs}}: Config): Around | undefined {
  const watchdog = mode === 'off' ? undefined : {device, mode, timeoutMs};
  return watchdog || addresses.length > 0 ? {addresses, watchdog} : undefined;
}

/** @throws HaError vip.unusable, watchdog.unusable: what no waiting would mend. */
export async function refuseUnusable(config: WatchdogConfig & Pick<Config, 'vip'>): Promise<void> {
  const {vip, watchdog} = config;
  const needs = await unmetNeeds(vip);
  const [first] = needs;
  if (first) {
    const reason = needs.map(({because}) => because).join('; ');
    const message = `the floating address ${vip.map(describeAddress).join(', ')} cannot be held here: ${reason}`;
    throw new HaError('vip.unusable', {reason}, {message, hint: needs.map(({remedy}) => remedy).join('; ')});
  }
  if (watchdog.mode !== 'required') return;
  const look = await lookAtWatchdog(watchdog);
  const reason = look.usable ? misfitOf(config, look.timeoutMs) : undefined;
  if (reason === undefined) return;
  const {device} = watchdog;
  throw new HaError('watchdog.unusable', {device, reason}, {message: `${device}: ${reason}`, hint: WATCHDOG_TIMING_REMEDY});
}

/** What of a workbench is needed for addresses. */
export interface AddressBench extends Pick<Workbench, 'leaving'> {
  readonly config: Pick<Config, 'vip'>;
  readonly log: Pick<RootLog, 'warn'>;
}

/**
 * Removes the addresses that instances of this node have left if agent, guardian and their holder were killed together: those that the
 * records of this boot name, whatever is configured by now. Nothing is started, and nothing proven, before they are gone.
 * @param earlier the records, and the guardian among them that is to be taken over: it keeps what it has up.
 * @param waiting told what is waited for. @returns false if the node was told to end before.
 * @throws HaError vip.unusable: a configured address is up, and no record says that we put it up; it may be the host's own.
 */
export async function removeLeftAddresses(
  {config, log, leaving}: AddressBench,
  {kept, living}: Pick<EarlierInstances, 'kept' | 'living'>,
  waiting: (because: string) => void,
): Promise<boolean> {
  const held = living?.addresses ?? [];
  const records = kept.map(({record}) => record).filter(({guardian}) => guardian.bootId === bootId());
  const left = records.flatMap(({addresses}) => addresses ?? []);
  for (let said = ''; ;) {
    const because = (await removeAddresses(left, held)) ?? (await refuseForeign(config.vip, held));
    if (because === undefined) return true;
    const text = `an earlier instance may have left a floating address, nothing is started before it is gone: ${because}`;
    if (text !== said) log.warn(text);
    said = text;
    waiting(text);
    if (leaving.signal.aborted) return false;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** @returns why that is not known. @throws HaError vip.unusable */
async function refuseForeign(vip: readonly FloatingAddress[], held: readonly FloatingAddress[]): Promise<string | undefined> {
  for (const floating of vip) {
    const {places, because} = await lookForAddress(floating, held);
    if (because !== undefined) return because;
    const [place] = places;
    if (!place) continue;
    const reason = `${place.prefix} is already up on ${place.interface}, and nothing here says that ha-agent has put it up`;
    const message = `the floating address ${describeAddress(floating)} cannot be held here: ${reason}`;
    const hint =
      "a floating address is one that no host has for itself: say another one under vip if it is this host's own; " +
      `if it is a left-over, take it away (ip address delete ${place.prefix} dev ${place.interface})`;
    throw new HaError('vip.unusable', {reason}, {message, hint});
  }
  return undefined;
}

/** @returns why the watchdog cannot do its work here, and what to do about it. */
async function watchdogFault(config: WatchdogConfig): Promise<string | undefined> {
  const found = await lookAtWatchdog(config.watchdog);
  if (!found.usable) return `${found.because} (${found.remedy})`;
  const misfit = misfitOf(config, found.timeoutMs);
  return misfit && `${misfit} (${WATCHDOG_TIMING_REMEDY})`;
}

/** Without a lease nobody else takes over, so that it can never be too late. */
const misfitOf = ({timing, highAvailability}: WatchdogConfig, timeoutMs: number): string | undefined =>
  highAvailability === 'disabled' ? undefined : watchdogTimingFault(timing, timeoutMs);

/**
 * Where a watchdog that is only wanted cannot do its work it is left out for as long as this agent runs, so that the guardian does not arm
 * what the promise does not speak of.
 */
export async function settleWatchdog<C extends WatchdogConfig>(config: C, log: Pick<RootLog, 'warn'>): Promise<C> {
  const {watchdog} = config;
  if (watchdog.mode !== 'automatic') return config;
  const fault = await watchdogFault(config);
  if (fault === undefined) return config;
  log.warn(`the service runs without a watchdog: ${fault}`);
  return {...config, watchdog: {...watchdog, mode: 'off'}};
}

/** A node whose required watchdog could not be armed is not eligible. */
export function attendWatchdog({config, closers}: Workbench, {note}: Pick<FitnessBoard, 'note'>): void {
  if (config.watchdog.mode !== 'required') return;
  const look = async (): Promise<void> => {
    const fault = await watchdogFault(config);
    note('watchdog', fault && `the watchdog it needs: ${fault}`);
  };
  note('watchdog', 'the watchdog it needs has not been looked at yet');
  void look();
  const timer = setInterval(() => void look(), LOOK_MS);
  closers.push(() => clearInterval(timer));
}

// What is to surround every run of a guardian's service, as plain data that an agent sends.
import type {FloatingAddress} from './address.ts';
import {isObject, isWhole} from './values.ts';
import type {WatchdogSpec} from './watchdog-device.ts';

export interface Around {
  readonly addresses: readonly FloatingAddress[];
  readonly watchdog: WatchdogSpec | undefined;
}

/** Whether it came over the channel, or from a file, as it was sent. */
export function isAround(value: unknown): value is Around {
  if (!isObject(value) || !isAddresses(value['addresses'])) return false;
  const {watchdog} = value;
  if (watchdog === undefined) return true;
  if (!isObject(watchdog) || typeof watchdog['device'] !== 'string') return false;
  const {mode, timeoutMs} = watchdog;
  return (mode === 'automatic' || mode === 'required') && (timeoutMs === undefined || isWhole(timeoutMs));
}

export const isAddresses = (value: unknown): value is FloatingAddress[] => Array.isArray(value) && value.every(isAddress);

const isAddress = (value: unknown): boolean =>
  isObject(value) &&
  typeof value['address'] === 'string' &&
  typeof value['interface'] === 'string' &&
  isWhole(value['prefixLength']);

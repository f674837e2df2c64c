// The keys of what the guardian puts around the service: floating addresses and a watchdog.
import type {FloatingAddress} from '../guardian/address.ts';
import {choice, duration, path} from './kinds.ts';
import {option} from './option.ts';
import {floatingAddresses} from './vip.ts';

export interface AroundValues {
  readonly vip: readonly FloatingAddress[];
  readonly watchdog: 'off' | 'automatic' | 'required';
  readonly watchdogDevice: string;
  readonly watchdogTimeout: number | undefined;
}

const HOUR = 3_600_000;

export const aroundOptions = {
  vip: option<AroundValues['vip']>(
    floatingAddresses,
    [],
    'floating address that is up, and announced to the neighbours, where the service is; several are separated by commas. As root',
    {sample: '{address: 192.0.2.10/24, interface: eth0}'},
  ),
  watchdog: option<AroundValues['watchdog']>(
    choice('off', 'automatic', 'required'),
    'off',
    'resets this host when the guardian cannot stop the service in time; automatic: where it works; required: nothing is started without it',
  ),
  watchdogDevice: option(path('FILE'), '/dev/watchdog', 'the device of the watchdog'),
  watchdogTimeout: option<number | undefined>(
    duration(100, HOUR),
    undefined,
    'after which silence the watchdog fires, as its driver has set it; only where the kernel does not tell',
    {initialText: 'what /sys/class/watchdog says', sample: '15s'},
  ),
};

// The floating addresses of a service, as they stand under `vip` or after --vip.
import {isIP, isIPv6} from 'node:net';
import {canonicalAddress, cidr, type FloatingAddress} from '../guardian/address.ts';
import type {Fault, Kind, Raw, Read} from './kinds.ts';

export const floatingAddresses: Kind<readonly FloatingAddress[]> = {
  placeholder: 'ADDRESS@INTERFACE',
  read: readAddresses,
  show: (addresses) => (addresses.length === 0 ? 'none' : addresses.map((each) => `${cidr(each)}@${each.interface}`).join(', ')),
};

const EXPECTED =
  'an address with its interface, {address: 192.0.2.10/24, interface: eth0} or 192.0.2.10/24@eth0, or a list of them';
const ADDRESS =
  'an IPv4 or IPv6 address of one host, with its prefix length if not the whole of it: 192.0.2.10/24, 2001:db8::10/64';
const INTERFACE = 'the name of an interface of this host, such as eth0';

/** One, or a list; as text, several are separated by commas. */
function readAddresses({value}: Raw): Read<readonly FloatingAddress[]> {
  const given: readonly unknown[] = Array.isArray(value) ? value : typeof value === 'string' ? value.split(',') : [value];
  const inList = Array.isArray(value);
  const faults: Fault[] = [];
  const addresses: FloatingAddress[] = [];
  for (const [index, one] of given.entries()) {
    const read = readOne(one);
    const place = inList ? [index] : [];
    if (!read.ok) faults.push(...read.faults.map((fault) => ({...fault, path: [...place, ...fault.path]})));
    else if (addresses.some(({address}) => address === read.value.address))
      faults.push({path: place, expected: 'each address once'});
    else addresses.push(read.value);
  }
  return faults.length === 0 ? {ok: true, value: addresses} : {ok: false, faults};
}

function readOne(value: unknown): Read<FloatingAddress> {
  const bad = (expected: string, ...path: string[]): Read<never> => ({ok: false, faults: [{path, expected}]});
  if (typeof value === 'string') {
    const [text = '', link = '', ...more] = value.trim().split('@');
    if (more.length > 0 || link === '') return bad(EXPECTED);
    return addressOf(text, link) ?? bad(isLink(link) ? ADDRESS : INTERFACE);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return bad(EXPECTED);
  const {address, interface: link, ...others}: Record<string, unknown> = {...value};
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) return bad('nothing but address and interface', unknown);
  if (typeof link !== 'string' || !isLink(link)) return bad(INTERFACE, ...(link === undefined ? [] : ['interface']));
  const read = typeof address === 'string' ? addressOf(address, link) : undefined;
  return read ?? bad(ADDRESS, ...(address === undefined ? [] : ['address']));
}

function addressOf(text: string, link: string): Read<FloatingAddress> | undefined {
  const [address = '', length, ...more] = text.split('/');
  const bits = isIPv6(address) ? 128 : 32;
  const prefixLength = length === undefined ? bits : /^\d{1,3}$/.test(length) ? Number(length) : 0;
  if (more.length > 0 || prefixLength < 1 || prefixLength > bits || !isOfHost(address) || !isLink(link)) return undefined;
  return {ok: true, value: {address: canonicalAddress(address), prefixLength, interface: link}};
}

/** No zone, not all hosts, and nobody's address that answers on every host already. */
function isOfHost(address: string): boolean {
  if (isIP(address) === 0 || address.includes('%')) return false;
  if (isIPv6(address)) return !/^(ff..:.*|::1?)$/i.test(canonicalAddress(address));
  const first = Number(address.split('.')[0]);
  return first !== 0 && first !== 127 && first < 224;
}

/** What the kernel takes as the name of an interface, without what our own spelling needs. */
const isLink = (name: string): boolean => /^[^\s/:@,-][^\s/:@,]{0,14}$/.test(name) && name !== '.' && name !== '..';

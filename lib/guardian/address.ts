// A floating address and the commands around it: iproute2 puts it up, finds it and takes it down, arping and ndptool announce it.
import {readFileSync} from 'node:fs';
import {isIPv6} from 'node:net';
import {runTool} from './tool.ts';

/** An address that is to be where the service is. Plain data. */
export interface FloatingAddress {
  /** In the form that `canonicalAddress` gives. */
  readonly address: string;
  readonly prefixLength: number;
  readonly interface: string;
}

/** What `ip` may take, ms: it asks the kernel alone. */
export const IP_LIMIT_MS = 2_000;
/** What one announcement may take, ms: arping stays for a second after its packet. */
export const ANNOUNCE_LIMIT_MS = 3_000;

/** One spelling for each address, IPv6 as the kernel's tools print it. */
export const canonicalAddress = (address: string): string =>
  isIPv6(address) ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;

export const cidr = ({address, prefixLength}: FloatingAddress): string => `${address}/${prefixLength}`;

export const describeAddress = (floating: FloatingAddress): string => `${cidr(floating)} on ${floating.interface}`;

/** The command lines that tell the neighbours where the address is now; each sends one packet at once. */
export function announcements({address, interface: link}: FloatingAddress): readonly (readonly string[])[] {
  // The override flag and our link-layer address are in it, so that it replaces what neighbours know (RFC 4861, 7.2.6).
  if (isIPv6(address)) return [['ndptool', '-t', 'na', '-U', '-i', link, '-T', address, 'send']];
  // Some neighbours learn of a gratuitous request alone, some of a reply alone (RFC 5227, 3).
  return ['-U', '-A'].map((kind) => ['arping', kind, '-c', '1', '-w', '1', '-I', link, address]);
}

/** The programs that these addresses need. */
export function toolsFor(addresses: readonly FloatingAddress[]): readonly string[] {
  return [...new Set(['ip', ...addresses.flatMap((each) => announcements(each).map(([program = '']) => program))])];
}

/** The names of the interfaces of this network namespace, up or down. */
export const interfaceNames = (): string[] =>
  readFileSync('/proc/self/net/dev', 'latin1')
    .split('\n')
    .flatMap((line) => /^\s*([^\s:|]+):/.exec(line)?.[1] ?? []);

/**
 * Takes the address away, wherever it is and whatever prefix it has there, and looks whether it is gone. Never rejects.
 * @param spared not from where these are.
 * @returns why it may still be there; undefined if it is not.
 */
async function removeAddress(floating: FloatingAddress, spared: readonly FloatingAddress[] = []): Promise<string | undefined> {
  const before = await lookForAddress(floating, spared);
  if (before.because !== undefined) return before.because;
  let because: string | undefined;
  for (const {prefix, interface: link} of before.places) {
    const removed = await runTool(['ip', 'address', 'delete', prefix, 'dev', link], IP_LIMIT_MS);
    if (!removed.ok) because = removed.because;
  }
  if (before.places.length === 0) return undefined;
  const after = await lookForAddress(floating, spared);
  if (after.because !== undefined) return after.because;
  return after.places.length === 0 ? undefined : `${describeAddress(floating)} is still there: ${because ?? 'nobody knows why'}`;
}

/** `removeAddress` of each. @returns the reasons of those that may still be there. */
export async function removeAddresses(
  addresses: readonly FloatingAddress[],
  spared: readonly FloatingAddress[] = [],
): Promise<string | undefined> {
  const distinct = new Map(addresses.map((each) => [describeAddress(each), each]));
  const reasons = await Promise.all([...distinct.values()].map((each) => removeAddress(each, spared)));
  const left = reasons.filter((because) => because !== undefined);
  return left.length === 0 ? undefined : left.join('; ');
}

/** Where an address is up. */
export interface AddressPlace {
  readonly interface: string;
  /** With its prefix length: `192.0.2.10/24`. */
  readonly prefix: string;
}

export interface AddressLook {
  readonly places: readonly AddressPlace[];
  /** Why nothing is known. */
  readonly because?: string;
}

/**
 * Looks for it on every interface, because its own may have another name by now. Never rejects.
 * @param spared not where these are.
 */
export async function lookForAddress(floating: FloatingAddress, spared: readonly FloatingAddress[] = []): Promise<AddressLook> {
  const listed = await runTool(['ip', '-o', 'address', 'show'], IP_LIMIT_MS);
  if (!listed.ok) return {places: [], because: listed.because};
  const elsewhere = spared.filter(({address}) => address === floating.address).map((each) => each.interface);
  return {places: placesIn(listed.stdout, floating).filter((place) => !elsewhere.includes(place.interface))};
}

/**
 * The loopback interface never has another name: what is there is somebody else's, such as that of a server behind a load balancer.
 * @param listed lines such as `2: eth0    inet 192.0.2.10/24 scope global eth0`.
 */
export function placesIn(listed: string, floating: Pick<FloatingAddress, 'address' | 'interface'>): AddressPlace[] {
  return listed.split('\n').flatMap((line) => {
    const [, link = '', family, prefix = ''] = line.split(/\s+/);
    const [found = ''] = prefix.split('/');
    if ((family !== 'inet' && family !== 'inet6') || canonicalAddress(found) !== floating.address) return [];
    return link === 'lo' && floating.interface !== 'lo' ? [] : [{interface: link, prefix}];
  });
}

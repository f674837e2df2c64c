// Whether an address is this host's own and nobody else's, and what listening elsewhere needs.
import {isIP} from 'node:net';

/** `host`: an IP address, also an IPv4 one mapped into IPv6, or `localhost`; any other name counts as foreign. */
export function isLoopback(host: string): boolean {
  const plain = host.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '');
  if (isIP(plain) === 4) return plain.startsWith('127.');
  return plain === 'localhost' || (isIP(plain) === 6 && /^[0:]*:0*1$/.test(plain));
}

/** What `isExposed` accepts, to be read after "expected". */
export const UNEXPOSED = 'a loopback address such as 127.0.0.1; another one needs usersFile, or tlsCert and tlsKey, or insecure';

/** Whether a node that listens there is open to the network by accident. */
export const isExposed = (bindAddress: string, has: {users: boolean; tls: boolean; insecure: boolean}): boolean =>
  !isLoopback(bindAddress) && !has.users && !has.tls && !has.insecure;

// Whether an address is this host's own and nobody else's.
import {isIP} from 'node:net';

/** `host`: an IP address, also an IPv4 one mapped into IPv6, or `localhost`; any other name counts as foreign. */
export function isLoopback(host: string): boolean {
  const plain = host.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '');
  if (isIP(plain) === 4) return plain.startsWith('127.');
  return plain === 'localhost' || (isIP(plain) === 6 && /^[0:]*:0*1$/.test(plain));
}

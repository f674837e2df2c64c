// Whether a request that changes something may come from where it comes: a browser also sends what other sites make it send.
import {isIP} from 'node:net';
import os from 'node:os';
import {Fault} from './fault.ts';
import type {Ctx} from './route.ts';

/**
 * Lets programs pass: they send neither Origin nor Sec-Fetch-Site.
 * @param ownUri what this node tells others; its name is one that a page may be opened under.
 * @param anyName whether a page may be opened under any name: where a password is needed, a site that makes its own name
 *   point here has none to send.
 * @throws Fault 403
 */
export function refuseForeignPages(c: Ctx, ownUri: string | null, anyName: boolean): void {
  const site = c.req.header('sec-fetch-site')?.toLowerCase();
  if (site !== undefined && site !== 'same-origin' && site !== 'none') throw foreign(`sec-fetch-site is ${site}`);
  const origin = c.req.header('origin');
  if (origin === undefined && site === undefined) return;
  const host = c.req.header('host') ?? new URL(c.req.url).host;
  const page = parse(origin ?? `http://${host}`);
  if (!page || page.host !== parse(`${page.protocol}//${host}`)?.host) throw foreign(`origin is ${JSON.stringify(origin)}`);
  if (!anyName && !isOwnName(page.hostname, ownUri)) {
    throw new Fault(403, 'this node is not known under the name that the page was opened with', {
      details: 'open the page by address or under the name given with --uri, or give --usersFile',
    });
  }
}

const foreign = (details: string): Fault => new Fault(403, 'a page of another site must not change anything here', {details});

const parse = (uri: string): URL | undefined => (URL.canParse(uri) ? new URL(uri) : undefined);

/** Names that no foreign site can make point at this node. */
function isOwnName(hostname: string, ownUri: string | null): boolean {
  const bare = hostname.replace(/^\[|\]$/g, '');
  const names = ['localhost', os.hostname().toLowerCase(), parse(ownUri ?? '')?.hostname];
  return isIP(bare) !== 0 || names.includes(bare);
}

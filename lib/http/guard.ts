// Who may send which request: passwords, client certificates, roles, and nothing from pages of other sites.
import {HaError} from '../errors.ts';
import type {Credentials} from './credentials.ts';
import {Fault} from './fault.ts';
import {isExposed, isLoopback, UNEXPOSED} from './loopback.ts';
import {refuseForeignPages} from './origin.ts';
import type {Access, Ctx} from './route.ts';
import type {Role} from './users-file.ts';

export interface GuardOptions {
  /** undefined: there is no users file. */
  readonly credentials: Credentials | undefined;
  /** Without a users file, lets everybody who can connect change things. */
  readonly insecure: boolean;
  readonly ownUri: () => string | null;
}

/** @throws Fault 401 or 403 */
export type Guard = (c: Ctx, access: Access) => Promise<void>;

export function createGuard({credentials, insecure, ownUri}: GuardOptions): Guard {
  return async (c, access) => {
    if (access === 'write' || access === 'nudge') refuseForeignPages(c, ownUri(), credentials !== undefined);
    if (access === 'machine' || access === 'nudge') return;
    if (credentials) {
      const {name, role} = await identify(c, credentials);
      if (access === 'write' && role !== 'admin') {
        throw new Fault(403, `User '${name}' is not authorized to perform this operation`, {details: `its role is ${role}`});
      }
    } else if (access === 'write' && !insecure && !isLoopback(c.env.peer.address ?? '')) {
      throw new Fault(403, 'without a users file, only requests from this host may change anything', {
        details: 'give --usersFile, or --insecure to let everybody who can connect do it',
      });
    }
  };
}

/** A certificate vouches for the user of its common name; otherwise a password has to. */
async function identify(c: Ctx, credentials: Credentials): Promise<{readonly name: string; readonly role: Role}> {
  const {certificateName} = c.env.peer;
  const vouched = certificateName === undefined ? undefined : await credentials.named(certificateName);
  if (vouched) return vouched;
  const header = c.req.header('authorization');
  const user = header === undefined ? undefined : await credentials.check(header);
  if (user) return user;
  throw new Fault(401, header === undefined ? 'Authorization required' : 'Authentication failed', {
    headers: {'WWW-Authenticate': 'Basic realm="ha-agent", charset="UTF-8"'},
  });
}

/**
 * Refuses to be open to the network by accident.
 * @throws HaError 'config.invalid'
 */
export function refuseExposure(bindAddress: string, has: {users: boolean; tls: boolean; insecure: boolean}): void {
  if (!isExposed(bindAddress, has)) return;
  const problem = {
    key: 'bindAddress',
    where: 'HTTP',
    found: JSON.stringify(bindAddress),
    expected: UNEXPOSED,
  };
  throw new HaError(
    'config.invalid',
    {problems: [problem]},
    {
      message: `others could command this node: ${bindAddress} is not a loopback address, and there are neither users nor TLS`,
      hint: 'give --usersFile, or --tlsCert and --tlsKey, or --bindAddress 127.0.0.1, or --insecure if the network is trusted',
    },
  );
}

// Basic authentication: whose password a header holds, checked one at a time and remembered for a short while.
import {createHmac, randomBytes} from 'node:crypto';
import {Fault} from './fault.ts';
import {decoy, matches} from './password.ts';
import type {User, Users, UsersFile} from './users-file.ts';

export interface Credentials {
  /**
   * The user whose name and password the header holds; undefined if there is none.
   * @throws Fault 503 while too many passwords wait to be checked.
   */
  check(header: string): Promise<User | undefined>;
  /** The user of this name, whoever vouches for it; undefined if there is none. */
  named(name: string): Promise<User | undefined>;
}

/** How long a password that was right is not hashed again, ms. */
const REMEMBER_MS = 60_000;
const REMEMBER_MAX = 64;
/** Checks cost memory and a thread that the store needs too: one at a time, and not more than these in line. */
const WAITING_MAX = 16;
const HEADER_MAX = 1_024;

/** @param matchesHash compares a password with its hash. */
export function createCredentials(file: UsersFile, matchesHash = matches): Credentials {
  const key = randomBytes(32);
  const known = new Map<string, {readonly user: User; readonly until: number}>();
  const checking = new Map<string, Promise<User | undefined>>();
  let line: Promise<unknown> = Promise.resolve();

  /** Headers are remembered as digests under a key of this process: nothing secret lies around. */
  const digestOf = (header: string): string => createHmac('sha256', key).update(header).digest('base64');

  /** A user whose line changed is another object: what was remembered about the old one counts no more. */
  function recall(digest: string, users: Users): User | undefined {
    const entry = known.get(digest);
    if (!entry) return undefined;
    if (entry.until > performance.now() && users.get(entry.user.name) === entry.user) return entry.user;
    known.delete(digest);
    return undefined;
  }

  async function verify(header: string, digest: string, users: Users): Promise<User | undefined> {
    const given = decodeBasic(header);
    if (!given) return undefined;
    const user = users.get(given.name);
    const expected = user?.password ?? decoy([...users.values()][0]?.password);
    const right = await matchesHash(given.password, expected);
    if (!user || !right) return undefined;
    const [oldest] = known.keys();
    if (known.size >= REMEMBER_MAX && oldest !== undefined) known.delete(oldest);
    known.set(digest, {user, until: performance.now() + REMEMBER_MS});
    return user;
  }

  async function check(header: string): Promise<User | undefined> {
    const users = await file.current();
    const digest = digestOf(header);
    const remembered = recall(digest, users) ?? checking.get(digest);
    if (remembered) return remembered;
    if (checking.size >= WAITING_MAX) {
      throw new Fault(503, 'too many passwords wait to be checked: try again', {headers: {'Retry-After': '1'}});
    }
    const result = line.then(() => verify(header, digest, users)).finally(() => checking.delete(digest));
    checking.set(digest, result);
    line = result.catch(() => undefined);
    return result;
  }

  return {check, named: async (name) => (await file.current()).get(name)};
}

function decodeBasic(header: string): {readonly name: string; readonly password: string} | undefined {
  const m = header.length <= HEADER_MAX ? /^basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(header) : null;
  const text = Buffer.from(m?.[1] ?? '', 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : {name: text.slice(0, colon), password: text.slice(colon + 1)};
}

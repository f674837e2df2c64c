// The users file: who may do what over HTTP, read again when it changes; one line `user:role:scrypt$N$r$p$salt$hash` each.
import fs from 'node:fs/promises';
import {setTimeout as sleep} from 'node:timers/promises';
import {HaError, reasonOf} from '../errors.ts';
import {formatHash, hashPassword, parseHash, type PasswordHash} from './password.ts';

export type Role = 'admin' | 'readonly';

export interface User {
  readonly name: string;
  readonly role: Role;
  readonly password: PasswordHash;
}

export type Users = ReadonlyMap<string, User>;

export interface UsersFile {
  /** The users as the file has them now; after a bad change, as it had them last. */
  current(): Promise<Users>;
  /** Looks at the file at once. @throws HaError 'http.badFile'; the users stay as they were. */
  reload(): Promise<void>;
}

/** How often a request makes us look whether the file changed, ms. */
const LOOK_EVERY_MS = 1_000;
/** How long a request waits for that look, ms: the file may lie on a mount that hangs. */
const LOOK_PATIENCE_MS = 250;
const SIZE_MAX = 1_024 ** 2;
const NAME = /^[^:#\s\u0000-\u001f\u007f][^:\u0000-\u001f\u007f]{0,63}$/;
const EXPECTED = 'expected "user:admin:scrypt$..." or "user:readonly:scrypt$..."';

/**
 * @param onProblem is told once about each change that cannot be used.
 * @throws HaError 'http.badFile' if the file cannot be read, has a bad line, or names nobody.
 */
export async function openUsersFile(file: string, onProblem: (error: unknown) => void): Promise<UsersFile> {
  let stamp = await stampOf(file);
  let users = await load(file);
  let lookedAt = performance.now();
  let looking: Promise<void> | undefined;

  async function reload(): Promise<void> {
    const seen = await stampOf(file);
    stamp = seen;
    users = await load(file);
  }

  async function look(): Promise<void> {
    try {
      if ((await stampOf(file)) !== stamp) await reload();
    } catch (error) {
      onProblem(error);
    } finally {
      lookedAt = performance.now();
      looking = undefined;
    }
  }

  return {
    reload,
    async current() {
      if (!looking && performance.now() - lookedAt >= LOOK_EVERY_MS) looking = look();
      if (looking) await Promise.race([looking, sleep(LOOK_PATIENCE_MS, undefined, {ref: false})]);
      return users;
    },
  };
}

/**
 * A line for the users file.
 * @throws RangeError for a name that the file cannot hold, and for an empty password.
 */
export async function usersFileLine(name: string, role: Role, password: string): Promise<string> {
  if (!NAME.test(name))
    throw new RangeError(`not a user name: ${JSON.stringify(name)}: 1 to 64 characters without ":", none of "# " first`);
  if (password === '') throw new RangeError('the password is empty');
  return `${name}:${role}:${formatHash(await hashPassword(password))}`;
}

/** What changes whenever the file does. */
async function stampOf(file: string): Promise<string> {
  try {
    const {ino, size, mtimeNs, ctimeNs} = await fs.stat(file, {bigint: true});
    return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
  } catch (error) {
    throw badFile(file, reasonOf(error), error);
  }
}

async function load(file: string): Promise<Users> {
  let text: string;
  try {
    const {size} = await fs.stat(file);
    if (size > SIZE_MAX) throw badFile(file, `it is larger than ${SIZE_MAX} bytes`);
    text = await fs.readFile(file, 'utf8');
  } catch (error) {
    throw error instanceof HaError ? error : badFile(file, reasonOf(error), error);
  }
  return parseUsers(file, text);
}

/** What a line holds is never repeated in the complaint: part of it may be a password. */
export function parseUsers(file: string, text: string): Users {
  const users = new Map<string, User>();
  const faults: string[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const user = parseLine(line);
    if (!user) faults.push(`line ${index + 1}: ${EXPECTED}`);
    else if (users.has(user.name)) faults.push(`line ${index + 1}: the user ${JSON.stringify(user.name)} is there twice`);
    else users.set(user.name, user);
  }
  if (faults.length > 0) throw badFile(file, faults.join('; '));
  if (users.size === 0) throw badFile(file, 'it names no user');
  return users;
}

function parseLine(line: string): User | undefined {
  const [name = '', role = '', hash = '', ...more] = line.split(':');
  const password = parseHash(hash);
  if (!NAME.test(name) || (role !== 'admin' && role !== 'readonly') || !password || more.length > 0) return undefined;
  return {name, role, password};
}

const badFile = (file: string, reason: string, cause?: unknown): HaError<'http.badFile'> =>
  new HaError(
    'http.badFile',
    {file, reason},
    {
      message: `the users file ${file} cannot be used: ${reason}`,
      hint: 'correct it, or name another one with --usersFile',
      ...(cause === undefined ? {} : {cause}),
    },
  );

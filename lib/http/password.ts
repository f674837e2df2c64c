// Passwords as the users file keeps them: salted scrypt, with its cost written beside each hash.
import {randomBytes, scrypt, timingSafeEqual} from 'node:crypto';

export interface PasswordHash {
  /** Cost: a power of two from 2^10 to 2^17. */
  readonly cost: number;
  /** Block size, 1 to 16. */
  readonly blockSize: number;
  /** Parallelisation, 1 to 16. */
  readonly parallel: number;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

/** 16 MiB of memory and about 0.2 s of one core: five passes instead of a larger memory, because the agent is to stay small. */
const COST = {cost: 2 ** 14, blockSize: 8, parallel: 5} as const;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
const FORM = /^scrypt\$(\d{1,7})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9+/]{16,128}={0,2})\$([A-Za-z0-9+/]{40,128}={0,2})$/;

/** The hash of a new password. */
export async function hashPassword(password: string): Promise<PasswordHash> {
  const salt = randomBytes(SALT_BYTES);
  return {...COST, salt, hash: await derive(password, {...COST, salt}, HASH_BYTES)};
}

/** Takes as long for a wrong password as for the right one. */
export async function matches(password: string, expected: PasswordHash): Promise<boolean> {
  return timingSafeEqual(await derive(password, expected, expected.hash.length), expected.hash);
}

/** A hash that no password is known for, as costly as `like`: a user who does not exist is checked against it. */
export function decoy(like: PasswordHash | undefined): PasswordHash {
  const {cost, blockSize, parallel} = like ?? COST;
  return {cost, blockSize, parallel, salt: randomBytes(SALT_BYTES), hash: randomBytes(HASH_BYTES)};
}

export const formatHash = ({cost, blockSize, parallel, salt, hash}: PasswordHash): string =>
  `scrypt$${cost}$${blockSize}$${parallel}$${salt.toString('base64')}$${hash.toString('base64')}`;

/** @returns undefined for text that is no hash, or one whose cost could be used to stall this process. */
export function parseHash(text: string): PasswordHash | undefined {
  const m = FORM.exec(text);
  if (!m) return undefined;
  const [cost, blockSize, parallel] = [Number(m[1]), Number(m[2]), Number(m[3])];
  const sane = cost >= 2 ** 10 && cost <= 2 ** 17 && Number.isInteger(Math.log2(cost)) && within(blockSize) && within(parallel);
  return sane ? {cost, blockSize, parallel, salt: bytes(m[4]), hash: bytes(m[5])} : undefined;
}

const within = (value: number): boolean => value >= 1 && value <= 16;
const bytes = (text: string | undefined): Buffer => Buffer.from(text ?? '', 'base64');

function derive(password: string, like: Omit<PasswordHash, 'hash'>, length: number): Promise<Buffer> {
  const {cost, blockSize, parallel, salt} = like;
  const maxmem = 128 * blockSize * (cost + parallel) + 1_024 ** 2;
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFC'), salt, length, {N: cost, r: blockSize, p: parallel, maxmem}, (error, key) => {
      if (error) reject(error);
      else resolve(key);
    });
  });
}

// The private directory that a doctor measures in: made beside the stores, used by nobody else, and gone afterwards.
import {randomBytes} from 'node:crypto';
import {lstat, readdir, rename, rm, writeFile} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {HEARTBEAT_BYTES} from '../store/codec.ts';
import {errnoOf} from '../store/errno.ts';
import {makeDirFor, makeDirIn} from '../store/modes.ts';
import {doctorDirName, isDoctorDirName} from '../store/paths.ts';

/** What a killed doctor left is removed by a later one, when nobody can be using it any more, ms. */
const LEFTOVER_MS = 3_600_000;
/** Between two looks for what another host made, ms. */
const LOOK_MS = 100;
const ROOMS = ['rivals', 'race', 'full', 'lock', 'nodes', 'seen'] as const;
const NONCE = /^[0-9a-f]{32}$/;

const newName = (): string => doctorDirName(randomBytes(8).toString('hex'));

export const isNonce = (text: string): boolean => NONCE.test(text);

export class Workplace {
  readonly name: string;
  readonly #dir: string;

  private constructor(persistenceDir: string, name: string) {
    this.name = name;
    this.#dir = join(persistenceDir, name);
  }

  /**
   * Makes it with as much in it as a heartbeat has, on disk; and removes what killed doctors left.
   * @param group that the store is open to.
   * @throws the system's error.
   */
  static async create(persistenceDir: string, nonce: string, group?: number): Promise<Workplace> {
    const place = new Workplace(persistenceDir, newName());
    await makeDirFor(group, place.#dir);
    try {
      for (const room of ROOMS) await makeDirIn(place.room(room));
      await writeFile(join(place.#dir, nonce), Buffer.alloc(HEARTBEAT_BYTES, ' '), {flag: 'wx', mode: 0o600, flush: true});
      await removeLeftovers(persistenceDir, place.#dir);
      return place;
    } catch (error) {
      // The first error is the one to tell; what stays, a later doctor removes.
      await place.remove().catch(errnoOf);
      throw error;
    }
  }

  /**
   * The one that another host has made; nothing is made here.
   * @returns undefined if it does not turn up. @throws the system's error.
   */
  static async join(persistenceDir: string, name: string, nonce: string, waitMs: number): Promise<Workplace | undefined> {
    if (!isDoctorDirName(name) || !isNonce(nonce)) return undefined;
    const place = new Workplace(persistenceDir, name);
    for (let waitedMs = 0; ; waitedMs += LOOK_MS) {
      if (await place.#isThere(nonce)) return place;
      if (waitedMs >= waitMs) return undefined;
      await sleep(LOOK_MS);
    }
  }

  room(name: (typeof ROOMS)[number]): string {
    return join(this.#dir, name);
  }

  /** Takes it first from under whatever still works in it. @throws the system's error, but for what is gone already. */
  async remove(): Promise<void> {
    const dead = join(dirname(this.#dir), newName());
    try {
      await rename(this.#dir, dead);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return;
      throw error;
    }
    await rm(dead, {recursive: true, force: true});
  }

  /** Links are not followed: what is renamed below one would lie outside. */
  async #isThere(nonce: string): Promise<boolean> {
    try {
      for (const dir of [this.#dir, ...ROOMS.map((room) => this.room(room))]) {
        if (!(await lstat(dir)).isDirectory()) return false;
      }
      return (await readdir(this.#dir)).includes(nonce);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
      return false;
    }
  }
}

/** Their age is told by comparing two times that one and the same file server gave. */
async function removeLeftovers(persistenceDir: string, own: string): Promise<void> {
  const nowMs = (await lstat(own)).mtimeMs;
  for (const name of await readdir(persistenceDir)) {
    const dir = join(persistenceDir, name);
    if (!isDoctorDirName(name) || dir === own) continue;
    try {
      const {mtimeMs} = await lstat(dir);
      if (nowMs - mtimeMs > LEFTOVER_MS) await rm(dir, {recursive: true, force: true});
    } catch (error) {
      // Another user's, or removed meanwhile: not ours to mend.
      errnoOf(error);
    }
  }
}

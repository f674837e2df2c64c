// Reading and overwriting one block in place past every cache. No descriptor outlives a call: on NFS a held one goes stale, and makes others stale.
import {constants} from 'node:fs';
import {HaError} from '../errors.ts';
import {lstat, openFile, type OpenedFile} from './calls.ts';
import {errnoOf} from './errno.ts';
import {openToGroup} from './modes.ts';

/** How a file is opened; another one stands in where a test needs a file system that refuses direct I/O. */
export type OpenFile = typeof openFile;

export interface BlockIoOptions {
  /** Size of a block, bytes; a multiple of 4096. */
  readonly blockBytes: number;
  /** Called once, when this file system turns out to refuse direct I/O. */
  readonly onFallback: (reason: string) => void;
  readonly open?: OpenFile;
}

/** Something that is no regular file stands where a block should be. */
export class NotRegular extends Error {
  override readonly name = 'NotRegular';
}

/** A buffer whose address JavaScript cannot see; `offset` is where it is aligned, once a transfer has shown it. */
interface Slot {
  readonly lane: string;
  readonly buffer: Buffer;
  offset: number | undefined;
  busy: boolean;
}

const ALIGNMENT = 4096;
/** What a read asks for beyond the block, so that a longer file shows. */
const BEYOND_BYTES = ALIGNMENT;
/** The allocator gives addresses that are multiples of this. */
const GRAIN = 16;
/** So large that the allocator maps it by itself; its own header then leaves the start at one grain after a page. */
const SLOT_BYTES = 262_144;

/** The likely offset first, then every other that could be aligned. */
const CANDIDATES: readonly number[] = [ALIGNMENT - GRAIN, ...Array.from({length: ALIGNMENT / GRAIN - 1}, (_, i) => i * GRAIN)];

const SAFE = constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Block I/O on one file system: with O_DIRECT, or, once that was refused, plainly and with fsync. */
export class BlockIo {
  readonly #options: BlockIoOptions;
  readonly #open: OpenFile;
  readonly #reading: Slot = {lane: 'hear', buffer: Buffer.alloc(SLOT_BYTES), offset: undefined, busy: false};
  readonly #writing: Slot = {lane: 'beat', buffer: Buffer.alloc(SLOT_BYTES), offset: undefined, busy: false};
  #direct = true;

  constructor(options: BlockIoOptions) {
    this.#options = options;
    this.#open = options.open ?? openFile;
  }

  /**
   * Reads what is there, at most one block and 4096 bytes: open, pread, close.
   * @throws the system's error, NotRegular, or HaError store.busy if another read has not returned.
   */
  read(path: string): Promise<Buffer> {
    return this.#inSlot(this.#reading, (slot) =>
      this.#opened(path, constants.O_RDONLY | SAFE, (file, direct) => this.#readBlock(slot, file, direct)),
    );
  }

  /**
   * Overwrites the block in place, in one write, and makes the file if it is not there: open, pread, pwrite, close.
   * @returns what was there before.
   * @throws as `read`; ENOSPC too if less than the block was written.
   */
  exchange(path: string, block: Buffer): Promise<Buffer> {
    return this.#inSlot(this.#writing, (slot) =>
      this.#opened(path, constants.O_RDWR | constants.O_CREAT | SAFE, async (file, direct) => {
        const before = await this.#readBlock(slot, file, direct);
        // Empty: as a rule it has just been made.
        if (before.length === 0) await openToGroup(path, file);
        const written = await transfer(slot, direct, (offset) => {
          block.copy(slot.buffer, offset);
          return file.write(slot.buffer, offset, block.length, 0).then((result) => result.bytesWritten);
        });
        if (written.bytes < block.length) {
          throw Object.assign(new Error(`only ${written.bytes} bytes were written`), {code: 'ENOSPC', errno: -28});
        }
        // Others refuse what is longer; our own place holds our block and nothing else.
        if (before.length > block.length) await file.truncate(block.length);
        if (!direct) await file.sync();
        return before;
      }),
    );
  }

  async #readBlock(slot: Slot, file: OpenedFile, direct: boolean): Promise<Buffer> {
    const wanted = this.#options.blockBytes + BEYOND_BYTES;
    const read = await transfer(slot, direct, (offset) =>
      file.read(slot.buffer, offset, wanted, 0).then((result) => result.bytesRead),
    );
    return Buffer.from(slot.buffer.subarray(read.offset, read.offset + read.bytes));
  }

  async #inSlot<T>(slot: Slot, use: (slot: Slot) => Promise<T>): Promise<T> {
    if (slot.busy) {
      throw new HaError(
        'store.busy',
        {lane: slot.lane},
        {
          message: `a call of lane "${slot.lane}" has not returned yet`,
          hint: 'look whether the store answers: its server or its network may hang',
        },
      );
    }
    slot.busy = true;
    try {
      return await use(slot);
    } finally {
      slot.busy = false;
    }
  }

  async #opened<T>(path: string, flags: number, use: (file: OpenedFile, direct: boolean) => Promise<T>): Promise<T> {
    if (!this.#direct) return this.#with(path, flags, (file) => use(file, false));
    try {
      return await this.#with(path, flags | constants.O_DIRECT, (file) => use(file, true));
    } catch (error) {
      if (errnoOf(error) !== 'EINVAL') throw error;
    }
    // A FIFO or a directory answers EINVAL too, and says nothing about the file system.
    if (await isIrregular(path)) throw new NotRegular(`${path} is not a regular file`);
    const result = await this.#with(path, flags, (file) => use(file, false));
    this.#fallBack(path);
    return result;
  }

  /** Both lanes may come here at once, and it is told once. */
  #fallBack(path: string): void {
    if (!this.#direct) return;
    this.#direct = false;
    this.#options.onFallback(
      `the file system of ${path} refuses direct I/O (EINVAL): heartbeats go through its cache, with fsync`,
    );
  }

  async #with<T>(path: string, flags: number, use: (file: OpenedFile) => Promise<T>): Promise<T> {
    const file = await this.#open(path, flags, 0o600);
    try {
      return await use(file);
    } finally {
      await file.close();
    }
  }
}

/** False for what is not there: an open that would have made it may have been refused before it did. */
async function isIrregular(path: string): Promise<boolean> {
  try {
    return !(await lstat(path)).isFile();
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    return false;
  }
}

/** One read or write at an aligned offset of the slot; the first that moves bytes finds the offset for all later ones. */
async function transfer(
  slot: Slot,
  direct: boolean,
  move: (offset: number) => Promise<number>,
): Promise<{readonly bytes: number; readonly offset: number}> {
  if (!direct) return {bytes: await move(0), offset: 0};
  const known = slot.offset;
  if (known !== undefined) {
    try {
      return {bytes: await move(known), offset: known};
    } catch (error) {
      if (errnoOf(error) !== 'EINVAL') throw error;
      // A hole in a sparse file reads as zeros at any address, and so taught a wrong offset.
      slot.offset = undefined;
    }
  }
  for (const offset of CANDIDATES) {
    try {
      const bytes = await move(offset);
      // Reading an empty file succeeds at any address and proves nothing.
      if (bytes > 0) slot.offset = offset;
      return {bytes, offset};
    } catch (error) {
      if (errnoOf(error) !== 'EINVAL' || offset === CANDIDATES.at(-1)) throw error;
    }
  }
  throw new RangeError('there is no offset to try');
}

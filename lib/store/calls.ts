// The file calls that a node makes every second. Those of node:fs/promises make an array buffer and several objects each, which costs an
// idle node more than the calls themselves.
import * as fs from 'node:fs';
import {promisify} from 'node:util';

/** A file as `openFile` and node:fs/promises open it. */
export interface OpenedFile {
  /** @param position of the first byte, from the start of the file. */
  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{readonly bytesRead: number}>;
  write(buffer: Buffer, offset: number, length: number, position: number): Promise<{readonly bytesWritten: number}>;
  truncate(length: number): Promise<void>;
  sync(): Promise<void>;
  chmod(mode: number): Promise<void>;
  close(): Promise<void>;
}

export const rename: (from: string, to: string) => Promise<void> = promisify(fs.rename);
export const readdir: (path: string) => Promise<string[]> = promisify(fs.readdir);
export const lstat: (path: string) => Promise<fs.Stats> = promisify(fs.lstat);

const open = promisify(fs.open);
const close = promisify(fs.close);
const read = promisify(fs.read);
const write = promisify(fs.write);
const truncate = promisify(fs.ftruncate);
const sync = promisify(fs.fsync);
const chmod = promisify(fs.fchmod);

export async function openFile(path: string, flags: number, mode: number): Promise<OpenedFile> {
  const fd = await open(path, flags, mode);
  return {
    read: (...what) => read(fd, ...what),
    write: (...what) => write(fd, ...what),
    truncate: (length) => truncate(fd, length),
    sync: () => sync(fd),
    chmod: (mode) => chmod(fd, mode),
    close: () => close(fd),
  };
}

// Things that do not belong into a store: each is put into a place by its name, links lead outside.
import {execFileSync} from 'node:child_process';
import {mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';

const HUGE_BYTES = 100 * 1_024 ** 2;

/** Puts one into `path`, where nothing is; `outside` is a directory that must not be touched. */
export type Matter = (path: string, outside: Outside) => void;

export const MATTER: Readonly<Record<string, Matter>> = {
  empty: (path) => writeFileSync(path, ''),
  corrupt: (path) => writeFileSync(path, '{"format":1,"storeId":"0011'),
  foreign: (path) => writeFileSync(path, `GIF89a${'\u0000\u001b[31m'.repeat(2_000)}`),
  huge: (path) => {
    writeFileSync(path, '');
    truncateSync(path, HUGE_BYTES);
  },
  'a link to a file outside': (path, {file}) => symlinkSync(file, path),
  'a link to a directory outside': (path, {directory}) => symlinkSync(directory, path),
  'a link to nothing': (path, {directory}) => symlinkSync(join(directory, 'nothing'), path),
  'a FIFO': (path) => execFileSync('mkfifo', [path]),
  'a directory': (path) => mkdirSync(path),
};

/** A directory beside the store with a file in it, whose every change shows. */
export class Outside {
  readonly directory: string;
  readonly file: string;
  private readonly before: string;

  constructor(directory: string) {
    this.directory = directory;
    this.file = join(directory, 'secret.json');
    mkdirSync(directory);
    writeFileSync(this.file, 'a secret');
    this.before = this.look();
  }

  /** @throws Error if anything in it is not as it was made. */
  assertUntouched(): void {
    const now = this.look();
    if (now !== this.before) throw new Error(`something outside the store was touched: ${this.before} became ${now}`);
  }

  private look(): string {
    const times = [this.directory, this.file].map((path) => statSync(path).mtimeMs);
    return JSON.stringify([readdirSync(this.directory), readFileSync(this.file, 'utf8'), times]);
  }
}

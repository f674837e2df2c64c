// A real PostgreSQL for one test file: in a directory of its own, on a unix socket alone, and as an ordinary user, because it refuses root.
import {execFile, spawn, type ChildProcess} from 'node:child_process';
import {accessSync, chownSync, closeSync, constants, mkdirSync, openSync, readdirSync, readFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {promisify} from 'node:util';
import pg from 'pg';
import {eventually} from '../../support/eventually.ts';
import {repoRoot} from '../../support/paths.ts';
import {makeTempDir, removeTempDir} from '../../support/temp-dir.ts';
import {NOBODY} from '../../e2e/support/command.ts';

export const EXAMPLE = join(repoRoot, 'examples/postgres-fencing');

/** Where Debian puts the programs, a directory for each version. */
const DEBIAN = '/usr/lib/postgresql';
const SUPERUSER = 'postgres';
const START_MS = 60_000;
const END_MS = 20_000;
const execute = promisify(execFile);

/** Why none can be started here; undefined if one can. */
export function whyNoPostgres(): string | undefined {
  return binaries() === undefined
    ? 'it needs postgresql: neither PATH nor /usr/lib/postgresql has initdb and postgres'
    : undefined;
}

/** Where its programs are: the newest of Debian's, or what the PATH has. */
function binaries(): string | undefined {
  const onPath = (process.env['PATH'] ?? '').split(':').filter((directory) => directory.startsWith('/'));
  return [...debianDirectories(), ...onPath].find((directory) => ['initdb', 'postgres', 'psql'].every(isThere(directory)));
}

function debianDirectories(): readonly string[] {
  try {
    const versions = readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a));
    return versions.map((version) => join(DEBIAN, version, 'bin'));
  } catch {
    return [];
  }
}

const isThere =
  (directory: string) =>
  (name: string): boolean => {
    try {
      accessSync(join(directory, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  };

export interface SessionOptions {
  readonly database: string;
  /** The superuser if not given. */
  readonly user?: string;
  /** The token. */
  readonly epoch?: number;
}

export class Postgres {
  readonly directory: string;
  /** psql and its like. */
  readonly bin: string;
  private readonly server: ChildProcess;
  private readonly logFile: string;
  private readonly sessions = new Set<pg.Client>();
  private databases = 0;

  private constructor(directory: string, bin: string) {
    this.directory = directory;
    this.bin = bin;
    this.logFile = join(directory, 'server.log');
    const log = openSync(this.logFile, 'a');
    const settings = ['fsync=off', 'listen_addresses=', 'max_connections=40', 'shared_buffers=16MB', 'jit=off'];
    const args = ['-D', join(directory, 'data'), '-k', directory, ...settings.flatMap((setting) => ['-c', setting])];
    const [program, words] = asOrdinaryUser(join(bin, 'postgres'), args);
    this.server = spawn(program, words, {cwd: directory, env: environment(), stdio: ['ignore', log, log]});
    closeSync(log);
  }

  /** Makes a new one and waits until it answers; whoever makes it calls `end`. */
  static async start(): Promise<Postgres> {
    const bin = binaries();
    if (bin === undefined) throw new Error(whyNoPostgres());
    const temp = await makeTempDir();
    // Its own directory is 0700: nobody else reaches the socket, and nobody needs a password.
    const directory = join(temp, 'pg');
    mkdirSync(directory, {mode: 0o700});
    if (isRoot()) for (const each of [temp, directory]) chownSync(each, NOBODY.uid, NOBODY.gid);
    const how = ['-U', SUPERUSER, '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'];
    const [program, words] = asOrdinaryUser(join(bin, 'initdb'), ['-D', join(directory, 'data'), ...how]);
    await execute(program, words, {cwd: directory, env: environment(), timeout: START_MS});
    const started = new Postgres(directory, bin);
    await eventually(() => started.isReady(), START_MS, 'PostgreSQL does not answer').catch(async (error: unknown) => {
      process.stderr.write(started.log());
      await started.end();
      throw error;
    });
    return started;
  }

  /** A database with the rules and the tables of the example. @returns its name. */
  async createShop(): Promise<string> {
    const database = `shop${(this.databases += 1)}`;
    const admin = await this.session({database: 'postgres'});
    await admin.query(`CREATE DATABASE ${database}`);
    const files = ['-f', 'fencing.sql', '-f', 'orders.sql'];
    const words = ['-h', this.directory, '-U', SUPERUSER, '-qX', '-d', database, '-v', 'ON_ERROR_STOP=1', ...files];
    await execute(join(this.bin, 'psql'), words, {cwd: EXAMPLE, env: environment(), timeout: START_MS});
    return database;
  }

  /** A connection of its own, until `endSessions`. */
  async session({database, user = SUPERUSER, epoch}: SessionOptions): Promise<pg.Client> {
    const options = epoch === undefined ? {} : {options: `-c ha.epoch=${epoch}`};
    const client = new pg.Client({host: this.directory, user, database, ...options});
    // The server ends some of them on purpose.
    client.on('error', () => undefined);
    await client.connect();
    this.sessions.add(client);
    return client;
  }

  /** For programs. */
  url(user: string, database: string): string {
    return `postgresql://${user}@localhost/${database}?host=${this.directory}`;
  }

  async endSessions(): Promise<void> {
    const ended = [...this.sessions].map((client) => client.end());
    this.sessions.clear();
    await Promise.all(ended);
  }

  log(): string {
    return readFileSync(this.logFile, 'utf8');
  }

  async end(): Promise<void> {
    await this.endSessions();
    const {server} = this;
    if (server.exitCode === null && server.signalCode === null) {
      const gone = new Promise((resolve) => server.once('exit', resolve));
      // Its "fast shutdown": whoever is connected is sent away.
      server.kill('SIGINT');
      const limit = setTimeout(() => server.kill('SIGKILL'), END_MS);
      await gone;
      clearTimeout(limit);
    }
    await removeTempDir(dirname(this.directory));
  }

  private async isReady(): Promise<true> {
    if (this.server.exitCode !== null) throw new Error(`it ended with ${this.server.exitCode}`);
    await this.session({database: 'postgres'});
    await this.endSessions();
    return true;
  }
}

const isRoot = (): boolean => process.getuid?.() === 0;

const environment = (): NodeJS.ProcessEnv => ({PATH: process.env['PATH'], LANG: 'C', TZ: 'UTC'});

function asOrdinaryUser(program: string, args: readonly string[]): [program: string, args: string[]] {
  if (!isRoot()) return [program, [...args]];
  return ['setpriv', [`--reuid=${NOBODY.uid}`, `--regid=${NOBODY.gid}`, '--clear-groups', '--', program, ...args]];
}

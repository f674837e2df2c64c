// A store in a directory of its own, with heartbeats to put into it; everything is removed when the test is over.
import {spawn} from 'node:child_process';
import {constants} from 'node:fs';
import {chmod, mkdtemp, open, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {text} from 'node:stream/consumers';
import {setTimeout as sleep} from 'node:timers/promises';
import {fileURLToPath} from 'node:url';
import {expect} from 'chai';
import type {Heartbeat, NodeReport} from '../../lib/protocol/heartbeat.ts';
import {epoch, instanceId, nodeId} from '../../lib/protocol/words.ts';
import {initStore} from '../../lib/store/birth.ts';
import type {EpochRecord, Store} from '../../lib/store/contract.ts';
import type {OpenFile} from '../../lib/store/direct-io.ts';
import {openStore, type StoreOptions} from '../../lib/store/directory-store.ts';
import {lockDirOf, storePaths, type StorePaths} from '../../lib/store/paths.ts';

export interface TempStore {
  readonly store: Store;
  readonly paths: StorePaths;
  readonly lockDir: string;
  /** What the store reported so far. */
  readonly reports: readonly string[];
}

/** The name that `ha-agent init` gives the lock. */
export const FIRST_LOCK = '0000000000.free.-.-.0';

/** What a reading of everybody's heartbeats says where nothing is wrong. */
export const WHOLE = {own: true, everybody: true, failed: false};

const cleanups: (() => Promise<void>)[] = [];

/** Call it in `afterEach`. */
export async function removeTemps(): Promise<void> {
  for (const cleanup of cleanups.splice(0)) await cleanup();
}

/** @param parent below which it is made; default the system's directory for such. */
export async function tempDir(parent = tmpdir()): Promise<string> {
  const dir = await mkdtemp(join(parent, 'ha-agent-store-'));
  cleanups.push(() => rm(dir, {recursive: true, force: true}));
  // Other users of this machine take part in some tests.
  await chmod(dir, 0o755);
  return dir;
}

export async function tempStore(options: Partial<StoreOptions> = {}): Promise<TempStore> {
  const paths = storePaths(options.persistenceDir ?? (await tempDir()), 'default');
  const storeId = await initStore(paths);
  return {paths, lockDir: lockDirOf(paths.root, storeId), ...(await openTemp(paths, options))};
}

/** Opens a store that is there, as another node would. */
export async function openTemp(
  paths: StorePaths,
  options: Partial<StoreOptions> = {},
): Promise<Pick<TempStore, 'store' | 'reports'>> {
  const reports: string[] = [];
  const {persistenceDir, app} = paths;
  const report = (message: string): void => void reports.push(message);
  const store = await openStore({nodeId: nodeId('n1'), report, ...options, persistenceDir, app});
  return {store, reports};
}

export const report = (id: string, changes: Partial<NodeReport> = {}): NodeReport => ({
  nodeId: nodeId(id),
  instanceId: instanceId('3f9a1c22'),
  seq: 1,
  state: 'STANDBY',
  epoch: epoch(0),
  mode: 'auto',
  priority: 0,
  eligible: true,
  cooling: false,
  because: 'another node holds the lease',
  uri: 'http://127.0.0.1:8081',
  wallMs: 1_700_000_000_000,
  ...changes,
});

export const heartbeat = (id: string, changes: Partial<Heartbeat> = {}): Heartbeat => ({
  seen: [],
  ...report(id, changes),
  ...changes,
});

export const epochRecord = (at: number, changes: Partial<EpochRecord> = {}): EpochRecord => ({
  format: 1,
  epoch: at,
  to: {nodeId: 'n1', instanceId: '3f9a1c22'},
  from: {nodeId: null, lockName: FIRST_LOCK},
  why: 'free',
  because: 'the lock was free',
  claimedAtWallMs: 1_700_000_000_000,
  phasesMs: {detected: 0, claimed: 12, started: null, ready: null},
  ended: null,
  ...changes,
});

/** Runs a fixture in a process of its own. @returns what it printed, parsed. @throws with its stderr if it fails. */
export async function runFixture(name: string, args: readonly string[], uid?: number): Promise<unknown> {
  const file = fileURLToPath(new URL(`./fixtures/${name}.js`, import.meta.url));
  const child = spawn(process.execPath, [file, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: '/',
    ...(uid !== undefined && {uid, gid: uid}),
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (code !== 0) throw new Error(`${name} ended with ${code}: ${err}`);
  const result: unknown = JSON.parse(out);
  return result;
}

/** A user without rights, where the tests run as root. */
export const NOBODY = 65_534;
export const isRoot = process.getuid?.() === 0;

/** @param code the HaError's code; undefined for any other error. */
export async function expectFailure(promise: Promise<unknown>, code: string | undefined, part: string): Promise<void> {
  const failure = await promise.then(
    (value) => new Error(`did not fail, but gave ${JSON.stringify(value)}`),
    (error: unknown) => error,
  );
  if (code !== undefined) expect(failure).to.have.property('code', code);
  expect(failure).to.have.property('message').that.includes(part);
}

/** Calls `act` again and again, one call at a time, until `during` is done. */
export async function whileRepeating(act: () => Promise<unknown>, during: () => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const repeating = (async () => {
    while (!stop.signal.aborted) await act();
  })();
  try {
    await during();
  } finally {
    stop.abort();
    await repeating;
  }
}

/** The same, `everyMs` after the last call and the first one too: signs of life that are rarer than looks are. */
export const whileNowAndThen = (everyMs: number, act: () => Promise<unknown>, during: () => Promise<void>): Promise<void> =>
  whileRepeating(async () => {
    await sleep(everyMs);
    await act();
  }, during);

/** A file system that refuses direct I/O when a file is opened. */
export const refusesDirect: OpenFile = async (path, flags, mode) => {
  if (flags & constants.O_DIRECT)
    throw Object.assign(new Error(`EINVAL: invalid argument, open '${path}'`), {code: 'EINVAL', errno: -22});
  return open(path, flags, mode);
};

export function skipAloud(context: Mocha.Context, why: string): never {
  process.stderr.write(`      skipped: ${why}\n`);
  return context.skip();
}

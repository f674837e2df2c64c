// The store over a shared directory, as the agent uses it. Nothing here is synchronous, and no call holds anything open when it is done.
import {join} from 'node:path';
import {HaError, isHaError, reasonOf} from '../errors.ts';
import type {Listing, RecordMark, RenameOutcome, Whose, Wishes} from '../protocol/agent-state.ts';
import type {Heartbeat} from '../protocol/heartbeat.ts';
import {parseLockName} from '../protocol/lock-name.ts';
import {epoch, type NodeId} from '../protocol/words.ts';
import {pause, removeRecord, requestSwitchover} from './admin.ts';
import {lstat, readdir, rename} from './calls.ts';
import {decodeHeartbeat, encodeHeartbeat} from './codec.ts';
import type {EpochRecord, Store} from './contract.ts';
import type {BlockIo, OpenFile} from './direct-io.ts';
import {errnoOf, ioReason} from './errno.ts';
import {Faults, type Report} from './faults.ts';
import {heartbeatIo, readHeartbeat, readNodes, strangePath, strangeReason, whyNot, type FoundHeartbeat} from './heartbeats.ts';
import {readEpochRecord, writeEpochRecord} from './history.ts';
import {requireIdentity, unreachable} from './identity.ts';
import {linkFault} from './links.ts';
import {listLockDir} from './lock-dir.ts';
import {heartbeatFile, lockDirOf, storePaths, type StorePaths} from './paths.ts';
import {readWishes, removeWishes} from './wishes.ts';

export interface StoreOptions {
  readonly persistenceDir: string;
  readonly app: string;
  /** Whose heartbeat `writeHeartbeat` overwrites. */
  readonly nodeId: NodeId;
  /** Told once about each thing in the store that is ignored, refused or works otherwise than wished. */
  readonly report: Report;
  /** How heartbeats are opened; default as any file. */
  readonly open?: OpenFile;
}

/**
 * Reads store.json and looks whether the directories are there; from then on the store is bound to that storeId.
 * @throws HaError store.missing, store.corrupt, store.newer, store.unreachable.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const paths = storePaths(options.persistenceDir, options.app);
  const {storeId} = await requireIdentity(paths);
  for (const dir of [paths.nodesDir, paths.historyDir, paths.controlDir]) await requireDirectory(dir);
  const linked = await linkFault(lockDirOf(paths.root, storeId));
  if (linked !== undefined) throw linkedLock(lockDirOf(paths.root, storeId), linked);
  return new DirectoryStore(paths, storeId, options);
}

class DirectoryStore implements Store {
  readonly storeId: string;
  readonly #paths: StorePaths;
  readonly #lockDir: string;
  readonly #nodeId: NodeId;
  readonly #faults: Faults;
  readonly #io: BlockIo;
  #written: {readonly block: Buffer; readonly mark: RecordMark} | undefined;

  constructor(paths: StorePaths, storeId: string, options: StoreOptions) {
    this.storeId = storeId;
    this.#paths = paths;
    this.#lockDir = lockDirOf(paths.root, storeId);
    this.#nodeId = options.nodeId;
    this.#faults = new Faults(options.report);
    this.#io = heartbeatIo((reason) => this.#faults.tell(paths.nodesDir, reason), options.open);
  }

  async rename(from: string, to: string): Promise<RenameOutcome> {
    // What came out of a listing is data: only a lock name is joined to a path.
    const stranger = [from, to].find((name) => !parseLockName(name));
    if (stranger !== undefined) return {kind: 'failed', reason: `${JSON.stringify(stranger)} is no lock name`};
    try {
      await rename(join(this.#lockDir, from), join(this.#lockDir, to));
      return {kind: 'done'};
    } catch (error) {
      return {kind: 'failed', reason: ioReason(`rename to ${to} in ${this.#lockDir} the file`, from, error)};
    }
  }

  async list(refresh: boolean): Promise<Listing> {
    const listing = await listLockDir(this.#paths, this.storeId, refresh);
    for (const name of listing.kind === 'names' ? listing.names : []) {
      if (parseLockName(name)) continue;
      this.#faults.tell(
        join(this.#lockDir, name),
        `${this.#lockDir} holds ${JSON.stringify(name)}, which is no lock name: it is ignored`,
      );
    }
    return listing;
  }

  async writeHeartbeat(heartbeat: Heartbeat): ReturnType<Store['writeHeartbeat']> {
    const path = heartbeatFile(this.#paths, this.#nodeId);
    const linked = await linkFault(this.#paths.nodesDir);
    if (linked !== undefined) return this.#unwritten(path, linked);
    const {instanceId, seq} = heartbeat;
    const written = {block: encodeHeartbeat(this.storeId, heartbeat), mark: {instanceId, seq}};
    let before: Buffer;
    try {
      before = await this.#io.exchange(path, written.block);
    } catch (error) {
      return this.#unwritten(path, whyNotWritten(path, error));
    }
    this.#faults.clear(ownHeartbeat(path));
    const found = this.#markOf(before);
    this.#written = written;
    return {ok: true, reason: '', found};
  }

  /** Whose record, and which, was in the place of this node's. As a rule it is the last one written, and needs no parsing. */
  #markOf(block: Buffer): RecordMark | undefined {
    if (this.#written?.block.equals(block) === true) return this.#written.mark;
    const decoded = decodeHeartbeat(block, this.#nodeId);
    if (decoded.kind !== 'record' || decoded.storeId !== this.storeId) return undefined;
    return {instanceId: decoded.heartbeat.instanceId, seq: decoded.heartbeat.seq};
  }

  async readHeartbeats(whose: Whose): ReturnType<Store['readHeartbeats']> {
    const found: FoundHeartbeat[] = [];
    let looked = true;
    try {
      if (whose === 'all' || whose === 'others') {
        const nodes = await readNodes(this.#io, this.#paths, whose === 'others' ? this.#nodeId : undefined);
        for (const name of nodes.strange)
          this.#faults.tell(strangePath(this.#paths, name), strangeReason(this.#paths.nodesDir, name));
        looked = this.#noted(this.#paths.nodesDir, nodes.failed);
        found.push(...nodes.found);
      } else {
        for (const nodeId of whose) found.push(await readHeartbeat(this.#io, this.#paths, nodeId));
      }
    } catch (error) {
      // The lane is busy with a call that hangs; nothing else is expected here.
      if (!isHaError(error)) throw error;
      looked = this.#noted(this.#paths.nodesDir, reasonOf(error));
    }
    const heartbeats = found.flatMap((each) => this.#accepted(each) ?? []);
    const own = looked && this.#knowsOwn(whose, found);
    const failed = !looked || found.some((each) => each.kind === 'failed' && !each.denied);
    const everybody = whose === 'all' ? own : whose === 'others';
    return {heartbeats, own, everybody: everybody && !failed, failed: failed || (whose === 'all' && !own)};
  }

  /** A record of this node that may not be read could be that of a twin. */
  #knowsOwn(whose: Whose, found: readonly FoundHeartbeat[]): boolean {
    if (whose === 'others' || (whose !== 'all' && !whose.includes(this.#nodeId))) return false;
    return found.every((each) => each.nodeId !== this.#nodeId || each.kind !== 'failed');
  }

  async readWishes(): Promise<Wishes | undefined> {
    const dir = this.#paths.controlDir;
    try {
      const wishes = await readWishes(this.#paths);
      this.#noted(dir, undefined);
      return wishes;
    } catch (error) {
      this.#noted(dir, ioReason('list', dir, error));
      return undefined;
    }
  }

  async placeWish(wish: Parameters<Store['placeWish']>[0]): Promise<void> {
    const by = `the agent of node ${this.#nodeId}`;
    if (wish.wish === 'paused') await pause(this.#paths, by);
    else await requestSwitchover(this.#paths, {epoch: epoch(wish.epoch), to: wish.to}, by);
  }

  /** Never rejects; a wish that stays is reported, and seen again by the next reading. */
  async dropWish(wish: Parameters<Store['dropWish']>[0], at: number): Promise<void> {
    const dir = this.#paths.controlDir;
    const linked = await linkFault(dir);
    if (linked !== undefined) return void this.#noted(join(dir, wish), linked);
    try {
      await removeWishes(this.#paths, (each) => each.kind === wish && (each.kind === 'paused' || each.epoch === at));
      this.#noted(join(dir, wish), undefined);
    } catch (error) {
      this.#noted(join(dir, wish), ioReason(`remove the wish "${wish}" of epoch ${at} from`, dir, error));
    }
  }

  async removeHeartbeat(node: NodeId): Promise<void> {
    await removeRecord(this.#paths, node);
  }

  async writeHistory(record: EpochRecord): Promise<void> {
    await writeEpochRecord(this.#paths, record);
  }

  async readEpoch(at: number): Promise<EpochRecord | undefined> {
    return readEpochRecord(this.#paths, at);
  }

  #unwritten(path: string, reason: string): {ok: false; reason: string; found: undefined} {
    this.#faults.tell(ownHeartbeat(path), `the heartbeat of this node does not get out: ${reason}`);
    return {ok: false, reason, found: undefined};
  }

  /** @returns the heartbeat if it is one of this store; everything else is told once. */
  #accepted(found: FoundHeartbeat): Heartbeat | undefined {
    const path = heartbeatFile(this.#paths, found.nodeId);
    if (found.kind === 'absent') return undefined;
    if (found.kind !== 'record') {
      this.#faults.tell(path, `${found.reason}: this node's heartbeat is ignored`);
      return undefined;
    }
    if (found.storeId !== this.storeId) {
      this.#faults.tell(path, `${path} is a heartbeat in another store (${found.storeId}): it is ignored`);
      return undefined;
    }
    this.#faults.clear(path);
    return found.heartbeat;
  }

  /** @returns whether all is well. */
  #noted(path: string, fault: string | undefined): boolean {
    if (fault === undefined) this.#faults.clear(path);
    else this.#faults.tell(path, fault);
    return fault === undefined;
  }
}

/** What is wrong with writing it is told apart from what is wrong with reading it. */
const ownHeartbeat = (path: string): string => `write ${path}`;

function whyNotWritten(path: string, error: unknown): string {
  if (isHaError(error, 'store.busy')) return error.message;
  const why = whyNot(path, error);
  switch (why.kind) {
    case 'absent':
      return ioReason('write', path, error);
    case 'foreign':
      return `${why.reason}: remove what stands in the place of this node's heartbeat`;
    case 'failed':
      return ioReason('write', path, error);
    default:
      return why satisfies never;
  }
}

const linkedLock = (path: string, reason: string): HaError<'store.corrupt'> =>
  new HaError('store.corrupt', {path, reason}, {message: reason, hint: 'put the lock directory itself there'});

/** @throws HaError store.corrupt, store.unreachable. */
async function requireDirectory(dir: string): Promise<void> {
  let reason = `${dir} is not a directory, and links are not followed`;
  try {
    if ((await lstat(dir)).isDirectory()) {
      await readdir(dir);
      return;
    }
  } catch (error) {
    reason = ioReason('look into', dir, error);
    if (errnoOf(error) !== 'ENOENT') throw unreachable(dir, reason, error);
  }
  throw new HaError(
    'store.corrupt',
    {path: dir, reason},
    {message: reason, hint: `put an empty directory of mode 0700 there: mkdir -m 700 ${dir}`},
  );
}

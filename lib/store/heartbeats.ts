// The nodes directory: one record per node, read with patience for torn ones, overwritten in place by its owner alone.
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {crc32} from 'node:zlib';
import type {Heartbeat} from '../protocol/heartbeat.ts';
import type {NodeId} from '../protocol/words.ts';
import {readdir} from './calls.ts';
import {decodeHeartbeat, HEARTBEAT_BYTES} from './codec.ts';
import {BlockIo, NotRegular, type OpenFile} from './direct-io.ts';
import {errnoOf, ioReason} from './errno.ts';
import {linkFault} from './links.ts';
import {heartbeatFile, parseHeartbeatFile, type StorePaths} from './paths.ts';
import {isNotRegular} from './small-file.ts';

/** What lies in a node's place. `sign` changes whenever its node writes, whether this program understands the record or not. */
export type FoundHeartbeat =
  | {
      readonly kind: 'record';
      readonly nodeId: NodeId;
      readonly storeId: string;
      readonly heartbeat: Heartbeat;
      readonly sign: string;
    }
  | {readonly kind: 'absent'; readonly nodeId: NodeId}
  /** It was read, and is no heartbeat that this program understands. */
  | {readonly kind: 'foreign'; readonly nodeId: NodeId; readonly reason: string; readonly sign: string}
  /** The file system answered with an error; `denied`: it works, and only this file may not be read. */
  | {readonly kind: 'failed'; readonly nodeId: NodeId; readonly reason: string; readonly denied: boolean};

export interface NodesDirectory {
  readonly found: readonly FoundHeartbeat[];
  /** Names that cannot be a node's record. */
  readonly strange: readonly string[];
  /** Why the directory could not be read. */
  readonly failed: string | undefined;
}

/** Refusals of this one file; whatever else comes with a failing read is trouble of the file system. */
const DENIED: ReadonlySet<string> = new Set(['EACCES', 'EPERM']);
/** How often a torn record is read, and how long a writer gets in between. */
const READS_MAX = 4;
const REREAD_MS = 5;
/** More nodes than any cluster of this kind has: a directory full of rubbish must not hold a node up. */
const NODES_MAX = 1_000;

export const heartbeatIo = (onFallback: (reason: string) => void, open?: OpenFile): BlockIo =>
  new BlockIo({blockBytes: HEARTBEAT_BYTES, onFallback, ...(open && {open})});

/** Never rejects but for bugs. */
export async function readHeartbeat(io: BlockIo, paths: StorePaths, nodeId: NodeId): Promise<FoundHeartbeat> {
  const path = heartbeatFile(paths, nodeId);
  for (let reads = 1; ; reads++) {
    let bytes: Buffer;
    try {
      bytes = await io.read(path);
    } catch (error) {
      return {...whyNot(path, error), nodeId};
    }
    const decoded = decodeHeartbeat(bytes, nodeId);
    const sign = crc32(bytes).toString(16);
    if (decoded.kind === 'record') return {...decoded, nodeId, sign};
    if (decoded.kind === 'foreign' || reads === READS_MAX)
      return {kind: 'foreign', nodeId, reason: `${path} ${decoded.reason}`, sign};
    await sleep(REREAD_MS);
  }
}

/** Reads every node's record but that of `except`, one after the other. Never rejects but for bugs. */
export async function readNodes(io: BlockIo, paths: StorePaths, except?: NodeId): Promise<NodesDirectory> {
  const listing = readdir(paths.nodesDir).catch((error: unknown) => ({failed: ioReason('list', paths.nodesDir, error)}));
  // Both at once: together they wake this process up once.
  const [linked, names] = await Promise.all([linkFault(paths.nodesDir), listing]);
  if (linked !== undefined) return {found: [], strange: [], failed: linked};
  if (!Array.isArray(names)) return {found: [], strange: [], failed: names.failed};
  const found: FoundHeartbeat[] = [];
  const strange: string[] = [];
  for (const name of names.sort()) {
    const nodeId = parseHeartbeatFile(name);
    if (nodeId === undefined || found.length >= NODES_MAX) strange.push(name);
    else if (nodeId !== except) found.push(await readHeartbeat(io, paths, nodeId));
  }
  return {found, strange, failed: undefined};
}

/** The sentence for a name of the nodes directory that is no node's. */
export const strangeReason = (dir: string, name: string): string =>
  `${dir} holds ${JSON.stringify(name)}, which is no node's record: it is ignored`;

/** The same for an error of reading or writing a record. @throws what is a bug. */
export function whyNot(
  path: string,
  error: unknown,
):
  | {readonly kind: 'absent'}
  | {readonly kind: 'foreign'; readonly reason: string; readonly sign: string}
  | {readonly kind: 'failed'; readonly reason: string; readonly denied: boolean} {
  if (error instanceof NotRegular) return {kind: 'foreign', reason: error.message, sign: ''};
  const errno = errnoOf(error);
  if (errno === 'ENOENT') return {kind: 'absent'};
  const reason = ioReason('read', path, error);
  return isNotRegular(errno) ? {kind: 'foreign', reason, sign: ''} : {kind: 'failed', reason, denied: DENIED.has(errno)};
}

/** Where a strange name of the nodes directory lies. */
export const strangePath = (paths: StorePaths, name: string): string => join(paths.nodesDir, name);

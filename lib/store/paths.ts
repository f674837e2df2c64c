// Where things lie in the store; nobody else joins paths below the persistence directory.
import {join, resolve} from 'node:path';
import {isEpoch, isNodeId, type Epoch, type NodeId} from '../protocol/words.ts';

/**
 *     <persistenceDir>/
 *       .<app>.<random>/                private: a store that is being prepared, or what is left of one
 *       .doctor-<random>/               private: where `ha-agent doctor` measures; it removes it
 *       <app>/
 *         store.json                    format version, storeId, and the storeIds it supersedes
 *         lock.<storeId>/
 *           0000000042.held.n1.3f9a1c22.30000.17
 *           .refresh.<random>/          private: made and removed to force a client's cache to look
 *         retired.<storeId>.<random>/   the lock directory of a store that was superseded
 *         nodes/n1.json                 one heartbeat block per node
 *         history/0000000042.json       the story of one epoch
 *         history/.<random>.tmp         private: a record that is being written; store.json has the same beside it
 *         control/                      the operator's wishes, in the names
 */
export interface StorePaths {
  readonly persistenceDir: string;
  readonly app: string;
  /** `<persistenceDir>/<app>` */
  readonly root: string;
  readonly storeFile: string;
  readonly nodesDir: string;
  readonly historyDir: string;
  readonly controlDir: string;
}

const APP = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;
const STORE_ID = /^[0-9a-f]{16}$/;
const LOCK_DIR = /^(?:lock\.([0-9a-f]{16})|retired\.([0-9a-f]{16})\.[0-9a-f]{8})$/;
const HEARTBEAT_FILE = /^([A-Za-z0-9][A-Za-z0-9_-]{0,62})\.json$/;
const HISTORY_FILE = /^(\d{10})\.json$/;
/** No store that is being prepared has such a name: there is no dot in it but the first. */
const DOCTOR_DIR = /^\.doctor-[0-9a-f]{16}$/;
const REFRESH_PREFIX = '.refresh.';

/** What every command takes where no --app is given. */
const DEFAULT_APP = 'default';

/** The options that name this store, for messages that tell people what to type. */
export const optionsFor = ({persistenceDir, app}: Pick<StorePaths, 'persistenceDir' | 'app'>): string =>
  `--persistenceDir ${persistenceDir}${app === DEFAULT_APP ? '' : ` --app ${app}`}`;

/** @throws RangeError if `app` could leave the directory: the configuration has checked it before. */
export function storePaths(persistenceDir: string, app: string): StorePaths {
  if (!APP.test(app)) throw new RangeError(`not a name for an app: ${JSON.stringify(app)}`);
  const dir = resolve(persistenceDir);
  const root = join(dir, app);
  return {
    persistenceDir: dir,
    app,
    root,
    storeFile: join(root, 'store.json'),
    nodesDir: join(root, 'nodes'),
    historyDir: join(root, 'history'),
    controlDir: join(root, 'control'),
  };
}

export const isStoreId = (text: string): boolean => STORE_ID.test(text);

export const lockDirOf = (root: string, storeId: string): string => join(root, `lock.${storeId}`);

/** Where the lock directory of a superseded store is moved: its old path must not come back. */
export const retiredDirOf = (root: string, storeId: string, random: string): string => join(root, `retired.${storeId}.${random}`);

/** @returns what an entry of the root is a lock directory of, and whether it still stands in its place. */
export function parseLockDir(name: string): {readonly storeId: string; readonly retired: boolean} | undefined {
  const m = LOCK_DIR.exec(name);
  const storeId = m?.[1] ?? m?.[2];
  return storeId === undefined ? undefined : {storeId, retired: m?.[1] === undefined};
}

export const heartbeatFile = (paths: StorePaths, nodeId: NodeId): string => join(paths.nodesDir, `${nodeId}.json`);

/** @returns whose heartbeat a file of the nodes directory is. */
export function parseHeartbeatFile(name: string): NodeId | undefined {
  const nodeId = HEARTBEAT_FILE.exec(name)?.[1];
  return nodeId !== undefined && isNodeId(nodeId) ? nodeId : undefined;
}

export const historyFile = (paths: StorePaths, epoch: number): string =>
  join(paths.historyDir, `${String(epoch).padStart(10, '0')}.json`);

/** @returns which epoch's story a file of the history directory is. */
export function parseHistoryFile(name: string): Epoch | undefined {
  const digits = HISTORY_FILE.exec(name)?.[1];
  const value = Number(digits);
  return digits !== undefined && isEpoch(value) ? value : undefined;
}

export const refreshDir = (lockDir: string, random: string): string => join(lockDir, `${REFRESH_PREFIX}${random}`);
export const isRefreshDir = (name: string): boolean => name.startsWith(REFRESH_PREFIX);

export const doctorDirName = (random: string): string => `.doctor-${random}`;
export const isDoctorDirName = (name: string): boolean => DOCTOR_DIR.test(name);

// Which store a directory is, as its store.json says.
import {lstat} from 'node:fs/promises';
import {HaError} from '../errors.ts';
import {errnoOf, ioReason} from './errno.ts';
import {optionsFor, type StorePaths} from './paths.ts';
import {parseStoreRecord, type StoreRecord} from './records.ts';
import {readSmallFile} from './small-file.ts';

/** Reasons are whole sentences that name the path. */
export type Identity =
  | ({readonly kind: 'store'} & StoreRecord)
  | {readonly kind: 'missing'; readonly reason: string}
  /** Something is there, but no store.json that this program understands; `format` is set if a newer one wrote it. */
  | {readonly kind: 'unreadable'; readonly reason: string; readonly format: number | undefined}
  /** The file system answered with an error: it may be a store or not. */
  | {readonly kind: 'failed'; readonly reason: string};

/** Never rejects but for bugs. */
export async function readIdentity(paths: StorePaths): Promise<Identity> {
  const file = await readSmallFile(paths.storeFile);
  switch (file.kind) {
    case 'text': {
      const parsed = parseStoreRecord(file.text);
      if (parsed.kind === 'record') return {kind: 'store', ...parsed.record};
      return {kind: 'unreadable', reason: `${paths.storeFile} ${parsed.reason}`, format: parsed.format};
    }
    case 'absent':
      return whatIsMissing(paths);
    case 'foreign':
      return {kind: 'unreadable', reason: file.reason, format: undefined};
    case 'failed':
      return {kind: 'failed', reason: file.reason};
    default:
      return file satisfies never;
  }
}

/** @returns the identity of a store that must be there. @throws HaError store.missing, store.corrupt, store.newer, store.unreachable. */
export async function requireIdentity(paths: StorePaths): Promise<StoreRecord> {
  const identity = await readIdentity(paths);
  switch (identity.kind) {
    case 'store':
      return identity;
    case 'missing':
      throw new HaError(
        'store.missing',
        {dir: paths.root},
        {
          message: `no store at ${paths.root} yet: ${identity.reason}`,
          hint: `is the share mounted? create it once with "ha-agent init ${optionsFor(paths)}"`,
        },
      );
    case 'unreadable': {
      const text = {
        message: identity.reason,
        hint: 'bring the file back from where the store came from, or decide with "ha-agent accept"',
      };
      if (identity.format === undefined)
        throw new HaError('store.corrupt', {path: paths.storeFile, reason: identity.reason}, text);
      const newer = {...text, hint: 'upgrade ha-agent on this node to the version that the others run'};
      throw new HaError('store.newer', {path: paths.storeFile, format: identity.format}, newer);
    }
    case 'failed':
      throw unreachable(paths.storeFile, identity.reason);
    default:
      return identity satisfies never;
  }
}

/** The file system did not do what the store needs. */
export const unreachable = (path: string, reason: string, cause?: unknown): HaError<'store.unreachable'> =>
  new HaError(
    'store.unreachable',
    {path, reason},
    {
      message: reason,
      hint: 'check that the share is mounted, that its server answers, and that this user may read and write there',
      ...(cause !== undefined && {cause}),
    },
  );

async function whatIsMissing(paths: StorePaths): Promise<Identity> {
  for (const dir of [paths.persistenceDir, paths.root]) {
    try {
      if (!(await lstat(dir)).isDirectory() && dir === paths.root) {
        return {kind: 'unreadable', reason: `${dir} is not a directory`, format: undefined};
      }
    } catch (error) {
      const errno = errnoOf(error);
      if (errno !== 'ENOENT' && errno !== 'ENOTDIR') {
        return {kind: 'failed', reason: ioReason('look at', dir, error)};
      }
      return {kind: 'missing', reason: `the directory ${dir} does not exist (${errno})`};
    }
  }
  return {kind: 'missing', reason: `${paths.storeFile} does not exist (ENOENT)`};
}

// The history of epochs: one file each, always whole, because it is made aside and renamed.
import {readdir} from 'node:fs/promises';
import {join} from 'node:path';
import type {EpochRecord} from './contract.ts';
import {ioReason} from './errno.ts';
import {unreachable} from './identity.ts';
import {linkFault} from './links.ts';
import {historyFile, parseHistoryFile, type StorePaths} from './paths.ts';
import {formatEpochRecord, parseEpochRecord} from './records.ts';
import {readSmallFile, replaceFile} from './small-file.ts';

/** A thing in the store that could not be used; `reason` is a whole sentence that names `path`. */
export interface Fault {
  readonly path: string;
  readonly reason: string;
}

export interface History {
  /** Oldest first. */
  readonly records: readonly EpochRecord[];
  readonly faults: readonly Fault[];
}

/** Overwrites what its owner wrote of this epoch before. @throws HaError store.unreachable. */
export async function writeEpochRecord(paths: StorePaths, record: EpochRecord): Promise<void> {
  const path = historyFile(paths, record.epoch);
  await refuseLink(paths);
  try {
    await replaceFile(path, formatEpochRecord(record));
  } catch (error) {
    throw unreachable(path, ioReason('write', path, error), error);
  }
}

/** @returns undefined if there is no record, or none that can be understood. @throws HaError store.unreachable. */
export async function readEpochRecord(paths: StorePaths, epoch: number): Promise<EpochRecord | undefined> {
  const path = historyFile(paths, epoch);
  await refuseLink(paths);
  const file = await readSmallFile(path);
  if (file.kind === 'failed') throw unreachable(path, file.reason);
  const parsed = file.kind === 'text' ? parseEpochRecord(file.text, epoch) : undefined;
  return parsed?.kind === 'record' ? parsed.record : undefined;
}

/** Reads every epoch's record; a bad one is a fault and hides no other. @throws HaError store.unreachable. */
export async function readHistory(paths: StorePaths): Promise<History> {
  await refuseLink(paths);
  let names: string[];
  try {
    names = await readdir(paths.historyDir);
  } catch (error) {
    throw unreachable(paths.historyDir, ioReason('list', paths.historyDir, error), error);
  }
  const records: EpochRecord[] = [];
  const faults: Fault[] = [];
  for (const name of names.sort()) {
    const path = join(paths.historyDir, name);
    const epoch = parseHistoryFile(name);
    if (epoch === undefined) {
      if (!name.startsWith('.'))
        faults.push({path, reason: `${paths.historyDir} holds ${JSON.stringify(name)}, which is no epoch's record`});
      continue;
    }
    const file = await readSmallFile(path);
    if (file.kind === 'absent') continue;
    if (file.kind !== 'text') {
      faults.push({path, reason: file.reason});
      continue;
    }
    const parsed = parseEpochRecord(file.text, epoch);
    if (parsed.kind === 'record') records.push(parsed.record);
    else faults.push({path, reason: `${path} ${parsed.reason}`});
  }
  return {records, faults};
}

async function refuseLink({historyDir}: StorePaths): Promise<void> {
  const linked = await linkFault(historyDir);
  if (linked !== undefined) throw unreachable(historyDir, linked);
}

// What kind of file system a directory lies on, from /proc: the mount itself is never touched.
import {readFile} from 'node:fs/promises';
import {resolve, sep} from 'node:path';

export interface MountKind {
  /** Whether other hosts can see it. FUSE may be either, and an automount point is whatever will be mounted there. */
  readonly kind: 'local' | 'shared' | 'unknown';
  /** As in /proc/self/mountinfo: `nfs4`, `ext4`… */
  readonly type: string;
}

const SHARED = /^(nfs4?|cifs|smb3|ceph|glusterfs|lustre|gpfs|beegfs|ocfs2|gfs2|9p|virtiofs|afs|orangefs)$/;

/** @returns undefined where /proc does not say. */
export async function mountKindOf(directory: string): Promise<MountKind | undefined> {
  let text: string;
  try {
    text = await readFile('/proc/self/mountinfo', 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined;
    throw error;
  }
  return kindIn(text, resolve(directory));
}

/** The last of the longest mount points above the directory is the one in force. */
export function kindIn(mountinfo: string, directory: string): MountKind | undefined {
  let best: {readonly point: string; readonly type: string} | undefined;
  for (const line of mountinfo.split('\n')) {
    const [before, after] = line.split(' - ');
    const point = unescapeOctal(before?.split(' ')[4] ?? '');
    const type = after?.split(' ')[0];
    if (point === '' || type === undefined || !contains(point, directory)) continue;
    if (!best || point.length >= best.point.length) best = {point, type};
  }
  if (!best) return undefined;
  const kind = SHARED.test(best.type) ? 'shared' : /^(fuse|autofs)/.test(best.type) ? 'unknown' : 'local';
  return {kind, type: best.type};
}

const contains = (point: string, directory: string): boolean =>
  point === sep || directory === point || directory.startsWith(point + sep);

/** mountinfo writes space, tab, newline and backslash as octal. */
const unescapeOctal = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));

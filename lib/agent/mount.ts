// What kind of file system a directory lies on, from /proc: the mount itself is never touched.
import {readFile} from 'node:fs/promises';
import {resolve, sep} from 'node:path';

export interface MountKind {
  /** Whether other hosts can see it. FUSE may be either, and an automount point is whatever will be mounted there. */
  readonly kind: 'local' | 'shared' | 'unknown';
  /** As in /proc/self/mountinfo: `nfs4`, `ext4`… */
  readonly type: string;
}

/** One line of mountinfo: what is mounted where, and the options in force, which may differ from those that were asked for. */
export interface Mount {
  readonly point: string;
  /** As in /proc/self/mountinfo: `nfs4`, `ext4`… */
  readonly type: string;
  /** `server:/export`, `/dev/sda1`… */
  readonly source: string;
  /** Of this mount and of the file system behind it, such as `rw`, `hard`, `vers=4.2`. */
  readonly options: readonly string[];
}

const SHARED = /^(nfs4?|cifs|smb3|ceph|glusterfs|lustre|gpfs|beegfs|ocfs2|gfs2|9p|virtiofs|afs|orangefs)$/;

/** @returns undefined where /proc does not say. */
export async function mountKindOf(directory: string): Promise<MountKind | undefined> {
  const text = await readMountinfo();
  return text === undefined ? undefined : kindIn(text, resolve(directory));
}

/** @returns undefined where there is no /proc. */
export async function readMountinfo(): Promise<string | undefined> {
  try {
    return await readFile('/proc/self/mountinfo', 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined;
    throw error;
  }
}

export function kindIn(mountinfo: string, directory: string): MountKind | undefined {
  const mount = mountIn(mountinfo, directory);
  return mount && {kind: kindOfType(mount.type), type: mount.type};
}

export function kindOfType(type: string): MountKind['kind'] {
  return SHARED.test(type) ? 'shared' : /^(fuse|autofs)/.test(type) ? 'unknown' : 'local';
}

/** The last of the longest mount points above the directory is the one in force. */
export function mountIn(mountinfo: string, directory: string): Mount | undefined {
  let best: Mount | undefined;
  for (const mount of mountsIn(mountinfo)) {
    if (contains(mount.point, directory) && (!best || mount.point.length >= best.point.length)) best = mount;
  }
  return best;
}

/** Every line that can be understood. */
export function mountsIn(mountinfo: string): Mount[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const [, , , , point = '', own = ''] = before.split(' ');
    const [type = '', source = '', ofFileSystem = ''] = after.split(' ');
    if (point === '' || type === '') return [];
    const options = [...new Set([...own.split(','), ...ofFileSystem.split(',')])].filter((option) => option !== '');
    return [{point: unescapeOctal(point), type, source: unescapeOctal(source), options}];
  });
}

const contains = (point: string, directory: string): boolean =>
  point === sep || directory === point || directory.startsWith(point + sep);

/** mountinfo writes space, tab, newline and backslash as octal. */
export const unescapeOctal = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));

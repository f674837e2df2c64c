// The mount that a directory lies on, from /proc alone: the store is not touched.
import {readFile} from 'node:fs/promises';
import {mountIn, mountsIn, readMountinfo, unescapeOctal} from '../agent/mount.ts';
import type {MountFound} from './findings.ts';

/** @param directory its real path, if that is known. */
export async function findMount(directory: string): Promise<MountFound | undefined> {
  const mountinfo = await readMountinfo();
  return mountinfo === undefined ? undefined : mountFoundIn(mountinfo, await readMountstats(), directory);
}

export function mountFoundIn(mountinfo: string, mountstats: string, directory: string): MountFound | undefined {
  const mount = mountIn(mountinfo, directory);
  if (!mount) return undefined;
  const twins = mountsIn(mountinfo).filter((other) => other.source === mount.source && other.point !== mount.point);
  return {
    ...mount,
    serverLeaseMs: serverLeaseIn(mountstats, mount.point),
    twins: /^nfs4?$/.test(mount.type) ? twins.map(({point}) => point) : [],
  };
}

/** A block begins with `device SOURCE mounted on POINT with fstype TYPE`; where mounts lie upon each other the last one counts. */
function serverLeaseIn(mountstats: string, point: string): number | undefined {
  let leaseMs: number | undefined;
  for (const block of mountstats.split(/^device /m)) {
    const head = / mounted on (\S+) with fstype /.exec(block);
    if (head?.[1] === undefined || unescapeOctal(head[1]) !== point) continue;
    const lease = /\blease_time=(\d+)/.exec(block)?.[1];
    leaseMs = lease === undefined ? undefined : Number(lease) * 1_000;
  }
  return leaseMs;
}

async function readMountstats(): Promise<string> {
  try {
    return await readFile('/proc/self/mountstats', 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error) return '';
    throw error;
  }
}

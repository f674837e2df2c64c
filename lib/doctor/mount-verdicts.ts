// Verdicts on the file system and the options it is mounted with; each reason stands at more length in nfs-setup.md.
import {kindOfType} from '../agent/mount.ts';
import {DOUBT_MS, rideOutMs, type Timing} from '../protocol/timing.ts';
import type {MountFound} from './findings.ts';
import {ok, seconds, unsafe, warning, type Level, type Verdict} from './verdict.ts';

const isNfs = (mount: MountFound): boolean => /^nfs4?$/.test(mount.type);

/** Objects in a bucket: what they call rename copies and deletes. */
const COPIES = /^fuse\.(s3fs|goofys|geesefs|gcsfuse|rclone|blobfuse2?|ossfs|cosfs|obsfs)$/;
/** Gone at the next boot, or with the container. */
const FLEETING: Readonly<Record<string, string>> = {
  tmpfs: 'it is gone after a reboot',
  ramfs: 'it is gone after a reboot',
  overlay: 'it may go with the container',
};

export function mountVerdicts(mount: MountFound | undefined, timing: Timing): Verdict[] {
  if (!mount)
    return [
      warning('fileSystem', '/proc does not say what is mounted here', 'mount /proc, and see what kind of file system it is'),
    ];
  return [fileSystem(mount), mountOptions(mount), ...(isNfs(mount) ? [serverLease(mount, timing)] : [])];
}

function fileSystem(mount: MountFound): Verdict {
  const where = `${mount.type} from ${mount.source}, mounted at ${mount.point}`;
  if (isNfs(mount)) {
    const version = optionOf(mount, 'vers') ?? (mount.type === 'nfs4' ? '4' : '3');
    if (/^(3|4(\.[012])?)$/.test(version)) return ok('fileSystem', `NFS ${version}: ${where}`);
    return unsafe(
      'fileSystem',
      `NFS ${version} has not been tried, and lacks what later versions guarantee: ${where}`,
      'mount vers=4.2 or vers=3',
    );
  }
  if (COPIES.test(mount.type))
    return unsafe(
      'fileSystem',
      `a rename there copies and deletes, so that several rivals may win: ${where}`,
      'use a share with an atomic rename, such as NFS',
    );
  const untried = 'use NFS 4.2 or 3, or ask its maker for an atomic rename that is on stable storage when it is acknowledged';
  switch (kindOfType(mount.type)) {
    case 'shared':
      return warning(
        'fileSystem',
        `nothing is known of it: only NFS has been tried (${where})`,
        `${untried}, and measure with --with from two hosts`,
      );
    case 'unknown':
      return warning(
        'fileSystem',
        `whether other hosts see the same there cannot be told: ${where}`,
        `${untried}, and measure with --with from two hosts`,
      );
    case 'local': {
      const fleeting = FLEETING[mount.type];
      return warning(
        'fileSystem',
        `only this host sees it${fleeting === undefined ? '' : `, and ${fleeting}`}: ${where}`,
        'fine for processes of one host; for several hosts mount a share there (nfs-setup.md)',
      );
    }
  }
}

interface Remark {
  readonly level: Exclude<Level, 'ok'>;
  readonly reason: string;
  readonly remedy: string;
}

function mountOptions(mount: MountFound): Verdict {
  const remarks = [...readOnly(mount), ...(isNfs(mount) ? nfsRemarks(mount) : [])];
  const options = mount.options.join(',');
  if (remarks.length === 0) return ok('mountOptions', `${isNfs(mount) ? 'hard, and ' : ''}nothing that harms: ${options}`);
  return {
    check: 'mountOptions',
    level: remarks.some(({level}) => level === 'unsafe') ? 'unsafe' : 'warning',
    reason: `${remarks.map(({reason}) => reason).join('; ')} (in force: ${options})`,
    remedy: remarks.map(({remedy}) => remedy).join('; '),
  };
}

const readOnly = ({options}: MountFound): Remark[] =>
  options.includes('ro')
    ? [{level: 'unsafe', reason: 'ro: mounted read-only, so that no lease can be taken', remedy: 'mount it rw, and export it rw'}]
    : [];

/** What harms if it is there. */
const HARMFUL: Readonly<Record<string, readonly [reason: string, remedy: string]>> = {
  soft: ['soft: a call that was given up may still be executed, and data of others may be corrupted silently', 'mount it hard'],
  softerr: [
    'softerr: a call that was given up may still be executed, and data of others may be corrupted silently',
    'mount it hard',
  ],
  nocto: [
    'nocto: what is opened is not compared with the server, so that heartbeats and listings may be old',
    'mount it without nocto',
  ],
  softreval: [
    'softreval: while the server does not answer, listings come from the cache and look fresh',
    'mount it without softreval',
  ],
  fsc: ['fsc: what is read may be kept on a local disk', 'mount it without fsc'],
  noac: ['noac: costs a request for each look and gives the agents nothing', 'leave attribute caching as it is (ac)'],
};

function nfsRemarks(mount: MountFound): Remark[] {
  const warned = (reason: string, remedy: string): Remark => ({level: 'warning', reason, remedy});
  // softerr brings softreval along.
  const words = mount.options.filter((option) => option !== 'softreval' || !mount.options.includes('softerr'));
  const remarks = words.flatMap((option) => {
    const harm = HARMFUL[option];
    return harm ? [warned(...harm)] : [];
  });
  const longest = Math.max(...['acregmax', 'acdirmax'].map((key) => Number(optionOf(mount, key) ?? 0)));
  if (longest * 1_000 > DOUBT_MS) {
    const reason =
      `attributes are cached for up to ${longest} s: nothing is decided by them, but the agents take it that no cache lies longer than ` +
      `${DOUBT_MS / 1_000} s, and a host may wait that long for a store that was just created`;
    remarks.push(warned(reason, 'mount it without actimeo, acregmax and acdirmax'));
  }
  const connections = Number(optionOf(mount, 'nconnect') ?? 1);
  if (connections > 1)
    remarks.push(
      warned(`nconnect=${connections}: changes how requests are sent again, and has not been tried`, 'mount it without nconnect'),
    );
  if (mount.twins.length > 0 && !mount.options.includes('nosharecache')) {
    const others = mount.twins.join(', ');
    remarks.push(
      warned(
        `the same export is mounted at ${others} too: the options of the first mount win for all`,
        'mount it with nosharecache',
      ),
    );
  }
  return remarks;
}

function serverLease(mount: MountFound, timing: Timing): Verdict {
  const ridesOutMs = rideOutMs(timing);
  const ridden = `${seconds(ridesOutMs)} that a master rides out (T - S - d)`;
  if (/^3/.test(optionOf(mount, 'vers') ?? ''))
    return ok('serverLease', 'version 3 has no grace period in which the server refuses renames');
  const leaseMs = mount.serverLeaseMs;
  const remedy =
    "set lease-time = 10 and grace-time = 10 in [nfsd] of the server's /etc/nfs.conf and restart it, or mount version 3, or raise leaseTimeout on all nodes";
  if (leaseMs === undefined)
    return warning('serverLease', `/proc/self/mountstats does not tell it; it should be shorter than the ${ridden}`, remedy);
  if (leaseMs < ridesOutMs)
    return ok('serverLease', `${seconds(leaseMs)} (its grace period normally is the same) is shorter than the ${ridden}`);
  return warning(
    'serverLease',
    `${seconds(leaseMs)}, and its grace period normally is the same: after a restart the server refuses renames for so long, which is not shorter than the ${ridden}, and the service would be stopped`,
    remedy,
  );
}

/** @returns the value of `key=value`. */
function optionOf(mount: MountFound, key: string): string | undefined {
  return mount.options.find((option) => option.startsWith(`${key}=`))?.slice(key.length + 1);
}

// File systems of a test's own: one that hangs on command (FUSE: bindfs under SIGSTOP), and one that is soon full (a small tmpfs).
import {spawn, spawnSync, type ChildProcess} from 'node:child_process';
import {accessSync, closeSync, constants, existsSync, mkdirSync, openSync, readFileSync, writeSync} from 'node:fs';
import {join} from 'node:path';
import {hasCode} from '../../../lib/guardian/proc.ts';
import {eventually} from '../../support/eventually.ts';
import type {Cluster} from '../support/cluster.ts';
import type {TestNode} from '../support/node.ts';

const MOUNTED_MS = 40_000;

/** Why there can be no mount that hangs; undefined if there can. */
export function whyNoFuse(): string | undefined {
  for (const program of ['bindfs', 'fusermount3']) {
    if (spawnSync(program, ['--version'], {stdio: 'ignore'}).status !== 0) return `it needs ${program}`;
  }
  if (!existsSync('/dev/fuse')) return 'this machine has no FUSE';
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    if (!hasCode(error, 'EACCES')) throw error;
    return 'this user may not use /dev/fuse';
  }
}

/** A node's own way to the store of the cluster, as its NFS mount would be. */
export class HangingMount {
  readonly point: string;
  private readonly daemon: ChildProcess;

  private constructor(point: string, daemon: ChildProcess) {
    this.point = point;
    this.daemon = daemon;
  }

  static async create(cluster: Cluster, nodeId: string): Promise<HangingMount> {
    const point = join(cluster.root, `mount-${nodeId}`);
    mkdirSync(point);
    const daemon = spawn('bindfs', ['-f', cluster.persistenceDir, point], {stdio: ['ignore', 'ignore', 'inherit']});
    const mount = new HangingMount(point, daemon);
    cluster.atEnd(() => mount.end());
    await eventually(() => isMounted(point), MOUNTED_MS, `${point} is not mounted`);
    return mount;
  }

  hang(): void {
    this.daemon.kill('SIGSTOP');
  }

  heal(): void {
    this.daemon.kill('SIGCONT');
  }

  private async end(): Promise<void> {
    this.heal();
    await unmount(this.point);
    const gone = new Promise((resolve) => this.daemon.once('exit', resolve));
    if (this.daemon.exitCode === null && this.daemon.signalCode === null) {
      this.daemon.kill('SIGKILL');
      await gone;
    }
  }
}

/** Launches every node with a mount of its own. @returns the master, the others in order, and who has which mount. */
export async function upWithMounts(
  cluster: Cluster,
): Promise<{master: TestNode; others: readonly TestNode[]; mountOf: (node: TestNode) => HangingMount}> {
  await cluster.init();
  const mounts = new Map<string, HangingMount>();
  for (const {id} of cluster.nodes) {
    const mount = await HangingMount.create(cluster, id);
    mounts.set(id, mount);
    await cluster.launch(id, '--persistenceDir', mount.point);
  }
  const master = await cluster.untilMaster();
  const others = cluster.others(master);
  for (const node of others) await node.untilState('STANDBY');
  const mountOf = ({id}: TestNode): HangingMount => {
    const mount = mounts.get(id);
    if (!mount) throw new Error(`${id} has no mount`);
    return mount;
  };
  return {master, others, mountOf};
}

/** A file system of this size over a directory of the cluster, if not given that of its store, before `init`; only root may. */
export async function mountSmall(cluster: Cluster, sizeKiB: number, point = cluster.persistenceDir): Promise<void> {
  const {status, stderr} = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeKiB}k,mode=755`, 'ha-agent-test', point], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`cannot mount a tmpfs: ${stderr}`);
  cluster.atEnd(() => unmount(point));
  await eventually(() => isMounted(point), MOUNTED_MS, `${point} is not mounted`);
}

/** Appends to a file until the last byte of its file system is taken. */
export function fill(file: string): void {
  const fd = openSync(file, 'a');
  const piece = Buffer.alloc(4_096, 'x');
  try {
    while (writeSync(fd, piece) > 0);
  } catch (error) {
    if (!hasCode(error, 'ENOSPC')) throw error;
  } finally {
    closeSync(fd);
  }
}

/** Whether root may mount here, which it may not in every container. */
export function whyNoTmpfs(): string | undefined {
  if (process.getuid?.() !== 0) return 'it needs root to mount a small file system';
  const tried = spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'ha-agent-test', '/mnt'], {stdio: 'ignore'});
  return tried.status === 0 ? undefined : 'root may not mount a file system here';
}

async function unmount(point: string): Promise<void> {
  const [program, options] = process.getuid?.() === 0 ? ['umount', '-l'] : ['fusermount3', '-uz'];
  await eventually(
    () => {
      if (isMounted(point)) spawnSync(program, [options, point], {stdio: 'ignore'});
      return !isMounted(point);
    },
    MOUNTED_MS,
    `${point} cannot be unmounted`,
  );
}

const isMounted = (point: string): boolean =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .some((line) => line.split(' ')[4] === point);

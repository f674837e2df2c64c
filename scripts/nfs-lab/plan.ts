// What a lab is made of: options checked and completed once, and the names, addresses and places that follow from them.
import {createHash} from 'node:crypto';
import {existsSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';

export type NfsVersion = '3' | '4.0' | '4.1' | '4.2';
export const NFS_VERSIONS: readonly NfsVersion[] = ['3', '4.0', '4.1', '4.2'];

/** `server`, or a client: `c1`, `c2`… */
export type NodeName = string;

export interface LabOptions {
  /** Several labs can run at once; default `default`. */
  readonly id?: string;
  readonly clients?: number;
  readonly vers?: NfsVersion;
  /** Mount options beside the version, as for `mount -o`; default none, so the client's own defaults. */
  readonly opts?: string;
  /** The server's lease and grace time, s; default the kernel's 90. */
  readonly graceS?: number;
  /** Export options beside rw or ro. */
  readonly exportOptions?: string;
  /** Size of the disk that is exported, MiB. */
  readonly diskMib?: number;
  /** RAM of a machine, MiB. */
  readonly ramMib?: number;
  /** After this long the lab ends by itself, s. */
  readonly ttlS?: number;
  /** Whether it ends as soon as the process that opened it does. */
  readonly tied?: boolean;
  /** Directories of the host below /tmp, /run, /var/tmp or /mnt that the machines are to see, read-only. */
  readonly share?: readonly string[];
}

/** The whole truth about a lab, kept in its directory so that another process can find it. */
export interface LabPlan {
  readonly id: string;
  readonly directory: string;
  readonly clients: number;
  readonly vers: NfsVersion;
  readonly opts: string;
  readonly graceS: number | undefined;
  readonly exportOptions: string;
  readonly diskMib: number;
  readonly ramMib: number;
  readonly ttlS: number;
  readonly share: readonly string[];
}

/** In every client. */
export const MOUNT_POINT = '/mnt/ha';
/** The same directory as the server sees it. */
export const EXPORTED = '/mnt/export/ha';
/** On every machine: a small disk of its own, which survives a power cut. */
export const OWN_DISK = '/mnt/disk';

export const RUNNER_PORT = 7100;
export const STORAGE_NET = '192.168.71';
export const MANAGEMENT_NET = '192.168.72';

/** The build that this very file belongs to, and the root of the repository above it. */
export const BUILD_ROOT = path.resolve(import.meta.dirname, '..', '..');
export const REPO_ROOT = findRoot(import.meta.dirname);

const ID = /^[a-z0-9][a-z0-9-]{0,31}$/;
const CLIENTS_MAX = 20;
/** What knfsd takes as a lease, s. */
const GRACE_S = {min: 10, max: 3600};

export class LabError extends Error {
  override readonly name: string = 'LabError';
}

/** @throws LabError on what cannot be a lab */
export function makePlan(options: LabOptions): LabPlan {
  const {id = 'default', clients = 3, vers = '4.2', graceS, diskMib = 1024, ramMib = 512, ttlS = 7200, opts = ''} = options;
  const {exportOptions = 'sync,no_subtree_check,no_root_squash', share = []} = options;
  if (!ID.test(id)) throw new LabError(`${id} cannot be the id of a lab: lower-case letters, digits and -, 32 at most`);
  if (!NFS_VERSIONS.includes(vers)) throw new LabError(`there is no NFS ${vers} here: ${NFS_VERSIONS.join(', ')}`);
  checkNumber('the number of clients', clients, 1, CLIENTS_MAX);
  checkNumber('the size of the disk in MiB', diskMib, 16, 65_536);
  checkNumber('the RAM of a machine in MiB', ramMib, 192, 4096);
  checkNumber('the life of the lab in s', ttlS, 10, 86_400);
  if (graceS !== undefined) checkNumber('the lease and grace time in s', graceS, GRACE_S.min, GRACE_S.max);
  for (const words of [opts, exportOptions]) {
    if (!/^[\w=,.:/-]*$/.test(words)) throw new LabError(`${words} is no list of options`);
  }
  const directory = directoryOf(id);
  return {
    id,
    directory,
    clients,
    vers,
    opts,
    graceS,
    exportOptions,
    diskMib,
    ramMib,
    ttlS,
    share: share.map((each) => path.resolve(each)),
  };
}

/** Where all labs of this host are. */
export const labsDirectory = (): string => path.join(os.tmpdir(), 'ha-agent-nfs-lab');
export const directoryOf = (id: string): string => path.join(labsDirectory(), id);

export const placesOf = (directory: string): Readonly<Record<'plan' | 'owner' | 'control' | 'keeperLog', string>> => ({
  plan: path.join(directory, 'plan.json'),
  owner: path.join(directory, 'owner.json'),
  control: path.join(directory, 'control'),
  keeperLog: path.join(directory, 'keeper.log'),
});

/** What this machine writes on its console. */
export const consoleLogOf = (plan: LabPlan, node: NodeName): string => path.join(plan.directory, `${node}.log`);

export const clientsOf = ({clients}: Pick<LabPlan, 'clients'>): NodeName[] =>
  Array.from({length: clients}, (_, index) => `c${index + 1}`);

export const nodesOf = (plan: Pick<LabPlan, 'clients'>): NodeName[] => ['server', ...clientsOf(plan)];

/** @throws LabError where there is no such machine */
export function checkNode(plan: LabPlan, node: NodeName): NodeName {
  if (!nodesOf(plan).includes(node)) throw new LabError(`there is no ${node} in the lab ${plan.id}: ${nodesOf(plan).join(', ')}`);
  return node;
}

/** The last byte of its addresses. */
export const numberOf = (node: NodeName): number => (node === 'server' ? 1 : 10 + Number(node.slice(1)));
export const storageAddress = (node: NodeName): string => `${STORAGE_NET}.${numberOf(node)}`;
export const managementAddress = (node: NodeName): string => `${MANAGEMENT_NET}.${numberOf(node)}`;

/** The machine-id that this machine has whenever it boots. */
export const machineIdOf = (plan: LabPlan, node: NodeName): string =>
  createHash('sha256').update(`${plan.id} ${node}`).digest('hex').slice(0, 32);

export const exportLine = (plan: LabPlan, mode: 'rw' | 'ro'): string => `${mode},${plan.exportOptions},fsid=0`;

function checkNumber(what: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) throw new LabError(`${what} is ${value}: from ${min} to ${max}`);
}

function findRoot(from: string): string {
  for (let directory = from; ; directory = path.dirname(directory)) {
    if (existsSync(path.join(directory, 'package.json'))) return directory;
    if (directory === path.dirname(directory)) throw new LabError(`there is no package.json in ${from} or above it`);
  }
}

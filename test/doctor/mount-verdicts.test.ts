// The verdicts on file systems and mount options, as a table.
import type {MountFound} from '../../lib/doctor/findings.ts';
import {describeCases, MOUNT, type Case} from './findings-fixture.ts';

const mount = (changes: Partial<MountFound>): {mount: MountFound} => ({mount: {...MOUNT, ...changes}});
const options = (...added: string[]): {mount: MountFound} => mount({options: [...MOUNT.options, ...added]});
const version = (vers: string): {mount: MountFound} =>
  mount({options: MOUNT.options.map((option) => (option.startsWith('vers=') ? `vers=${vers}` : option))});
const type = (name: string): {mount: MountFound} => mount({type: name, source: 'x', options: ['rw'], serverLeaseMs: undefined});

const CASES: readonly Case[] = [
  ['NFS 4.2', {}, 'fileSystem', 'ok', 'NFS 4.2: nfs4 from server:/ha, mounted at /mnt/ha'],
  ['NFS 4.0', version('4.0'), 'fileSystem', 'ok', 'NFS 4.0'],
  ['NFS 3', {...mount({type: 'nfs', options: ['rw', 'vers=3', 'hard']})}, 'fileSystem', 'ok', 'NFS 3'],
  ['NFS 2', {...mount({type: 'nfs', options: ['rw', 'vers=2', 'hard']})}, 'fileSystem', 'unsafe', 'mount vers=4.2 or vers=3'],
  ['ext4', type('ext4'), 'fileSystem', 'warning', 'only this host sees it: ext4'],
  ['tmpfs', type('tmpfs'), 'fileSystem', 'warning', 'only this host sees it, and it is gone after a reboot'],
  ['overlay', type('overlay'), 'fileSystem', 'warning', 'may go with the container'],
  ['SMB', type('cifs'), 'fileSystem', 'warning', 'only NFS has been tried'],
  ['CephFS', type('ceph'), 'fileSystem', 'warning', 'only NFS has been tried'],
  ['a FUSE file system', type('fuse.sshfs'), 'fileSystem', 'warning', 'cannot be told'],
  ['an automount point', type('autofs'), 'fileSystem', 'warning', 'cannot be told'],
  ['a bucket', type('fuse.s3fs'), 'fileSystem', 'unsafe', 'copies and deletes'],
  ['no /proc', {mount: undefined}, 'fileSystem', 'warning', 'mount /proc'],

  ['ordinary options', {}, 'mountOptions', 'ok', 'hard, and nothing that harms: rw,relatime,vers=4.2'],
  ['nosharecache', options('nosharecache'), 'mountOptions', 'ok', 'nosharecache'],
  ['a read-only mount', options('ro'), 'mountOptions', 'unsafe', 'no lease can be taken'],
  ['a read-only mount of a local file system', mount({type: 'ext4', options: ['ro']}), 'mountOptions', 'unsafe', 'mount it rw'],
  ['soft', options('soft'), 'mountOptions', 'warning', 'may still be executed'],
  [
    'softerr, which brings softreval along',
    options('softerr', 'softreval'),
    'mountOptions',
    'warning',
    'corrupted silently (in force',
  ],
  ['softreval alone', options('softreval'), 'mountOptions', 'warning', 'look fresh'],
  ['nocto', options('nocto'), 'mountOptions', 'warning', 'heartbeats and listings may be old'],
  ['noac', options('noac', 'acregmax=0', 'acdirmax=0'), 'mountOptions', 'warning', 'gives the agents nothing'],
  ['a long attribute cache', options('acregmax=600', 'acdirmax=600'), 'mountOptions', 'warning', 'cached for up to 600 s'],
  ['the usual attribute cache', options('acregmax=60', 'acdirmax=60'), 'mountOptions', 'ok', ''],
  ['several at once', options('soft', 'nocto'), 'mountOptions', 'warning', 'mount it hard; mount it without nocto'],
  ['fsc', options('fsc'), 'mountOptions', 'warning', 'local disk'],
  ['nconnect', options('nconnect=4'), 'mountOptions', 'warning', 'nconnect=4'],
  ['another mount of the export', mount({twins: ['/mnt/data']}), 'mountOptions', 'warning', 'mounted at /mnt/data too'],
  ['another mount, caches apart', mount({twins: ['/a'], options: [...MOUNT.options, 'nosharecache']}), 'mountOptions', 'ok', ''],

  [
    'a short lease of the server',
    {},
    'serverLease',
    'ok',
    '10 s (its grace period normally is the same) is shorter than the 18 s',
  ],
  ['the usual lease of the server', mount({serverLeaseMs: 90_000}), 'serverLease', 'warning', 'set lease-time = 10'],
  ['a lease just as long', mount({serverLeaseMs: 18_000}), 'serverLease', 'warning', 'is not shorter than the 18 s'],
  ['an unknown lease', mount({serverLeaseMs: undefined}), 'serverLease', 'warning', 'does not tell it'],
  ['version 3', version('3'), 'serverLease', 'ok', 'no grace period'],
];

describeCases(CASES);

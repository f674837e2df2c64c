// Every verdict but those on mounts, as a table: what was found, and what is said of it.
import type {PeerLook, Peers} from '../../lib/doctor/calls.ts';
import type {MountFound, PartnerFound} from '../../lib/doctor/findings.ts';
import {DEFAULT_TIMING} from '../../lib/protocol/timing.ts';
import {
  describeCases,
  failed,
  HOST,
  LATENCY,
  measured,
  MOUNT,
  NOT_TRIED,
  PARTNER,
  PLACE,
  SILENT,
  TALLY,
  type Case,
} from './findings-fixture.ts';

const mount = (changes: Partial<MountFound>): {mount: MountFound} => ({mount: {...MOUNT, ...changes}});
const type = (name: string): {mount: MountFound} => mount({type: name, source: 'x', options: ['rw'], serverLeaseMs: undefined});
const partner = (changes: Partial<PartnerFound>): {partner: PartnerFound} => ({partner: {...PARTNER, ...changes}});
const broken = {...TALLY, once: 199, broken: 1, example: 'told that it had won: rival1 and rival2'};
const sees = (listedMs: number | null): {partner: PartnerFound} =>
  partner({visibility: measured({changes: 5, listedMs, readMs: 20, limitMs: 10_000})});
const node = (changes: Partial<PeerLook>): PeerLook => ({
  nodeId: 'n2',
  alive: true,
  heartbeatIntervalMs: 1_000,
  seen: null,
  ...changes,
});
/** n2's wall clock as it was seen 10 s apart, each time within 200 ms. */
const clockOf = (theirs: number): PeerLook =>
  node({seen: {first: {theirMs: 0, fromMs: 0, toMs: 200}, last: {theirMs: theirs, fromMs: 10_000, toMs: 10_200}}});
const peers = (nodes: readonly PeerLook[], held: Peers['held'] = null): Case[1] => ({
  peers: measured({storeId: 'x', nodes, held}),
});

const WATCHDOG = {
  device: '/dev/watchdog',
  mode: 'required',
  look: {usable: false, because: '/dev/watchdog is not there', remedy: 'load a driver'},
} as const;

const CASES: readonly Case[] = [
  ['a store that answers', {}, 'store', 'ok', 'holds the store 0123456789abcdef of app default'],
  [
    'no store yet',
    {place: measured({...PLACE, store: {kind: 'missing', says: ''}})},
    'store',
    'ok',
    'ha-agent init --persistenceDir /mnt/ha',
  ],
  [
    'a broken store.json',
    {place: measured({...PLACE, store: {kind: 'unreadable', says: 'is not JSON'}})},
    'store',
    'unsafe',
    'is not JSON | bring the file back',
  ],
  [
    'a store.json that fails',
    {place: measured({...PLACE, store: {kind: 'failed', says: 'EIO'}})},
    'store',
    'unsafe',
    'EIO | see whether the server',
  ],
  [
    'nothing there',
    {place: failed('ENOENT'), workplace: NOT_TRIED},
    'store',
    'unsafe',
    'ENOENT: it failed | is the share mounted?',
  ],
  ['no directory', {place: failed('ENOTDIR'), workplace: NOT_TRIED}, 'store', 'unsafe', 'name a directory'],
  ['no permission to look', {place: failed('EACCES'), workplace: NOT_TRIED}, 'store', 'unsafe', 'as the user of the agents'],
  ['a stale handle', {place: failed('ESTALE'), workplace: NOT_TRIED}, 'store', 'unsafe', 'mount the share again'],
  ['silence', {place: SILENT, workplace: NOT_TRIED}, 'store', 'unsafe', 'the store does not answer since 8 s'],
  [
    'no permission to write',
    {workplace: failed('EACCES')},
    'store',
    'unsafe',
    'making a directory with a file of 16 KiB in /mnt/ha failed',
  ],
  ['a read-only file system', {workplace: failed('EROFS')}, 'store', 'unsafe', 'EROFS: it failed | mount it rw'],

  ['room', {}, 'space', 'ok', '900.0 MiB of 1000.0 MiB and 60000 of 65536 files are free'],
  ['little room', {place: measured({...PLACE, freeBytes: 1 << 20})}, 'space', 'warning', '1.0 MiB of 1000.0 MiB'],
  ['few files left', {place: measured({...PLACE, freeFiles: 10})}, 'space', 'warning', '10 of 65536 files'],
  ['files that are not counted', {place: measured({...PLACE, freeFiles: 0, totalFiles: 0})}, 'space', 'ok', 'MiB are free'],
  ['no room', {workplace: failed('ENOSPC')}, 'space', 'unsafe', 'make room'],
  ['a used up quota', {workplace: failed('EDQUOT')}, 'space', 'unsafe', 'raise the quota'],
  ['silence while a directory is made', {workplace: SILENT}, 'space', 'unsafe', 'does not answer since 8 s'],

  ['one winner each round', {}, 'rename', 'ok', 'exactly one won in 200 of 200 rounds'],
  [
    'an answer that was lost',
    {rivals: measured({...TALLY, once: 199, unheard: 1})},
    'rename',
    'ok',
    'in 1 the answer of the winner was lost',
  ],
  ['two winners', {rivals: measured(broken)}, 'rename', 'unsafe', 'in 1 of 200 rounds on this host not exactly one'],
  ['no round', {rivals: measured({...TALLY, rounds: 0, once: 0})}, 'rename', 'unsafe', 'not one round'],
  [
    'silence among rivals',
    {rivals: SILENT},
    'rename',
    'unsafe',
    'does not answer since 8 s, while rename among rivals was tried',
  ],
  ['a rename that fails', {rivals: failed('EIO')}, 'rename', 'unsafe', 'EIO'],

  ['a refusal', {}, 'fullDirectory', 'ok', 'is refused (ENOTEMPTY)'],
  [
    'a success',
    {fullDirectory: measured({errno: null, entryIsLeft: false})},
    'fullDirectory',
    'unsafe',
    'succeeded, and its entry is gone',
  ],
  [
    'a refusal that destroys',
    {fullDirectory: measured({errno: 'EIO', entryIsLeft: false})},
    'fullDirectory',
    'unsafe',
    'answered by EIO',
  ],

  ['quick calls', {}, 'latency', 'ok', 'p50 / p99 / max: rename 1 / 3 / 3 ms, write 1 / 5 / 5 ms, fsync 1 / 9 / 9 ms'],
  [
    'slow calls',
    {latency: measured({...LATENCY, write: {count: 9, p50: 1, p99: 501, max: 501}})},
    'latency',
    'warning',
    'most goes into waiting',
  ],
  [
    'slow fsync alone',
    {latency: measured({...LATENCY, fsync: {count: 9, p50: 1, p99: 900, max: 900}})},
    'latency',
    'ok',
    'fsync 1 / 900',
  ],
  ['direct I/O', {}, 'heartbeatIo', 'ok', 'O_DIRECT'],
  ['no direct I/O', {latency: measured({...LATENCY, refusesDirect: 'EINVAL'})}, 'heartbeatIo', 'warning', 'delegation'],
  [
    'no direct I/O on tmpfs',
    {...type('tmpfs'), latency: measured({...LATENCY, refusesDirect: 'EINVAL'})},
    'heartbeatIo',
    'ok',
    'EINVAL',
  ],

  ['one clock', {}, 'clock', 'ok', '3 ms apart'],
  ['two clocks', {host: {...HOST, clockDifferenceMs: -4_000}}, 'clock', 'unsafe', 'would not agree on a deadline'],
  ['no second process', {host: {...HOST, clockDifferenceMs: undefined}}, 'clock', 'unsafe', '/proc/uptime'],
  ['timers in time', {}, 'scheduling', 'ok', '12 ms late at most; safetyMargin is 2 s'],
  ['late timers', {host: {...HOST, latenessMs: 1_000}}, 'scheduling', 'warning', 'swap'],
  ['a namespace', {}, 'guardian', 'ok', 'PID namespace'],
  [
    'a group',
    {host: {...HOST, containment: {...HOST.containment, kind: 'group', safe: false, because: 'a group'}}},
    'guardian',
    'warning',
    '--containment namespace',
  ],
  ['a local state directory', {}, 'stateDir', 'ok', '/var/lib/ha-agent/x (below /var/lib, which exists) is local'],
  [
    'a read-only state directory',
    {host: {...HOST, stateDir: {...HOST.stateDir, writable: false}}},
    'stateDir',
    'unsafe',
    '--stateDir',
  ],
  [
    'a shared state directory',
    {host: {...HOST, stateDir: {...HOST.stateDir, mountType: 'nfs4'}}},
    'stateDir',
    'warning',
    'lies on nfs4',
  ],
  [
    'a fleeting state directory',
    {host: {...HOST, stateDir: {...HOST.stateDir, mountType: 'tmpfs'}}},
    'stateDir',
    'warning',
    'has forgotten',
  ],
  ['no watchdog', {}, 'watchdog', 'ok', 'there is none'],
  [
    'a watchdog',
    {host: {...HOST, watchdogs: [{device: '/dev/watchdog', usable: true}]}},
    'watchdog',
    'ok',
    '/dev/watchdog may be opened',
  ],
  [
    'a watchdog of others',
    {host: {...HOST, watchdogs: [{device: '/dev/watchdog', usable: false}]}},
    'watchdog',
    'warning',
    'uid 990',
  ],
  [
    'a watchdog that fires in time',
    {host: {...HOST, watchdog: {...WATCHDOG, look: {usable: true, timeoutMs: 15_000}}}},
    'watchdog',
    'ok',
    'fires 15 s after it is fed last',
  ],
  [
    'a required watchdog that fires too late',
    {host: {...HOST, watchdog: {...WATCHDOG, look: {usable: true, timeoutMs: 60_000}}}},
    'watchdog',
    'unsafe',
    '= 65000 ms is more than leaseTimeout 30000 ms',
  ],
  [
    'a required watchdog that is missing',
    {host: {...HOST, watchdog: WATCHDOG}},
    'watchdog',
    'unsafe',
    '/dev/watchdog is not there | load a driver',
  ],
  [
    'a missing watchdog that is only wanted',
    {host: {...HOST, watchdog: {...WATCHDOG, mode: 'automatic'}}},
    'watchdog',
    'warning',
    '/dev/watchdog is not there',
  ],
  [
    'a floating address',
    {host: {...HOST, vip: {addresses: '192.0.2.10/24 on eth0', needs: []}}},
    'vip',
    'ok',
    '192.0.2.10/24 on eth0',
  ],
  [
    'a floating address that nobody can announce',
    {host: {...HOST, vip: {addresses: '192.0.2.10/24 on eth0', needs: [{because: 'there is no arping', remedy: 'install it'}]}}},
    'vip',
    'unsafe',
    'cannot be held here: there is no arping | install it',
  ],

  ['sound timings', {}, 'timings', 'ok', 'S 10 s + d 2 s + 3 * heartbeatInterval 1 s = 15 s <= T 30 s'],
  [
    'unsound timings',
    {timing: {...DEFAULT_TIMING, stopTimeoutMs: 29_000}},
    'timings',
    'unsafe',
    'raise leaseTimeout or lower the others',
  ],
  [
    'the same timings',
    peers([node({})], {nodeId: 'n2', leaseTimeoutMs: 30_000}),
    'otherTimings',
    'ok',
    'n2, the lock, held by n2, the doctor on host2',
  ],
  [
    'another heartbeatInterval',
    peers([node({heartbeatIntervalMs: 2_000})]),
    'otherTimings',
    'warning',
    'heartbeatInterval of n2 is 2 s, here 1 s',
  ],
  [
    'another T in the lock',
    peers([], {nodeId: 'n2', leaseTimeoutMs: 6_000}),
    'otherTimings',
    'warning',
    'leaseTimeout of n2, as in the lock, is 6 s, here 30 s',
  ],
  ['a dead node', peers([node({alive: false, heartbeatIntervalMs: 2_000})]), 'otherTimings', 'ok', ''],
  [
    'another S of the other doctor',
    partner({timing: {...DEFAULT_TIMING, stopTimeoutMs: 5_000}}),
    'otherTimings',
    'warning',
    'stopTimeout on host2 is 5 s, here 10 s',
  ],

  ['the same rate', {}, 'clockRate', 'ok', 'host2 +0.01 % (± 0.03 %, over 10 s); d in T allows 6.67 %'],
  [
    'another rate',
    partner({clock: {deviation: -0.1, uncertainty: 0.001, overMs: 10_000}}),
    'clockRate',
    'unsafe',
    'host2 -10.00 %',
  ],
  ['a rate that is not certain', partner({clock: {deviation: -0.1, uncertainty: 0.05, overMs: 500}}), 'clockRate', 'ok', ''],
  ['a wall clock at the same rate', {...peers([clockOf(10_000)]), partner: undefined}, 'clockRate', 'ok', 'n2 +0.00 % (± 2.00 %'],
  [
    'a wall clock at another rate',
    {...peers([clockOf(12_000)]), partner: undefined},
    'clockRate',
    'warning',
    'that was just set looks the same',
  ],

  [
    'two hosts',
    {},
    'renameBetweenHosts',
    'ok',
    'on this host and on host2 exactly one won in 200 of 200 rounds (here 90, there 110)',
  ],
  [
    'two winners on two hosts',
    partner({race: measured(broken)}),
    'renameBetweenHosts',
    'unsafe',
    'two nodes can be master at once',
  ],
  ['hardly a race', partner({race: measured({...TALLY, wins: {here: 200}})}), 'renameBetweenHosts', 'warning', 'hardly a race'],
  [
    'another share',
    partner({sameStore: measured(false), race: NOT_TRIED, visibility: NOT_TRIED}),
    'renameBetweenHosts',
    'unsafe',
    'not the same share',
  ],
  [
    'another user',
    partner({sameStore: failed('EACCES'), race: NOT_TRIED, visibility: NOT_TRIED}),
    'renameBetweenHosts',
    'unsafe',
    'one and the same user for the server',
  ],
  [
    'a partner that goes away',
    partner({race: failed('ENOTCONN'), visibility: NOT_TRIED}),
    'renameBetweenHosts',
    'unsafe',
    'on host2 again',
  ],
  ['changes seen at once', {}, 'visibility', 'ok', 'in a listing within 30 ms, a heartbeat in a read within 25 ms'],
  ['changes seen late', sees(4_000), 'visibility', 'warning', 'within 4 s'],
  ['changes not seen', sees(null), 'visibility', 'warning', 'not within 10 s'],
  ['changes that fail', partner({visibility: failed('ENOTCONN')}), 'visibility', 'unsafe', 'could not be tried to its end'],
  ['silence during the changes', partner({visibility: SILENT}), 'visibility', 'unsafe', 'does not answer since 8 s'],
];

describeCases(CASES);

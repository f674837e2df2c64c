// Verdicts on what the store does: whether it answers, what its renames prove, how long it takes, how much room there is.
import {HEARTBEAT_BYTES} from '../store/codec.ts';
import type {Latencies, Outcome, Place, RivalTally} from './calls.ts';
import type {Findings} from './findings.ts';
import type {Samples} from './percentiles.ts';
import {ok, seconds, unsafe, warning, type Check, type Verdict} from './verdict.ts';

const CHECK_SERVER = 'see whether the server and the network answer: ls in that directory, dmesg, the log of the server';

const NOT_OURS =
  'run the doctor as the user of the agents, and let that user own the directory, as the server sees it, or their group write there (nfs-setup.md, Permissions)';

/** What follows from an answer of the system, by the error's name. */
const REMEDIES: Readonly<Record<string, string>> = {
  ENOENT: 'is the share mounted? mount it, or correct --persistenceDir',
  ENOTDIR: 'name a directory with --persistenceDir',
  EACCES: NOT_OURS,
  EPERM: NOT_OURS,
  EROFS: 'mount it rw, and export it rw',
  ENOSPC: 'make room, or give the cluster a small file system of its own',
  EDQUOT: 'raise the quota of this user, or make room',
  ESTALE: 'mount the share again: its server no longer knows it',
};

export const remedyFor = (errno: string): string => REMEDIES[errno] ?? CHECK_SERVER;

/** @returns the verdict on a measurement that did not come to its end; undefined if it did, or was not tried. */
function unfinished(check: Check, what: string, outcome: Outcome<unknown>): Verdict | undefined {
  switch (outcome.kind) {
    case 'measured':
    case 'notTried':
      return undefined;
    case 'failed':
      return unsafe(check, `${what} failed: ${outcome.reason}`, remedyFor(outcome.errno));
    case 'silent':
      return unsafe(check, `the store does not answer since ${seconds(outcome.waitedMs)}, while ${what} was tried`, CHECK_SERVER);
  }
}

/** A check of one measurement: what is wrong with its end, or what `judge` says of its value; nothing if it was not tried. */
function judged<T>(check: Check, what: string, outcome: Outcome<T>, judge: (value: T) => Verdict[]): Verdict[] {
  const wrong = unfinished(check, what, outcome);
  if (wrong) return [wrong];
  return outcome.kind === 'measured' ? judge(outcome.value) : [];
}

export function storeVerdicts(findings: Findings): Verdict[] {
  const {rivals, fullDirectory, latency, timing} = findings;
  return [
    ...reachable(findings),
    ...judged('rename', 'rename among rivals', rivals, (tally) => [rename('rename', tally, 'on this host')]),
    ...judged('fullDirectory', 'a rename over a full directory', fullDirectory, ({errno, entryIsLeft}) => [
      errno !== null && entryIsLeft
        ? ok('fullDirectory', `a rename over a directory that is not empty is refused (${errno})`)
        : unsafe(
            'fullDirectory',
            `a rename over a directory that is not empty ${errno === null ? 'succeeded' : `was answered by ${errno}`}${entryIsLeft ? '' : ', and its entry is gone'}`,
            'use another file system: on this one a second store can be put over the first',
          ),
    ]),
    ...judged('latency', 'timing the calls of the agents', latency, (found) => [
      latencies(found, timing.heartbeatIntervalMs),
      heartbeatIo(found, findings.mount?.type),
    ]),
  ];
}

/** No room is one thing, no permission another. */
const NO_ROOM: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

function reachable(findings: Findings): Verdict[] {
  const {persistenceDir, place, workplace} = findings;
  const writing = `making a directory with a file of ${HEARTBEAT_BYTES / 1_024} KiB in ${persistenceDir}`;
  if (workplace.kind === 'failed' && !NO_ROOM.has(workplace.errno)) return judged('store', writing, workplace, () => []);
  return [
    ...judged('store', `a look at ${persistenceDir}`, place, (found) => [store(findings, found)]),
    ...judged('space', writing, workplace, () => (place.kind === 'measured' ? [space(place.value)] : [])),
  ];
}

function store({persistenceDir, app}: Findings, {store: found}: Place): Verdict {
  switch (found.kind) {
    case 'store':
      return ok('store', `it answers, and holds the store ${found.says} of app ${app}`);
    case 'missing':
      return ok(
        'store',
        `it answers; there is no store of app ${app} yet: "ha-agent init --persistenceDir ${persistenceDir}" creates it, once`,
      );
    case 'unreadable':
      return unsafe('store', found.says, 'bring the file back from where the store came from, or decide with "ha-agent accept"');
    case 'failed':
      return unsafe('store', found.says, CHECK_SERVER);
  }
}

/** Less than this is worth a word: the agents of a few nodes and a long history take about as much. */
const LITTLE_BYTES = 16 << 20;
const LITTLE_FILES = 1_000;

function space({freeBytes, totalBytes, freeFiles, totalFiles}: Place): Verdict {
  const counted = totalFiles > 0;
  const free = `${size(freeBytes)} of ${size(totalBytes)}${counted ? ` and ${freeFiles} of ${totalFiles} files` : ''} are free, and a block could be written`;
  const little = freeBytes < LITTLE_BYTES || (counted && freeFiles < LITTLE_FILES);
  if (!little) return ok('space', free);
  const what = `${free}: when it is full, a node that starts finds no room for its ${HEARTBEAT_BYTES / 1_024} KiB, and the history is not written`;
  return warning('space', what, 'make room, or give the cluster a small file system of its own, and watch it');
}

const size = (bytes: number): string =>
  bytes >= 1 << 30 ? `${(bytes / 2 ** 30).toFixed(1)} GiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;

export function rename(check: 'rename' | 'renameBetweenHosts', tally: RivalTally, where: string): Verdict {
  const {rounds, once, unheard, broken, example, wins} = tally;
  const lost =
    unheard === 0 ? '' : `; in ${unheard} the answer of the winner was lost, which the agents find out by looking again`;
  if (rounds === 0)
    return unsafe(check, `not one round was done ${where}`, 'give it more --rounds, or see why the store is so slow');
  if (broken > 0)
    return unsafe(
      check,
      `in ${broken} of ${rounds} rounds ${where} not exactly one of the rivals won (${example ?? ''})`,
      'use another file system: on this one two nodes can be master at once',
    );
  const share =
    check === 'renameBetweenHosts'
      ? ` (${Object.entries(wins)
          .map(([who, count]) => `${who} ${count}`)
          .join(', ')})`
      : '';
  const alone = check === 'renameBetweenHosts' && Object.values(wins).filter((count) => count > 0).length < 2;
  const reason = `of rivals ${where} exactly one won in ${once + unheard} of ${rounds} rounds${share}${lost}`;
  return alone
    ? warning(check, `${reason}; only one side ever won, so that it was hardly a race`, 'measure again, with more --rounds')
    : ok(check, reason);
}

function latencies(found: Latencies, heartbeatIntervalMs: number): Verdict {
  const parts = (['rename', 'write', 'fsync', 'list'] as const).map((kind) => `${kind} ${inMs(found[kind])}`);
  const reason = `p50 / p99 / max: ${parts.join(', ')}`;
  const slow = Math.max(found.rename.p99, found.write.p99, found.list.p99);
  if (slow <= heartbeatIntervalMs / 2) return ok('latency', reason);
  return warning(
    'latency',
    `${reason}: of one heartbeatInterval (${seconds(heartbeatIntervalMs)}) most goes into waiting`,
    'find out what slows the server down, or raise heartbeatInterval, pollInterval and leaseTimeout on all nodes',
  );
}

const inMs = ({p50, p99, max}: Samples): string => `${p50} / ${p99} / ${max} ms`;

function heartbeatIo({refusesDirect}: Latencies, type: string | undefined): Verdict {
  if (refusesDirect === null) return ok('heartbeatIo', 'a block is overwritten in place, past every cache (O_DIRECT)');
  // Without another host there is nobody whose cache could be old.
  if (type === 'tmpfs' || type === 'ramfs' || type === 'overlay') return ok('heartbeatIo', refusesDirect);
  return warning(
    'heartbeatIo',
    `${refusesDirect}; on NFS a reader may then hold a delegation, and one that is cut off delays the writer`,
    'use a file system that takes O_DIRECT, or see that delegations are off on the server',
  );
}

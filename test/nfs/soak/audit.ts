// What must hold after every round of a soak: one active service, a whole history, and nothing left over in the store or on any machine.
import {parseLockName} from '../../../lib/protocol/lock-name.ts';
import type {EpochRecord} from '../../../lib/store/contract.ts';
import {isRefreshDir, parseHeartbeatFile, parseHistoryFile, parseLockDir} from '../../../lib/store/paths.ts';
import {EXPORTED, MOUNT_POINT} from '../../../scripts/nfs-lab/plan.ts';
import type {Run} from '../../e2e/support/witness-log.ts';
import type {LabCluster} from '../support/lab-cluster.ts';
import type {LabNode} from '../support/lab-node.ts';

/** Private names that a killed process, or a client whose file was removed, leaves behind: harmless, but counted. */
const LEFTOVER = /^(?:\.[0-9a-f]{8}\.tmp|\.nfs[0-9a-f]+)$/;

/** The command line of a witness; that of an agent ends with it. */
const SERVICE = /^\S+ \S+\/witness\.mjs /;

export interface StoreContent {
  /** What the layout does not know, as paths below the persistence directory. */
  readonly strange: readonly string[];
  /** What was being written by processes that were killed. */
  readonly leftovers: readonly string[];
  readonly locks: readonly string[];
  readonly wishes: readonly string[];
}

/** Everything that lies in the store, as the server has it. */
export async function storeContent({lab, persistenceDir}: LabCluster): Promise<StoreContent> {
  const root = persistenceDir.replace(MOUNT_POINT, EXPORTED);
  const found = await lab.must('server', ['find', root, '-mindepth', '1', '-printf', '%P\\n']);
  const content = {strange: [] as string[], leftovers: [] as string[], locks: [] as string[], wishes: [] as string[]};
  for (const path of found.split('\n').filter((line) => line !== '')) {
    const [, dir = '', name = '', ...deeper] = path.split('/');
    if (LEFTOVER.test(path.split('/').at(-1) ?? '') || (parseLockDir(dir) && isRefreshDir(name))) content.leftovers.push(path);
    else if (parseLockDir(dir) && parseLockName(name)) content.locks.push(name);
    else if (dir === 'control' && name !== '') content.wishes.push(name);
    else if (deeper.length > 0 || !isKnown(dir, name)) content.strange.push(path);
  }
  return content;
}

function isKnown(dir: string, name: string): boolean {
  if (name === '')
    return dir === '' || ['store.json', 'nodes', 'history', 'control'].includes(dir) || parseLockDir(dir) !== undefined;
  return (
    (dir === 'nodes' && parseHeartbeatFile(name) !== undefined) || (dir === 'history' && parseHistoryFile(name) !== undefined)
  );
}

/** @returns what is missing, sentences: each epoch that ran, the present one, and whoever each owner took the lease from. */
export function historyGaps(records: readonly EpochRecord[], runs: readonly Run[], locks: readonly string[]): string[] {
  const owners = new Map(records.map(({epoch, to}) => [epoch, to.nodeId]));
  const expected: {readonly epoch: number; readonly node: string; readonly why: string}[] = runs.map(({epoch, node}) => ({
    epoch,
    node,
    why: 'its service ran',
  }));
  const names = [...records.map(({from}) => from.lockName), ...locks].flatMap((text) => parseLockName(text) ?? []);
  for (const {kind, epoch, writer} of names) {
    // A released name carries the epoch after that of its last owner.
    if (writer) expected.push({epoch: kind === 'free' ? epoch - 1 : epoch, node: writer.nodeId, why: 'the lock has named it'});
  }
  const gaps = expected
    .filter(({epoch, node}) => owners.get(epoch) !== node)
    .map(({epoch, node, why}) => `epoch ${epoch} of ${node} is not in the history, though ${why}`);
  return [...new Set(gaps)];
}

export interface Usage {
  readonly node: string;
  readonly part: 'agent' | 'guardian';
  readonly pid: number;
  readonly rssKib: number;
  readonly descriptors: number;
}

interface Row {
  readonly pid: number;
  readonly parent: number;
  readonly rssKib: number;
  readonly words: string;
}

/** What runs on each machine before a cluster is there. */
export async function idleWords(cluster: LabCluster, node: LabNode): Promise<ReadonlySet<string>> {
  return new Set((await processesOn(cluster, node)).map(({words}) => words));
}

/** @returns what agent and guardian use, and every process that belongs to neither of them */
export async function inspect(
  cluster: LabCluster,
  node: LabNode,
  idle: ReadonlySet<string>,
): Promise<{readonly usage: readonly Usage[]; readonly strays: readonly string[]}> {
  const rows = await processesOn(cluster, node);
  const parts = [
    ['agent', await node.pid('agent')],
    ['guardian', await node.pid('guardian')],
  ] as const;
  const family = new Set<number>(parts.map(([, pid]) => pid));
  // A child may have a smaller number than its parent, once numbers have begun anew.
  for (let size = 0; size !== family.size;) {
    size = family.size;
    for (const {pid, parent} of rows) if (family.has(parent)) family.add(pid);
  }
  const serves = await node.isMaster();
  const strays = rows
    .filter(({pid, words}) => !idle.has(words) && (!family.has(pid) || (!serves && SERVICE.test(words))))
    .map(({pid, parent, words}) => `${node.id}: ${pid}, child of ${parent}: ${words}`);
  const count = parts.map(([, pid]) => `set -- /proc/${pid}/fd/*; echo $#`).join('; ');
  const counts = (await cluster.lab.must(node.machine, ['sh', '-c', count])).trim().split('\n').map(Number);
  const usage = parts.map(([part, pid], index) => ({
    node: node.id,
    part,
    pid,
    rssKib: rows.find((row) => row.pid === pid)?.rssKib ?? 0,
    descriptors: counts[index] ?? 0,
  }));
  return {usage, strays};
}

/** Threads of the kernel, and what the lab itself runs there to look, are left out. */
async function processesOn({lab}: LabCluster, {machine}: LabNode): Promise<readonly Row[]> {
  const text = await lab.must(machine, ['ps', '-e', '-ww', '-o', 'pid=,ppid=,rss=,args=']);
  return text.split('\n').flatMap((line) => {
    const [, pid, parent, rss, words = ''] = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    if (pid === undefined || pid === '2' || parent === '2' || /^(ps -e|tail -n \+1 -F|\[)/.test(words)) return [];
    return [{pid: Number(pid), parent: Number(parent), rssKib: Number(rss), words}];
  });
}

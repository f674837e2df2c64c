// How each fault of a soak is done to a cluster in the lab, and undone.
import {makeForget} from '../../../scripts/nfs-lab/lost-reply.ts';
import {EXPORTED} from '../../../scripts/nfs-lab/plan.ts';
import type {Part} from '../../e2e/support/node.ts';
import type {LabCluster} from '../support/lab-cluster.ts';
import type {LabNode} from '../support/lab-node.ts';
import {isNodeFault, type Fault, type NodeFault, type Role, type SharedFault} from './plan.ts';

/** What a soak remembers of a fault that it has begun. */
export interface Begun {
  readonly what: string;
  /** Undoes it; what was killed is launched again by the soak. */
  readonly heal: () => Promise<void>;
}

const FILLER = `${EXPORTED}/filler`;
const FILL_MS = 60_000;

/**
 * @param owner who is master at the beginning of the round
 * @param untouched who has no fault in this round: commands are given there
 */
export async function begin(cluster: LabCluster, fault: Fault, owner: LabNode, untouched: LabNode): Promise<Begun> {
  const {kind, role} = fault;
  if (!isNodeFault(kind)) return {what: kind, heal: await doShared(cluster, kind, fault, untouched)};
  const node = nodeOf(cluster, owner, role ?? 'owner');
  return {what: `${kind} of ${node.id} (${role})`, heal: await doToNode(cluster, node, kind, fault)};
}

const nothing = async (): Promise<void> => undefined;

export function nodeOf(cluster: LabCluster, owner: LabNode, role: Role): LabNode {
  const [standby = owner, other = standby] = cluster.others(owner);
  return {owner, standby, other}[role];
}

async function doToNode(cluster: LabCluster, node: LabNode, kind: NodeFault, {amount}: Fault): Promise<() => Promise<void>> {
  const {lab} = cluster;
  const {machine} = node;
  switch (kind) {
    case 'kill agent':
      return after(killed(node, send(cluster, node, 'KILL', 'agent')), nothing);
    case 'kill guardian':
      return after(send(cluster, node, 'KILL', 'guardian'), nothing);
    case 'kill agent and guardian':
      return after(killed(node, send(cluster, node, 'KILL', 'agent', 'guardian')), nothing);
    case 'kill process group':
      return after(killed(node, lab.run(machine, ['kill', '-s', 'KILL', '--', `-${await node.pid('agent')}`])), nothing);
    case 'stop agent':
    case 'stop guardian': {
      const part = kind === 'stop agent' ? 'agent' : 'guardian';
      const pid = await node.pid(part);
      await send(cluster, node, 'STOP', part);
      // It may be dead by then, as the rules have it.
      return async () => {
        await lab.run(machine, ['kill', '-s', 'CONT', String(pid)]);
      };
    }
    case 'freeze machine':
      return after(lab.freeze(machine), () => lab.thaw(machine));
    case 'crash machine':
      return after(lab.crash(machine), async () => {
        await cluster.boot(node);
        await node.launch();
      });
    case 'cut':
    case 'cut replies':
    case 'cut requests':
      return after(lab.cut(machine, kind === 'cut' ? 'both' : kind === 'cut replies' ? 'replies' : 'requests'), () =>
        lab.heal(machine),
      );
    // What the server has carried out meanwhile it is asked for again, and has forgotten.
    case 'lose replies':
      return after(lab.cut(machine, 'replies'), async () => {
        await makeForget(lab, machine, lab.plan.vers === '3' ? 'crash' : 'restart');
        await lab.heal(machine);
      });
    case 'delay machine':
      return after(lab.delay(machine, amount), () => lab.delay(machine, 0));
    case 'step clock':
      await setClock(cluster, machine, amount);
      return () => setClock(cluster, machine, 0);
    case 'end and launch':
      return after(endAgent(cluster, node), nothing);
    case 'remove':
      return async () => {
        await endAgent(cluster, node);
        const by = cluster.others(node)[0] ?? node;
        await mustSay(
          cluster.cliOn(by, 'remove', node.id, '--persistenceDir', cluster.persistenceDir),
          /removed|no record|alive/,
        );
      };
  }
}

async function doShared(cluster: LabCluster, kind: SharedFault, {amount}: Fault, by: LabNode): Promise<() => Promise<void>> {
  const {lab} = cluster;
  const cli = (word: string): ReturnType<LabCluster['cli']> =>
    cluster.cliOn(by, word, '--persistenceDir', cluster.persistenceDir);
  switch (kind) {
    case 'restart server':
      return after(lab.server.restart(), nothing);
    case 'freeze server':
      return after(lab.freeze('server'), () => lab.thaw('server'));
    case 'crash server':
      return after(lab.crash('server'), () => lab.boot('server'));
    case 'delay server':
      return after(lab.delay('server', amount), () => lab.delay('server', 0));
    case 'export read-only':
      return after(lab.server.export('ro'), () => lab.server.export('rw'));
    case 'export nothing':
      return after(lab.server.export('off'), () => lab.server.export('rw'));
    case 'fill disk': {
      const fill = `dd if=/dev/zero of=${FILLER} bs=64k; dd if=/dev/zero bs=1k >>${FILLER}; sync`;
      await lab.run('server', ['sh', '-c', fill], {timeoutMs: FILL_MS});
      return async () => {
        await lab.must('server', ['rm', FILLER]);
      };
    }
    case 'switchover':
      return () => mustSay(cli('switchover'), /is MASTER/);
    case 'pause':
      return after(mustSay(cli('pause'), /paused/), () => mustSay(cli('resume'), /paused|resumed/));
  }
}

async function after(doing: Promise<unknown>, heal: () => Promise<void>): Promise<() => Promise<void>> {
  await doing;
  return heal;
}

async function killed(node: LabNode, killing: Promise<unknown>): Promise<void> {
  await killing;
  await node.end();
}

/** Another fault may have ended them already. */
async function send({lab}: LabCluster, node: LabNode, signal: 'KILL' | 'STOP', ...parts: readonly Part[]): Promise<void> {
  const pids = await Promise.all(parts.map((part) => node.pid(part)));
  await lab.run(node.machine, ['kill', '-s', signal, ...pids.map(String)]);
}

async function endAgent(cluster: LabCluster, node: LabNode): Promise<void> {
  await cluster.lab.run(node.machine, ['kill', '-s', 'TERM', String(await node.pid('agent'))]);
  await node.end();
}

/** This host's time and so many seconds. */
async function setClock({lab}: LabCluster, machine: string, aheadS: number): Promise<void> {
  await lab.must(machine, ['date', '-s', `@${(Date.now() / 1000 + aheadS).toFixed(3)}`]);
}

async function mustSay(doing: ReturnType<LabCluster['cli']>, what: RegExp): Promise<void> {
  const {status, stdout, stderr} = await doing;
  if (!what.test(stdout + stderr)) throw new Error(`${String(what)} was expected: status ${status}, ${stdout}${stderr}`);
}

// A call that the server carries out and whose reply never reaches the client: what it returns in the end depends on what the server forgets.
import path from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import type {LabProcess, RunOptions, RunResult, StartOptions} from './guest.ts';
import type {Cut} from './network.ts';
import {BUILD_ROOT, EXPORTED, LabError, MOUNT_POINT, numberOf, STORAGE_NET, type NodeName} from './plan.ts';

export interface LostReplyCall {
  readonly call: 'rename' | 'link' | 'mkdir' | 'rmdir' | 'unlink' | 'create';
  /** On the share, as the client names them. */
  readonly paths: readonly [string, string?];
  /** What the server goes through before the client can ask again: nothing, a restart of its service, or a power cut of the machine. */
  readonly forget?: 'nothing' | 'restart' | 'crash';
}

export interface CallOutcome {
  /** Of the error, if there was one. */
  readonly code: string | undefined;
  readonly tookMs: number;
}

export type LostReply = CallOutcome;

/** What of a lab this needs. */
interface Stage {
  readonly server: {restart(): Promise<void>};
  start(node: NodeName, argv: readonly string[], options: StartOptions): Promise<LabProcess>;
  run(node: NodeName, argv: readonly string[], options?: RunOptions): Promise<RunResult>;
  cut(node: NodeName, cut: Cut): Promise<void>;
  heal(node: NodeName): Promise<void>;
  crash(node: NodeName): Promise<void>;
  boot(node: NodeName): Promise<void>;
}

const ARM_MS = 30_000;
const DONE_MS = 20_000;
const RETURN_MS = 180_000;
const CLOSED_MS = 60_000;
const POLL_MS = 50;
const ARMED_CALL = path.join(BUILD_ROOT, 'scripts', 'nfs-lab', 'armed-call.js');

export async function loseReply(
  stage: Stage,
  node: NodeName,
  {call, paths, forget = 'nothing'}: LostReplyCall,
): Promise<LostReply> {
  let output = '';
  const argv = [process.execPath, ARMED_CALL, call, ...paths.filter((each) => each !== undefined)];
  const caller = await stage.start(node, argv, {
    onStdout: (piece) => (output += piece.toString()),
    onStderr: (piece) => (output += piece.toString()),
  });
  const told = (what: string): string => `${node} ${what}: ${output.trim() || 'it says nothing'}`;
  try {
    await until(
      () => output.includes('armed\n'),
      ARM_MS,
      () => told(`does not get ready for ${call}`),
    );
    await stage.cut(node, 'replies');
    try {
      caller.write('now\n');
      await until(
        () => isDone(stage, call, paths),
        DONE_MS,
        () => told(`has asked for ${call}, but the server does not do it`),
      );
      if (output.includes('{')) throw new LabError(told(`got the reply to ${call} in spite of the cut`));
      await makeForget(stage, node, forget);
    } finally {
      await stage.heal(node);
    }
    await until(
      () => output.endsWith('}\n'),
      RETURN_MS,
      () => told(`never returns from ${call}`),
    );
    return JSON.parse(output.slice(output.indexOf('{'))) as CallOutcome;
  } finally {
    caller.release();
  }
}

/** While its replies are cut: takes the server through what it forgets by, and returns when what was lost cannot come any more. */
export async function makeForget(stage: Stage, node: NodeName, forget: 'nothing' | 'restart' | 'crash'): Promise<void> {
  if (forget === 'nothing') return;
  if (forget === 'restart') {
    await stage.server.restart();
    // The kernel still tries to deliver what the stopped service had answered.
    // Those that the client begins meanwhile, and cannot finish, do not count (03).
    const connections = ['grep', '-cE', `:0801 ${hexAddress(node)}:.... (01|04|08|09|0B) `, '/proc/net/tcp'];
    const isClosed = async (): Promise<boolean> => (await stage.run('server', connections)).status === 1;
    await until(isClosed, CLOSED_MS, () => `the server does not give up its connection with ${node}`);
    return;
  }
  // What the call changed is on the disk before the power goes: NFS promises as much.
  await stage.crash('server');
  await stage.boot('server');
}

/** As /proc/net/tcp has the storage address of a machine: in hexadecimal, the last byte first. */
const hexAddress = (node: NodeName): string =>
  [...STORAGE_NET.split('.').map(Number), numberOf(node)]
    .reverse()
    .map((byte) => byte.toString(16).padStart(2, '0').toUpperCase())
    .join('');

/** Whether the server has carried the call out, seen on its own disk. */
async function isDone(stage: Stage, call: LostReplyCall['call'], [first, second]: LostReplyCall['paths']): Promise<boolean> {
  const result = call === 'rename' || call === 'link' ? second : first;
  if (result === undefined || path.relative(MOUNT_POINT, result).startsWith('..')) {
    throw new LabError(`${call} needs paths below ${MOUNT_POINT}, not ${result ?? 'one alone'}`);
  }
  const there = path.join(EXPORTED, path.relative(MOUNT_POINT, result));
  const {status} = await stage.run('server', ['test', '-e', there]);
  return (status === 0) !== (call === 'unlink' || call === 'rmdir');
}

async function until(condition: () => boolean | Promise<boolean>, timeoutMs: number, what: () => string): Promise<void> {
  for (const end = performance.now() + timeoutMs; !(await condition()); await sleep(POLL_MS)) {
    if (performance.now() > end) throw new LabError(`${what()} (${timeoutMs} ms)`);
  }
}

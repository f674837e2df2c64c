// Programs on a machine of the lab: run to their end, or started and watched; and what the machine's clock says.
import type {Socket} from 'node:net';
import os from 'node:os';
import {connectTo} from './control.ts';
import {encodeFrame, FrameReader, type FrameKind, type ProgramEnd, type RunnerRequest} from './frames.ts';
import {consoleLogOf, LabError, RUNNER_PORT, type LabPlan, type NodeName} from './plan.ts';

export interface StartOptions {
  /** Changed to by a shell, so that it may be on the share. */
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Whether it lives on when nobody watches it any more. */
  readonly detached?: boolean;
  readonly onStdout?: (piece: Buffer) => void;
  readonly onStderr?: (piece: Buffer) => void;
  /** How long the machine may take to answer. */
  readonly connectMs?: number;
}

export interface RunOptions extends StartOptions {
  /** What it is given on standard input. */
  readonly input?: string | Buffer;
  /** After this long it is killed, and the call fails. */
  readonly timeoutMs?: number;
}

export interface RunResult {
  /** Exit status; of a program that a signal ended, 128 and its number, as a shell has it. */
  readonly status: number;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a connection ended with: the program's end, or that the machine was lost. */
export type ProcessEnd = ProgramEnd & {readonly lost?: string};

const RUN_MS = 60_000;
const START_MS = 20_000;
const CONNECT_MS = 5_000;
const CLOCK_ROUNDS = 40;

/** A program on a machine; without `detached` it dies with the connection to it. */
export class LabProcess {
  /** As the machine numbers it. It leads a process group. */
  readonly pid: number;
  /** Never rejects. */
  readonly exit: Promise<ProcessEnd>;
  private readonly socket: Socket;

  constructor(pid: number, exit: Promise<ProcessEnd>, socket: Socket) {
    this.pid = pid;
    this.exit = exit;
    this.socket = socket;
  }

  /** To its whole process group. */
  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.send('signal', signal);
  }

  write(input: string | Buffer): void {
    this.send('stdin', input);
  }

  closeInput(): void {
    this.send('stdin-end');
  }

  /** Ends the connection, and with it the program unless it is detached. */
  release(): void {
    this.socket.destroy();
  }

  private send(kind: FrameKind, body?: Buffer | string): void {
    if (!this.socket.destroyed) this.socket.write(encodeFrame(kind, body));
  }
}

/** Starts a program. @throws LabError if the machine does not answer, or has no such program */
export async function startOn(
  plan: LabPlan,
  node: NodeName,
  argv: readonly string[],
  options: StartOptions,
): Promise<LabProcess> {
  const {cwd, env = {}, detached = false} = options;
  const socket = await reach(plan, node, {does: 'exec', argv, cwd, env, detached}, options.connectMs);
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => lose(`has not started ${argv[0]} within ${START_MS} ms`), START_MS);
    let settle: (end: ProcessEnd) => void = () => undefined;
    const exit = new Promise<ProcessEnd>((done) => (settle = done));
    const finish = (end: ProcessEnd): void => {
      clearTimeout(limit);
      socket.destroy();
      settle(end);
      reject(new LabError(end.lost ?? `${node}: ${argv[0]} ended before it began`));
    };
    const lose = (what: string): void => finish({status: null, signal: null, lost: `${node} ${what}; ${hintOf(plan, node)}`});
    listen(socket, {
      started: (body) => {
        clearTimeout(limit);
        resolve(new LabProcess(Number(body.toString()), exit, socket));
      },
      stdout: (body) => options.onStdout?.(body),
      stderr: (body) => options.onStderr?.(body),
      ended: (body) => finish(JSON.parse(body.toString()) as ProgramEnd),
      failed: (body) => lose(`could not run ${argv.join(' ')}: ${body.toString()}`),
      gone: () => lose(`went away while it ran ${argv.join(' ')}`),
    });
  });
}

/** Runs a program to its end. @throws LabError if it takes too long or the machine goes away; a status that is not 0 is no error */
export async function runOn(plan: LabPlan, node: NodeName, argv: readonly string[], options: RunOptions): Promise<RunResult> {
  const {input = '', timeoutMs = RUN_MS, ...rest} = options;
  const output: Record<'stdout' | 'stderr', Buffer[]> = {stdout: [], stderr: []};
  const running = await startOn(plan, node, argv, {
    ...rest,
    onStdout: (piece) => {
      output.stdout.push(piece);
      rest.onStdout?.(piece);
    },
    onStderr: (piece) => {
      output.stderr.push(piece);
      rest.onStderr?.(piece);
    },
  });
  if (input !== '') running.write(input);
  running.closeInput();
  const late = new AbortController();
  const limit = setTimeout(() => {
    late.abort();
    // A detached one would outlive the connection.
    running.kill();
    running.release();
  }, timeoutMs);
  const end = await running.exit;
  clearTimeout(limit);
  const text = (pieces: readonly Buffer[]): string => Buffer.concat(pieces).toString();
  const [stdout, stderr] = [text(output.stdout), text(output.stderr)];
  if (late.signal.aborted) {
    throw new LabError(
      `${node}: ${argv.join(' ')} has not ended within ${timeoutMs} ms; ${hintOf(plan, node)}\n${stdout}${stderr}`,
    );
  }
  if (end.lost !== undefined) throw new LabError(`${end.lost}\n${stdout}${stderr}`);
  return {status: end.status ?? 128 + numberOfSignal(end.signal), signal: end.signal, stdout, stderr};
}

/** Kills all that was started on a machine. @returns how many processes that were */
export async function sweep(plan: LabPlan, node: NodeName): Promise<number> {
  const socket = await reach(plan, node, {does: 'sweep'});
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      clearTimeout(limit);
      socket.destroy();
      reject(new LabError(`${node} could not be swept: ${why}; ${hintOf(plan, node)}`));
    };
    const limit = setTimeout(() => fail(`no answer within ${RUN_MS} ms`), RUN_MS);
    listen(socket, {
      ended: (body) => {
        clearTimeout(limit);
        socket.destroy();
        resolve(Number(body.toString()));
      },
      failed: (body) => fail(body.toString()),
      gone: () => fail('it went away'),
    });
  });
}

/** Where the machine's CLOCK_MONOTONIC is, seen from the host's. */
export interface ClockOffset {
  /** What to subtract from a time of the machine to have the host's, ns. */
  readonly offsetNs: bigint;
  /** The true offset is at most so far from it: half the quickest round trip, ns. */
  readonly errorNs: bigint;
}

/** The quickest of many round trips says most. A machine keeps its offset until it is booted again, also over a freeze. */
export async function clockOffset(plan: LabPlan, node: NodeName): Promise<ClockOffset> {
  const socket = await reach(plan, node, {does: 'clock'});
  let answered: (thereNs: bigint) => void = () => undefined;
  let failed: (error: Error) => void = () => undefined;
  const limit = setTimeout(() => failed(new LabError(`${node} does not tell its time; ${hintOf(plan, node)}`)), RUN_MS);
  listen(socket, {
    tick: (body) => answered(BigInt(body.toString())),
    gone: () => failed(new LabError(`${node} went away; ${hintOf(plan, node)}`)),
  });
  try {
    let best: ClockOffset | undefined;
    for (let round = 0; round < CLOCK_ROUNDS; round += 1) {
      const sentNs = process.hrtime.bigint();
      const thereNs = await new Promise<bigint>((resolve, reject) => {
        [answered, failed] = [resolve, reject];
        socket.write(encodeFrame('tick'));
      });
      const tripNs = process.hrtime.bigint() - sentNs;
      const errorNs = tripNs / 2n + 1n;
      if (!best || errorNs < best.errorNs) best = {offsetNs: thereNs - sentNs - tripNs / 2n, errorNs};
    }
    if (!best) throw new LabError('no round was made');
    return best;
  } finally {
    clearTimeout(limit);
    socket.destroy();
  }
}

// ---- the connection ---------------------------------------------------------------------------------------------------

type Listeners = Partial<Record<FrameKind, (body: Buffer) => void>> & {readonly gone: () => void};

async function reach(plan: LabPlan, node: NodeName, request: RunnerRequest, connectMs = CONNECT_MS): Promise<Socket> {
  const socket = await connectTo(plan.directory, node, RUNNER_PORT, connectMs);
  socket.write(encodeFrame('request', JSON.stringify(request)));
  return socket;
}

/** `gone` is called once, when the connection ends for whatever reason. */
function listen(socket: Socket, listeners: Listeners): void {
  const reader = new FrameReader();
  socket.on('error', () => socket.destroy());
  socket.once('close', listeners.gone);
  socket.on('data', (piece) => {
    for (const {kind, body} of reader.take(piece)) listeners[kind]?.(body);
  });
  socket.resume();
}

const hintOf = (plan: LabPlan, node: NodeName): string => `its console is ${consoleLogOf(plan, node)}`;

export const numberOfSignal = (signal: string | null): number =>
  Object.entries(os.constants.signals).find(([name]) => name === signal)?.[1] ?? 0;

// One run of one short command: its own process group, a time limit, and an end that does not wait for what it leaves behind.
import {spawn, type ChildProcess} from 'node:child_process';
import {constants} from 'node:os';
import type {Readable} from 'node:stream';
import {signalGroup} from './proc.ts';
import type {OutputStream} from './wire.ts';

export interface CommandOptions {
  /** A prefix that makes the command die with the guardian; may be empty. */
  readonly launcher: readonly string[];
  readonly cwd: string;
  readonly environment: NodeJS.ProcessEnv;
  /** At its end the process group gets SIGKILL, ms. */
  readonly timeoutMs: number;
  /** Reads its output until the end, whoever holds the other side. */
  readonly drain: (stream: OutputStream, from: Readable | null) => void;
}

export interface CommandEnd {
  /** Exit status 0 or 2. */
  readonly ok: boolean;
  /** How it ended, as the second half of a sentence: "exit status 3". */
  readonly because: string;
  /** Where it ended by itself. */
  readonly status?: number;
}

export interface RunningCommand {
  /** Resolves when the command itself has ended, whatever of it still runs or holds its pipes; never rejects. */
  readonly done: Promise<CommandEnd>;
  /** Sends a signal to its process group, as long as it has not ended. */
  signal(name: 'SIGTERM' | 'SIGKILL'): void;
}

export function runCommand(argv: readonly string[], options: CommandOptions): RunningCommand {
  const [program = '', ...rest] = [...options.launcher, ...argv];
  try {
    const child = spawn(program, rest, {
      cwd: options.cwd,
      env: options.environment,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    options.drain('stdout', child.stdout);
    options.drain('stderr', child.stderr);
    return watch(child, options.timeoutMs);
  } catch (error) {
    // spawn throws what it does not emit: an argument that the system refuses.
    if (!(error instanceof Error)) throw error;
    return {done: Promise.resolve({ok: false, because: `could not be started: ${error.message}`}), signal: () => undefined};
  }
}

function watch(child: ChildProcess, timeoutMs: number): RunningCommand {
  let ended = false;
  let timedOut = false;
  const signal = (name: 'SIGTERM' | 'SIGKILL'): void => {
    // The number stays taken until the command is reaped, so this cannot hit a stranger.
    if (!ended && child.pid !== undefined) signalGroup(child.pid, name);
  };
  const done = new Promise<CommandEnd>((resolve) => {
    const limit = setTimeout(() => {
      timedOut = true;
      signal('SIGKILL');
    }, timeoutMs);
    const end = (ok: boolean, because: string, status?: number | null): void => {
      ended = true;
      clearTimeout(limit);
      resolve({ok, because, ...(typeof status === 'number' && {status})});
    };
    child.once('error', (error) => end(false, `could not be started: ${error.message}`));
    child.once('exit', (code, name) => {
      if (timedOut) end(false, `still running after ${timeoutMs} ms, killed`);
      else end(code === 0 || code === 2, describeExit(code, name), code);
    });
  });
  return {done, signal};
}

/** How a process ended, in words; a status above 128 is how a shell tells of a signal. */
export function describeExit(code: number | null, name: NodeJS.Signals | null): string {
  if (name !== null) return `ended by ${name}`;
  const passedOn = Object.entries(constants.signals).find(([, number]) => number === (code ?? 0) - 128);
  if (passedOn) return `exit status ${code} (ended by ${passedOn[0]})`;
  if (code === 127) return 'exit status 127 (command not found?)';
  return `exit status ${code}`;
}

// One run of a short program of the system (ip, arping, ndptool), which the guardian never waits for longer than it says.
import {execFile, type ExecFileException} from 'node:child_process';
import {reasonOf} from './values.ts';

export interface ToolEnd {
  readonly ok: boolean;
  /** What it complained of, or how it ended. */
  readonly because: string;
  readonly stdout: string;
}

/** One that hangs in the kernel does not end of SIGKILL either: after this it is left alone, ms. */
const KILLED_MS = 500;

/** Where such programs lie, also for users whose PATH leaves them out. */
export const TOOL_PATH = `${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin`;

export const toolEnvironment = (): NodeJS.ProcessEnv => ({...process.env, PATH: TOOL_PATH, LC_ALL: 'C'});

/**
 * Never rejects.
 * @param limitMs then it gets SIGKILL.
 * @param signal ends it earlier.
 */
export function runTool(argv: readonly string[], limitMs: number, signal?: AbortSignal): Promise<ToolEnd> {
  const [program = '', ...rest] = argv;
  return new Promise((resolve) => {
    const end = (ok: boolean, because: string, stdout = ''): void => {
      clearTimeout(stuck);
      resolve({ok, because: `${program}: ${because}`, stdout});
    };
    const stuck = setTimeout(() => end(false, `does not end of SIGKILL after ${limitMs} ms`), limitMs + KILLED_MS);
    const options = {timeout: limitMs, killSignal: 'SIGKILL', env: toolEnvironment(), cwd: '/'} as const;
    const done = (error: ExecFileException | null, stdout: string, stderr: string): void => {
      if (!error) return end(true, 'exit status 0', stdout);
      const [complaint = ''] = stderr.trim().split('\n');
      if (error.code === 'ENOENT') return end(false, 'there is no such program');
      if (error.killed === true) return end(false, `still running after ${limitMs} ms, killed`, stdout);
      return end(false, complaint === '' ? error.message : complaint, stdout);
    };
    try {
      execFile(program, rest, {...options, ...(signal && {signal})}, done);
    } catch (error) {
      // It throws what it does not tell: want of memory, arguments that are too long.
      end(false, `could not be started: ${reasonOf(error)}`);
    }
  });
}

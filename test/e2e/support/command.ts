// The command line of the build under test, run to its end.
import {execFile} from 'node:child_process';
import {join} from 'node:path';
import {buildRoot} from '../../support/paths.ts';

export const CLI = join(buildRoot, 'lib/cli/main.cjs');

export interface CommandResult {
  /** Exit status; 'SIGKILL' if it did not end in time. */
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

export interface User {
  readonly uid: number;
  readonly gid: number;
}

/** An ordinary user that every host has. */
export const NOBODY: User = {uid: 65_534, gid: 65_534};

/** @returns program and arguments; without a user, as whoever runs the tests. */
export function commandLine(user: User | undefined, args: readonly string[]): [program: string, args: string[]] {
  const own = [process.execPath, CLI, ...args];
  const other = user && ['setpriv', `--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups', '--', ...own];
  const [program = '', ...rest] = other ?? own;
  return [program, rest];
}

export function runCommand(
  args: readonly string[],
  options: {cwd: string; env: NodeJS.ProcessEnv; user?: User | undefined},
): Promise<CommandResult> {
  const [program, rest] = commandLine(options.user, args);
  const {cwd, env} = options;
  return new Promise((resolve) => {
    execFile(program, rest, {cwd, env, timeout: 90_000, killSignal: 'SIGKILL'}, (error, stdout, stderr) => {
      resolve({code: error ? (error.code ?? error.signal ?? 'unknown') : 0, stdout, stderr});
    });
  });
}

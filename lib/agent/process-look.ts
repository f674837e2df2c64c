// What this host tells about a process that an earlier run of the agent wrote down.
import {readFile} from 'node:fs/promises';
import {systemCode} from '../errors.ts';

/** @returns whether a process has been stopped (SIGSTOP, a debugger): it lives, but it does nothing. */
export async function isStopped(pid: number): Promise<boolean> {
  const stat = await readProc(`/proc/${pid}/stat`);
  const state = stat?.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
  return state === 'T' || state === 't';
}

/** @returns program and arguments of a living process; undefined if there is none, or it may not be looked at. */
export async function commandLineOf(pid: number): Promise<readonly string[] | undefined> {
  const text = await readProc(`/proc/${pid}/cmdline`);
  return text === undefined || text === '' ? undefined : text.replace(/\0$/, '').split('\0');
}

/** Whether this is how an agent looks: `node …/ha-agent launch …` or `node …/lib/cli/main.cjs launch …`. */
export function isAgentCommand(words: readonly string[]): boolean {
  const program = words.findIndex((word) => /(^|\/)(ha-agent|ha-agent\.js|lib\/cli\/main\.c?js)$/.test(word));
  return program >= 0 && program <= 8 && words.slice(program + 1).includes('launch');
}

async function readProc(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(systemCode(error) ?? '')) return undefined;
    throw error;
  }
}

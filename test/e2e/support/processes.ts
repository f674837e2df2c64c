// Processes of this host that belong to one test cluster: found by its directory, which all of them mention, and ended by number.
import {readFileSync} from 'node:fs';
import {allProcesses, bootId, hasCode, isAlive, mentions, signal, type ProcessIdentity} from '../../../lib/guardian/proc.ts';
import {eventually} from '../../support/eventually.ts';

export interface FoundProcess extends ProcessIdentity {
  readonly words: readonly string[];
}

/** Every living process but this one with `text` in its command line or environment. */
export function processesOf(text: string): FoundProcess[] {
  return allProcesses()
    .filter(({pid}) => pid !== process.pid && mentions(pid, text))
    .map(({pid, startTicks}) => ({pid, startTicks, bootId: bootId(), words: wordsOf(pid)}));
}

/** Kills them and whatever they start meanwhile. @returns what was there. */
export async function killAll(text: string): Promise<readonly FoundProcess[]> {
  const found = processesOf(text);
  await eventually(
    () => {
      const left = processesOf(text);
      for (const each of left) signal(each, 'SIGKILL');
      return left.length === 0;
    },
    40_000,
    `processes that mention ${text} do not die of SIGKILL`,
  );
  return found;
}

export async function untilGone(identity: ProcessIdentity, what: string, timeoutMs = 45_000): Promise<void> {
  await eventually(() => !isAlive(identity), timeoutMs, `${what} (process ${identity.pid}) is not gone`);
}

export const describeProcesses = (found: readonly FoundProcess[]): string =>
  found.map(({pid, words}) => `${pid}: ${words.join(' ').replaceAll('\n', ' ').slice(0, 200)}`).join('\n');

function wordsOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replace(/\0$/, '').split('\0');
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH')) return [];
    throw error;
  }
}

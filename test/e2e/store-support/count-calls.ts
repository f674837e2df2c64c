// How many system calls a process makes on the store, as strace sees them.
import {spawn, spawnSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {eventually} from '../../support/eventually.ts';

const ATTACH_MS = 30_000;

/** Why nothing can be counted here; undefined if it can. */
export function whyNoStrace(): string | undefined {
  const {status} = spawnSync('strace', ['-o', '/dev/null', 'true'], {stdio: 'ignore'});
  return status === 0 ? undefined : 'strace is not installed, or may not trace here';
}

/**
 * Counts until `enough` of the calls that mark a round have been seen.
 * @param directory counts what names it, or a descriptor of something below it.
 * @returns for each name of a system call how often it was made in that many rounds.
 */
export async function countCalls(
  pid: number,
  directory: string,
  {outFile, isRound, rounds}: {readonly outFile: string; readonly isRound: (line: string) => boolean; readonly rounds: number},
): Promise<ReadonlyMap<string, number>> {
  const tracer = spawn('strace', ['-f', '-y', '-s', '256', '-o', outFile, '-p', String(pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = new Promise((resolve) => tracer.once('close', resolve));
  let said = '';
  tracer.stderr.setEncoding('utf8').on('data', (piece: string) => (said += piece));
  try {
    await eventually(() => said.includes('attached'), ATTACH_MS, 'strace does not attach');
    await eventually(
      () => callsOf(outFile, directory).filter(isRound).length > rounds,
      ATTACH_MS,
      'there are no rounds to count',
    );
  } finally {
    tracer.kill('SIGINT');
    await ended;
  }
  const calls = callsOf(outFile, directory);
  const marks = calls.flatMap((line, index) => (isRound(line) ? [index] : []));
  const counts = new Map<string, number>();
  for (const line of calls.slice(marks[0], marks[rounds])) {
    const name = /^\d+ +(\w+)\(/.exec(line)?.[1] ?? 'unknown';
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

/** A call that another thread interrupts has two lines, of which the second does not count. */
const callsOf = (file: string, directory: string): string[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.includes(directory) && !line.includes(' resumed>'));

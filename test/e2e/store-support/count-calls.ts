// How many system calls a process makes on the store, as strace sees them.
import {spawn, spawnSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {eventually} from '../../support/eventually.ts';

const LIMIT_MS = 90_000;

/** Why nothing can be counted here; undefined if it can. */
export function whyNoStrace(): string | undefined {
  const {status} = spawnSync('strace', ['-o', '/dev/null', 'true'], {stdio: 'ignore'});
  return status === 0 ? undefined : 'strace is not installed, or may not trace here';
}

/**
 * Counts what names `directory`, or a descriptor of something below it, over some rounds; rounds before those are passed over.
 * @returns for each name of a system call how often it was made in `rounds` rounds.
 */
export async function countCalls(
  pid: number,
  directory: string,
  options: {
    readonly outFile: string;
    /** Whether a line is the mark between two rounds. */
    readonly isMark: (line: string) => boolean;
    readonly skip: number;
    readonly rounds: number;
  },
): Promise<ReadonlyMap<string, number>> {
  const {outFile, isMark, skip, rounds} = options;
  const tracer = spawn('strace', ['-f', '-y', '-s', '256', '-o', outFile, '-p', String(pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = new Promise((resolve) => tracer.once('close', resolve));
  let said = '';
  tracer.stderr.setEncoding('utf8').on('data', (piece: string) => (said += piece));
  const marks = (): number[] => callsOf(outFile, directory).flatMap((line, index) => (isMark(line) ? [index] : []));
  try {
    await eventually(() => said.includes('attached'), LIMIT_MS, 'strace does not attach');
    await eventually(() => marks().length > skip + rounds, LIMIT_MS, 'there are no rounds to count');
  } finally {
    tracer.kill('SIGINT');
    await ended;
  }
  const counts = new Map<string, number>();
  for (const line of callsOf(outFile, directory).slice(marks()[skip], marks()[skip + rounds])) {
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

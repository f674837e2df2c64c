// Free space and writability of a path. A file system that hangs holds up a small process of its own, and nothing of the agent.
import {hostname} from 'node:os';
import type {DiskQuestion, Outcome, Probe, WritableQuestion} from './check.ts';
import {probeProcess} from './command-check.ts';

/** Blocks that an ordinary user may still use, and their size. */
const STAT = ['stat', '-f', '-c', '%a %S', '--'];

export function probeDisk({path, freeBytes, timeoutMs}: DiskQuestion): Probe {
  const judge = (printed: string): Outcome => {
    const m = /^(\d+) (\d+)$/.exec(printed);
    if (!m) return {ok: false, because: `has an unknown amount of space: ${printed}`};
    const free = Number(m[1]) * Number(m[2]);
    const enough = free >= freeBytes;
    return {ok: enough, because: `has ${inUnits(free)} free${enough ? '' : `, less than ${inUnits(freeBytes)}`}`};
  };
  return probeProcess({command: [...STAT, path], timeoutMs, name: `disk ${path}`, judge});
}

/**
 * Makes a file of its own, never follows a link in its place, and removes it. What an earlier run that was killed left behind goes first.
 */
const WRITE = [
  'rm -f -- "$1" && set -C',
  'dd if=/dev/zero bs=1 count=1 conv=fsync >"$1" 2>/dev/null || { echo "cannot write $1 through to the disk"; rm -f -- "$1"; exit 1; }',
  'rm -f -- "$1"',
].join(' && ');

let probes = 0;

export function probeWritable({path, timeoutMs}: WritableQuestion): Probe {
  const file = `${path}/.ha-agent-writable.${hostname()}.${process.pid}.${++probes}`;
  const judge = (): Outcome => ({ok: true, because: 'is writable'});
  return probeProcess({command: ['sh', '-c', WRITE, 'sh', file], timeoutMs, name: `writable ${path}`, judge});
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** For people, and coarse: a reason that changed with every byte would be told with every byte. */
function inUnits(bytes: number): string {
  const step = bytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${Number((bytes / 1_024 ** step).toPrecision(3))} ${UNITS[step] ?? 'B'}`;
}

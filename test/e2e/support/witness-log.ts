// What the witnesses wrote, checked without the code under test: no two runs at one time, and no epoch after a larger one.

/** One start of the service with all its processes; times in ns of CLOCK_MONOTONIC. */
export interface Run {
  readonly family: string;
  readonly node: string;
  readonly epoch: number;
  /** The first and the last moment at which any process of it was active. */
  readonly from: bigint;
  readonly to: bigint;
  readonly pids: ReadonlySet<number>;
}

export interface WitnessReport {
  /** In the order in which they began. */
  readonly runs: readonly Run[];
  /** Sentences; empty if all is well. */
  readonly faults: readonly string[];
}

const LINE = /^(\d+) (begin|alive|end) (\S+) (\d+) ([0-9a-f]{8}) (\d+)$/;

/** @throws Error with every fault and all runs, unless no two runs overlap and epochs never go down. */
export function assertNoOverlap(text: string): WitnessReport {
  const report = readWitnessLog(text);
  if (report.faults.length > 0) throw new Error(`${report.faults.join('\n')}\nthe runs:\n${describeRuns(report.runs)}`);
  return report;
}

export function readWitnessLog(text: string): WitnessReport {
  const faults: string[] = [];
  const runs = new Map<string, Run>();
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '') continue;
    const entry = parse(line);
    if (!entry) faults.push(`line ${index + 1} of the witness log cannot be read: ${line}`);
    else runs.set(entry.family, merge(runs.get(entry.family), entry, faults));
  }
  const inOrder = [...runs.values()].sort((a, b) => (a.from < b.from ? -1 : 1));
  return {runs: inOrder, faults: [...faults, ...overlapsOf(inOrder), ...stepsDown(inOrder)]};
}

/** One line for each run: when it was active, and how long nobody was before it. */
export function describeRuns(runs: readonly Run[]): string {
  const start = runs[0]?.from ?? 0n;
  let activeUntil: bigint | undefined;
  return runs
    .map((run) => {
      const gap = activeUntil === undefined ? '' : `, ${ms(run.from - activeUntil)} ms after the one before`;
      if (activeUntil === undefined || run.to > activeUntil) activeUntil = run.to;
      return `  ${name(run)}: ${ms(run.from - start)} .. ${ms(run.to - start)} ms${gap}`;
    })
    .join('\n');
}

function parse(line: string): Run | undefined {
  const [, at, , node, epoch, family, pid] = LINE.exec(line) ?? [];
  if (at === undefined || node === undefined || family === undefined) return undefined;
  return {family, node, epoch: Number(epoch), from: BigInt(at), to: BigInt(at), pids: new Set([Number(pid)])};
}

function merge(run: Run | undefined, line: Run, faults: string[]): Run {
  if (!run) return line;
  if (run.node !== line.node || run.epoch !== line.epoch) faults.push(`${name(run)} and ${name(line)} have one family`);
  return {
    ...run,
    from: line.from < run.from ? line.from : run.from,
    to: line.to > run.to ? line.to : run.to,
    pids: new Set([...run.pids, ...line.pids]),
  };
}

function overlapsOf(runs: readonly Run[]): string[] {
  return runs.flatMap((later, index) =>
    runs
      .slice(0, index)
      .filter((earlier) => earlier.to >= later.from)
      .map((earlier) => {
        const end = earlier.to < later.to ? earlier.to : later.to;
        return `OVERLAP of ${ms(end - later.from)} ms: ${name(earlier)} still ran when ${name(later)} began`;
      }),
  );
}

function stepsDown(runs: readonly Run[]): string[] {
  return runs.flatMap((run, index) => {
    const before = runs[index - 1];
    return before && before.epoch > run.epoch ? [`EPOCH went down: ${name(run)} began after ${name(before)}`] : [];
  });
}

const name = (run: Run): string => `epoch ${run.epoch} on ${run.node} (${run.family})`;
const ms = (ns: bigint): string => (Number(ns) / 1e6).toFixed(1);

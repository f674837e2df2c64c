// Memory and descriptors of every agent and guardian over a soak: after a while of warming up they must stay where they are.
import Table from 'cli-table3';
import type {Usage} from './audit.ts';

interface Sample extends Usage {
  readonly atMs: number;
}

const WARM_MS = 60_000;
/** Roles change, and each watcher of the machine's own HTTP costs one for a moment. */
const DESCRIPTORS_MAX = 8;
/** What a heap takes before it is collected. */
const GROWTH_KIB = 24_576;
const SAMPLES_MIN = 6;

export class UsageBook {
  private readonly processes = new Map<string, Sample[]>();

  note(usage: readonly Usage[], atMs = performance.now()): void {
    for (const each of usage) {
      const key = `${each.part} of ${each.node}, process ${each.pid}`;
      this.processes.set(key, [...(this.processes.get(key) ?? []), {...each, atMs}]);
    }
  }

  /** @throws Error naming each process that used more and more */
  assertFlat(): void {
    const faults = [...this.processes].flatMap(([key, samples]) => growthOf(samples).map((what) => `${key} ${what}`));
    if (faults.length > 0) throw new Error(faults.join('; '));
  }

  /** The processes that lived longest, and what they used. */
  describe(): string {
    const table = new Table({head: ['process', 'looks', 'memory, MiB, first, last, most', 'descriptors, fewest, most']});
    const oldest = [...this.processes].sort(([, a], [, b]) => ageMs(b) - ageMs(a)).slice(0, 6);
    for (const [key, samples] of oldest) {
      const memory = samples.map(({rssKib}) => Math.round(rssKib / 1024));
      const open = samples.map(({descriptors}) => descriptors);
      table.push([
        `${key}, ${Math.round(ageMs(samples) / 1000)} s`,
        samples.length,
        `${memory[0]}, ${memory.at(-1)}, ${Math.max(...memory)}`,
        `${Math.min(...open)}, ${Math.max(...open)}`,
      ]);
    }
    return table.toString();
  }
}

function growthOf(samples: readonly Sample[]): string[] {
  const begun = samples[0]?.atMs ?? 0;
  const warm = samples.filter(({atMs}) => atMs >= begun + WARM_MS);
  if (warm.length < SAMPLES_MIN) return [];
  const third = Math.floor(warm.length / 3);
  const [early, late] = [warm.slice(0, third), warm.slice(-third)];
  const median = (of: readonly Sample[], what: 'rssKib' | 'descriptors'): number =>
    of.map((each) => each[what]).sort((a, b) => a - b)[Math.floor(of.length / 2)] ?? 0;
  const memory = median(late, 'rssKib') - median(early, 'rssKib');
  const open = Math.max(...late.map(({descriptors}) => descriptors)) - Math.min(...early.map(({descriptors}) => descriptors));
  return [
    ...(memory > GROWTH_KIB ? [`grew by ${Math.round(memory / 1024)} MiB`] : []),
    ...(open > DESCRIPTORS_MAX ? [`has ${open} descriptors more`] : []),
  ];
}

const ageMs = (samples: readonly Sample[]): number => (samples.at(-1)?.atMs ?? 0) - (samples[0]?.atMs ?? 0);

// The lock as the server itself has it, looked at every 10 ms past all clients' caches, on this host's clock: when it was renewed, when it changed hands.
import path from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {formatLockName, parseLockName, type LockName} from '../../../lib/protocol/lock-name.ts';
import type {LabProcess} from '../../../scripts/nfs-lab/guest.ts';
import type {Lab} from '../../../scripts/nfs-lab/lab.ts';
import {EXPORTED} from '../../../scripts/nfs-lab/plan.ts';
import {eventually} from '../../support/eventually.ts';
import {repoRoot} from '../../support/paths.ts';
import {withLabCluster, type LabCluster, type LabClusterOptions} from './lab-cluster.ts';
import {hostNs, longestSilence} from './trace.ts';

/** A name that came to be after `sinceNs` and was there at `seenNs`; no name where there was none, or more than one. */
export interface Sighting {
  readonly name: LockName | undefined;
  readonly sinceNs: bigint;
  readonly seenNs: bigint;
}

/** The lock was silent from the renewal on until another node claimed it. */
export interface Takeover {
  readonly renewed: Sighting;
  readonly claimed: Sighting;
  /** No shorter was the silence than this… */
  readonly leastNs: bigint;
  /** …and no longer than this. */
  readonly mostNs: bigint;
}

const WATCH = path.join(repoRoot, 'test/fixtures/lock-watch.mjs');
const CHANGE_MS = 90_000;
const POLL_MS = 50;
const STORY_LINES = 30;

/** As withLabCluster; beside it the lock is watched, and the test fails if an epoch ever went down. */
export async function withWatchedCluster(
  lab: Lab,
  options: LabClusterOptions,
  scenario: (cluster: LabCluster, watch: LockWatch) => Promise<void>,
): Promise<void> {
  await withLabCluster(lab, options, async (cluster) => {
    const watch = await LockWatch.open(lab, cluster.persistenceDir);
    try {
      await scenario(cluster, watch);
      watch.check();
    } catch (error) {
      process.stderr.write(`${watch.story()}\n`);
      throw error;
    } finally {
      watch.release();
    }
  });
}

export class LockWatch {
  private readonly all: Sighting[] = [];
  private watcher: LabProcess | undefined;
  private trouble = '';

  /** @param persistenceDir as the clients see it */
  static async open(lab: Lab, persistenceDir: string): Promise<LockWatch> {
    const watch = new LockWatch();
    const {offsetNs} = await lab.clockOffset('server');
    const root = path.join(EXPORTED, path.basename(persistenceDir), 'default');
    let rest = '';
    watch.watcher = await lab.start('server', [process.execPath, WATCH, root], {
      onStdout: (piece) => {
        const lines = (rest + piece.toString()).split('\n');
        rest = lines.pop() ?? '';
        watch.all.push(...lines.map((line) => parse(line, offsetNs)));
      },
      onStderr: (piece) => (watch.trouble += piece.toString()),
    });
    return watch;
  }

  get sightings(): readonly Sighting[] {
    return this.all;
  }

  /** @throws Error if nothing has been seen yet */
  get latest(): Sighting {
    const latest = this.all.at(-1);
    if (!latest) throw new Error('nothing of the lock has been seen yet');
    return latest;
  }

  get epoch(): number {
    return Math.max(-1, ...this.all.map(({name}) => name?.epoch ?? -1));
  }

  /** Waits until an epoch is held that is larger than this one. @returns the claim, and the silence before it */
  async awaitClaimAfter(epoch: number, timeoutMs = CHANGE_MS): Promise<Takeover> {
    return this.eventually(() => this.takeoverAfter(epoch), timeoutMs, `nobody claims an epoch above ${epoch}`);
  }

  /** Waits until it has been renewed so often, from now on. */
  async awaitRenewals(count: number, timeoutMs = CHANGE_MS): Promise<void> {
    const from = this.all.length;
    await this.eventually(() => this.all.length >= from + count, timeoutMs, `the lock is not renewed ${count} times`);
  }

  /** Waits until the lock looks like this. */
  async awaitName(what: (name: LockName | undefined) => boolean, timeoutMs = CHANGE_MS): Promise<Sighting> {
    return this.eventually(() => what(this.latest.name) && this.latest, timeoutMs, 'the lock has not become what was waited for');
  }

  /** The longest that the lock stood still between two moments, as seen. */
  longestSilenceNs(fromNs: bigint, untilNs = hostNs()): bigint {
    return longestSilence(
      this.all.map(({seenNs}) => seenNs),
      fromNs,
      untilNs,
    );
  }

  /** Who has held it since then, without repetition: `n1 1`. */
  ownersSince(fromNs: bigint): readonly string[] {
    const owners = this.all
      .filter(({name, seenNs}) => name?.kind === 'held' && name.writer && seenNs >= fromNs)
      .map(({name}) => `${name?.writer?.nodeId} ${name?.epoch}`);
    return [...new Set(owners)];
  }

  /** @throws Error if an epoch went down, or the watch broke */
  check(): void {
    if (this.trouble !== '') throw new Error(`the watch on the lock says: ${this.trouble}`);
    let largest = -1;
    for (const {name} of this.all) {
      if (!name) continue;
      if (name.epoch < largest) throw new Error(`EPOCH went down: ${formatLockName(name)} after ${largest}`);
      largest = name.epoch;
    }
  }

  story(): string {
    const lines = this.all
      .slice(-STORY_LINES)
      .map(({name, seenNs}) => `${(Number(seenNs) / 1e9).toFixed(3)} s ${name ? formatLockName(name) : '(no lock)'}`);
    return ['----- the lock, as the server has it', ...lines, this.trouble].join('\n');
  }

  release(): void {
    this.watcher?.release();
  }

  private takeoverAfter(epoch: number): Takeover | undefined {
    const index = this.all.findIndex(({name}) => name?.kind === 'held' && name.epoch > epoch);
    const [claimed, renewed] = [this.all[index], this.all[index - 1]];
    if (!claimed || !renewed) return undefined;
    return {renewed, claimed, leastNs: claimed.sinceNs - renewed.seenNs, mostNs: claimed.seenNs - renewed.sinceNs};
  }

  private eventually<T>(condition: () => T, timeoutMs: number, what: string): Promise<Exclude<T, false | undefined | null>> {
    return eventually(
      async () => {
        await sleep(POLL_MS);
        return condition();
      },
      timeoutMs,
      what,
    );
  }
}

function parse(line: string, offsetNs: bigint): Sighting {
  const [since = '0', seen = '0', ...names] = line.split(' ');
  const locks = names.flatMap((text) => parseLockName(text) ?? []);
  return {name: locks.length === 1 ? locks[0] : undefined, sinceNs: BigInt(since) - offsetNs, seenNs: BigInt(seen) - offsetNs};
}

// When files of the store change, as the server itself has them, on this host's clock: past all clients' caches.
import path from 'node:path';
import type {LabProcess} from '../../../scripts/nfs-lab/guest.ts';
import type {Lab} from '../../../scripts/nfs-lab/lab.ts';
import {EXPORTED} from '../../../scripts/nfs-lab/plan.ts';
import {repoRoot} from '../../support/paths.ts';
import {longestSilence} from './trace.ts';

const WATCH = path.join(repoRoot, 'test/fixtures/change-watch.mjs');

export class ChangeWatch {
  private readonly changes = new Map<string, bigint[]>();
  private watcher: LabProcess | undefined;

  /** @param persistenceDir as the clients see it. @param directories in it */
  static async open(lab: Lab, persistenceDir: string, directories: readonly string[]): Promise<ChangeWatch> {
    const watch = new ChangeWatch();
    const {offsetNs} = await lab.clockOffset('server');
    const root = path.join(EXPORTED, path.basename(persistenceDir));
    let rest = '';
    const argv = [process.execPath, WATCH, ...directories.map((each) => path.join(root, each))];
    watch.watcher = await lab.start('server', argv, {
      onStdout: (piece) => {
        const lines = (rest + piece.toString()).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          const [at = '0', file = ''] = line.split(' ');
          watch.momentsOf(file).push(BigInt(at) - offsetNs);
        }
      },
    });
    return watch;
  }

  /** How often the file of this name was seen to change; that it was there at first counts too. */
  count(name: string): number {
    return this.momentsOf(name).length;
  }

  longestSilenceNs(name: string, fromNs: bigint, untilNs: bigint): bigint {
    return longestSilence(this.momentsOf(name).slice(1), fromNs, untilNs);
  }

  release(): void {
    this.watcher?.release();
  }

  private momentsOf(file: string): bigint[] {
    const name = path.basename(file);
    const moments = this.changes.get(name) ?? [];
    this.changes.set(name, moments);
    return moments;
  }
}

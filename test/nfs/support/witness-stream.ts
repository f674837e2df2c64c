// What the witness of a machine writes, brought to this host while it is written, because a power cut takes the machine's files along; its
// times are put on this host's clock.
import {StringDecoder} from 'node:string_decoder';
import {setTimeout as sleep} from 'node:timers/promises';
import type {ClockOffset, LabProcess} from '../../../scripts/nfs-lab/guest.ts';
import type {Lab} from '../../../scripts/nfs-lab/lab.ts';
import {eventually} from '../../support/eventually.ts';

/** Two measurements of one offset may differ by their errors and by this, ns. */
const DRIFT_NS = 2_000_000n;
const FLUSH_MS = 30_000;
const POLL_MS = 50;

export class WitnessStream {
  private readonly lab: Lab;
  private readonly machine: string;
  private readonly file: string;
  private readonly lines: string[] = [];
  private follower: LabProcess | undefined;
  private offset: ClockOffset | undefined;
  private bytes = 0;

  constructor(lab: Lab, machine: string, file: string) {
    this.lab = lab;
    this.machine = machine;
    this.file = file;
  }

  /** After each boot of the machine: its file is new then, and so is its clock. */
  async follow(): Promise<void> {
    this.follower?.release();
    const offset = await this.lab.clockOffset(this.machine);
    this.offset = offset;
    this.bytes = 0;
    const decoder = new StringDecoder();
    let rest = '';
    const onStdout = (piece: Buffer): void => {
      this.bytes += piece.length;
      const lines = (rest + decoder.write(piece)).split('\n');
      rest = lines.pop() ?? '';
      this.lines.push(...lines.map((line) => onHostClock(line, offset.offsetNs)));
    };
    // Its complaint that the file is not there yet is no news.
    this.follower = await this.lab.start(this.machine, ['tail', '-s', '0.1', '-n', '+1', '-F', this.file], {onStdout});
  }

  /** Waits until everything that is in the file has come, and makes sure that the clock is still where it was. */
  async flush(): Promise<void> {
    const {offset} = this;
    if (!offset) return;
    await eventually(
      async () => {
        await sleep(POLL_MS);
        const {status, stdout} = await this.lab.run(this.machine, ['stat', '-c', '%s', this.file]);
        return status !== 0 || this.bytes >= Number(stdout);
      },
      FLUSH_MS,
      `not all of ${this.file} of ${this.machine} has come`,
    );
    const now = await this.lab.clockOffset(this.machine);
    const moved = now.offsetNs - offset.offsetNs;
    const allowed = now.errorNs + offset.errorNs + DRIFT_NS;
    if (moved > allowed || -moved > allowed) {
      throw new Error(`the clock of ${this.machine} has moved by ${moved} ns against this host's: its witness cannot be placed`);
    }
  }

  text(): string {
    return this.lines.map((line) => `${line}\n`).join('');
  }

  release(): void {
    this.follower?.release();
  }
}

/** Each line of a witness begins with its time. */
function onHostClock(line: string, offsetNs: bigint): string {
  const [, at, rest] = /^(\d+)( .*)$/.exec(line) ?? [];
  return at === undefined || rest === undefined ? line : `${BigInt(at) - offsetNs}${rest}`;
}

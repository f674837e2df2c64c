// The wire between the lab and the runner in a machine: frames of a kind and some bytes, many of them on one connection.

/** The order is the wire format. */
const KINDS = ['request', 'stdin', 'stdin-end', 'signal', 'tick', 'started', 'stdout', 'stderr', 'ended', 'failed'] as const;

export type FrameKind = (typeof KINDS)[number];

export interface Frame {
  readonly kind: FrameKind;
  readonly body: Buffer;
}

/** What the first frame of a connection asks for. */
export type RunnerRequest =
  | {
      readonly does: 'exec';
      readonly argv: readonly string[];
      readonly cwd: string | undefined;
      readonly env: Readonly<Record<string, string>>;
      /** Whether it lives on when the connection ends. */
      readonly detached: boolean;
    }
  /** Answers each `tick` by its CLOCK_MONOTONIC in ns. */
  | {readonly does: 'clock'}
  /** Kills every process that was not there when the runner began to listen. */
  | {readonly does: 'sweep'};

/** How a program ended, in the frame `ended`. */
export interface ProgramEnd {
  readonly status: number | null;
  readonly signal: string | null;
}

const HEADER_BYTES = 5;
const BODY_BYTES_MAX = 64 * 1024 * 1024;

export function encodeFrame(kind: FrameKind, body: Buffer | string = ''): Buffer {
  const bytes = Buffer.from(body);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(KINDS.indexOf(kind), 0);
  header.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([header, bytes]);
}

/** Puts the pieces that a connection delivers together. */
export class FrameReader {
  private pieces: Buffer[] = [];
  private bytes = 0;

  /** @returns the frames that are complete now. @throws Error on what is no frame */
  take(piece: Buffer): Frame[] {
    this.pieces.push(piece);
    this.bytes += piece.length;
    const frames: Frame[] = [];
    for (let frame = this.next(); frame; frame = this.next()) frames.push(frame);
    return frames;
  }

  private next(): Frame | undefined {
    if (this.bytes < HEADER_BYTES) return undefined;
    const [first] = this.pieces;
    // Joined only when a whole frame is there: else a large one would be copied once for each piece.
    const head = first && first.length >= HEADER_BYTES ? first : this.join();
    const kind = KINDS[head.readUInt8(0)];
    const length = head.readUInt32BE(1);
    if (kind === undefined || length > BODY_BYTES_MAX) throw new Error('what came over the connection is not a frame');
    const end = HEADER_BYTES + length;
    if (this.bytes < end) return undefined;
    const all = this.join();
    this.pieces = all.length > end ? [all.subarray(end)] : [];
    this.bytes -= end;
    return {kind, body: all.subarray(HEADER_BYTES, end)};
  }

  private join(): Buffer {
    const [first] = this.pieces;
    const all = first && this.pieces.length === 1 ? first : Buffer.concat(this.pieces);
    this.pieces = [all];
    return all;
  }
}

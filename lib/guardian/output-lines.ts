// Pieces of output into lines, as the agent logs them.
import type {OutputStream} from './wire.ts';

export interface OutputLine {
  /** What printed it. */
  readonly source: string;
  readonly stream: OutputStream;
  /** Without its newline, at most LINE_KEPT characters and a note of what was cut off. */
  readonly text: string;
}

/** How much of a line is kept, characters. */
export const LINE_KEPT = 16 * 1024;

export class OutputLines {
  private readonly say: (line: OutputLine) => void;
  private readonly open = new Map<string, {readonly source: string; readonly stream: OutputStream; text: string; cut: number}>();

  constructor(say: (line: OutputLine) => void) {
    this.say = say;
  }

  push(source: string, stream: OutputStream, piece: string): void {
    const parts = piece.split('\n');
    const last = parts.pop() ?? '';
    for (const part of parts) {
      this.add(source, stream, part);
      this.finish(source, stream);
    }
    if (last !== '') this.add(source, stream, last);
  }

  /** Nothing more will come: lines that have no newline are said as they are. */
  end(): void {
    for (const {source, stream} of [...this.open.values()]) this.finish(source, stream);
  }

  private add(source: string, stream: OutputStream, part: string): void {
    const key = `${source} ${stream}`;
    const line = this.open.get(key) ?? {source, stream, text: '', cut: 0};
    const room = LINE_KEPT - line.text.length;
    line.text += part.slice(0, room);
    line.cut += Math.max(0, part.length - room);
    this.open.set(key, line);
  }

  private finish(source: string, stream: OutputStream): void {
    const key = `${source} ${stream}`;
    const line = this.open.get(key);
    this.open.delete(key);
    if (line) this.say({source, stream, text: line.cut === 0 ? line.text : `${line.text} … (${line.cut} characters more)`});
  }
}

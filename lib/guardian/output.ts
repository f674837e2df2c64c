// Output of services and commands on its way to the agent: of any size, read whatever happens, dropped with a count when nobody wants it.
import type {Socket} from 'node:net';
import type {Readable} from 'node:stream';
import {StringDecoder} from 'node:string_decoder';
import {encode, type OutputSource, type OutputStream} from './wire.ts';

/** How much may wait for the agent, bytes; beyond it the printers wait too. */
const WAITING_MAX = 256 * 1024;
/** How long printers wait for an agent that lives and does not read, ms; then what they print is dropped until it reads again. */
const PATIENCE_MS = 250;

export class OutputForwarder {
  private socket: Socket | undefined;
  private readonly open = new Set<Readable>();
  private droppedBytes = 0;
  private patience: NodeJS.Timeout | undefined;
  /** The agent did not read for PATIENCE_MS. */
  private deaf = false;

  /** From now on to this agent; undefined: to nobody. */
  attach(socket: Socket | undefined): void {
    this.socket = socket;
    socket?.on('drain', () => {
      if (this.socket === socket) this.letOn(false);
    });
    this.letOn(false);
  }

  /** Reads the stream until its end, whoever holds the other side, and whether or not anybody wants it. */
  drain(source: OutputSource, stream: OutputStream, from: Readable | null): void {
    if (!from) return;
    const decoder = new StringDecoder('utf8');
    this.open.add(from);
    from.on('data', (chunk: Buffer) => this.forward(source, stream, decoder.write(chunk), chunk.length));
    from.on('close', () => this.open.delete(from));
    // A broken pipe of a service is its own affair.
    from.on('error', () => undefined);
  }

  /** A word of the guardian itself. */
  say(text: string, isTrouble: boolean): void {
    const line = `${text}\n`;
    this.forward('guardian', isTrouble ? 'stderr' : 'stdout', line, Buffer.byteLength(line));
  }

  private forward(source: OutputSource, stream: OutputStream, text: string, bytes: number): void {
    if (this.socket?.writable !== true || this.deaf) {
      this.droppedBytes += bytes;
      return;
    }
    this.socket.write(encode({type: 'output', source, stream, text}));
    if (this.socket.writableLength > WAITING_MAX) this.hold();
  }

  /** Lets the agent catch up, so that a loud service is slowed down rather than cut short. */
  private hold(): void {
    if (this.patience) return;
    for (const each of this.open) each.pause();
    this.patience = setTimeout(() => this.letOn(true), PATIENCE_MS);
  }

  private letOn(deaf: boolean): void {
    clearTimeout(this.patience);
    this.patience = undefined;
    this.deaf = deaf;
    if (!deaf && this.droppedBytes > 0 && this.socket?.writable === true) {
      this.socket.write(encode({type: 'dropped', bytes: this.droppedBytes}));
      this.droppedBytes = 0;
    }
    for (const each of this.open) each.resume();
  }
}

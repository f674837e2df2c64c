// The agent's side of its guardian: the channel, what comes over it, and the last resort.
import type {Socket} from 'node:net';
import type {Adopted} from '../protocol/agent-state.ts';
import type {GuardianOrder, GuardianReport} from '../protocol/guardian-machine.ts';
import {OutputLines, type OutputLine} from './output-lines.ts';
import {isAlive, type ProcessIdentity} from './proc.ts';
import {killGuardian, recordWithHolder, type GuardianRecord, type KillResult} from './record.ts';
import {
  encode,
  LineSplitter,
  parseGuardianMessage,
  type AgentMessage,
  type EnsureSpec,
  type GuardianMessage,
  type GuardianSetup,
} from './wire.ts';

/** What a guardian tells its agent. None of these may throw. */
export interface GuardianListener {
  report(report: GuardianReport): void;
  /** One line that the service or a command printed. */
  output(line: OutputLine): void;
  /** So many bytes of output were thrown away, because this agent did not read them in time. */
  dropped(bytes: number): void;
  /** The process that holds the service of this run, or without one the standby process. */
  holding(run: number | undefined, holder: ProcessIdentity): void;
  /** The channel closed, once, after everything that came over it: the guardian is dead or dying. `kill()` is next. */
  closed(because: string): void;
}

export interface PassiveResult {
  readonly ok: boolean;
  readonly because: string;
}

/** How often it is looked whether a dismissed guardian is gone, ms. */
const LOOK_MS = 10;

/**
 * A guardian that obeys this process. The channel stays open until this process ends: its end is what tells the
 * guardian that the agent is dead, and it then kills whatever is left of the agent.
 */
export class GuardianClient {
  /** What the guardian runs; given by the agent that spawned it. */
  readonly setup: GuardianSetup;
  /** What it brought over from an earlier agent. */
  readonly adopted: Adopted | undefined;
  private known: GuardianRecord;
  private readonly socket: Socket;
  private readonly listener: GuardianListener;
  private readonly lines: OutputLines;
  private readonly checks = new Map<number, (result: PassiveResult) => void>();
  private nextCheck = 1;
  private ran: boolean;
  private dismissed = false;

  constructor(channel: GuardianChannel, record: GuardianRecord, listener: GuardianListener) {
    this.socket = channel.socket;
    const {holder} = channel.welcome;
    this.known = holder ? recordWithHolder(record, holder) : record;
    this.setup = channel.welcome.setup;
    this.adopted = channel.welcome.adopted;
    this.ran = this.adopted !== undefined;
    this.listener = listener;
    this.lines = new OutputLines((line) => listener.output(line));
    channel.take(
      (message) => this.hear(message),
      (because) => this.closed(because),
    );
  }

  /** What has to be durable on this host before a claim, and again, with the holder of the run in it, after each `holding`. */
  get record(): GuardianRecord {
    return this.known;
  }

  /** Never waits; after the channel closed it does nothing. */
  send(order: GuardianOrder): void {
    if (order.type === 'start') this.ran = true;
    this.write({type: 'order', order});
  }

  /** Values that later runs find in their environment, such as HA_URI. */
  setEnvironment(values: Readonly<Record<string, string>>): void {
    this.write({type: 'environment', values});
  }

  /** Another form of the `ensure` service that it was spawned for: the next commands are these. */
  setEnsure(service: EnsureSpec): void {
    this.write({type: 'ensure', service});
  }

  /** Runs the passive command of a standby once, or looks at its standby process. `ok` without either, and not `ok` while a run is not over. Never rejects. */
  checkPassive(epoch: number | undefined, backoffMs?: number): Promise<PassiveResult> {
    return new Promise((resolve) => {
      if (!this.socket.writable) return resolve({ok: false, because: 'the guardian is gone'});
      const id = this.nextCheck++;
      this.checks.set(id, resolve);
      this.write({type: 'passive', id, epoch, backoffMs});
    });
  }

  /**
   * Kills the guardian, sees it gone, and then the service, as far as its containment proves that. May be called again.
   * @param limitMs gives up after it.
   */
  kill(limitMs = 10_000): Promise<KillResult> {
    return killGuardian(this.known, this.ran, limitMs);
  }

  /**
   * Ends a guardian that runs nothing, to put another with another setup in its place; `closed` is not told. Resolves when its process
   * is gone. One that does not go, or does run something, is killed with it.
   * @param limitMs how long it may take to go by itself.
   * @throws Error if it, or a process of the service, cannot be killed.
   */
  async dismiss(limitMs = 5_000): Promise<void> {
    this.dismissed = true;
    this.send({type: 'bye'});
    const {guardian} = this.known;
    for (let waitedMs = 0; isAlive(guardian) && waitedMs < limitMs; waitedMs += LOOK_MS)
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    if (!isAlive(guardian)) return;
    const {survivors, because} = await this.kill();
    if (survivors.length > 0) throw new Error(`${because}: process ${survivors.join(', ')}`);
  }

  private write(message: AgentMessage): void {
    if (this.socket.writable) this.socket.write(encode(message));
  }

  private hear(message: GuardianMessage): void {
    switch (message.type) {
      case 'report':
        return this.listener.report(message.report);
      case 'holding':
        this.known = recordWithHolder(this.known, message.holder);
        return this.listener.holding(message.run, message.holder);
      case 'output':
        return this.lines.push(message.source, message.stream, message.text);
      case 'dropped':
        return this.listener.dropped(message.bytes);
      case 'passive':
        this.checks.get(message.id)?.({ok: message.ok, because: message.because});
        this.checks.delete(message.id);
        return;
      case 'welcome':
      case 'rejected':
        return;
      default:
        return message satisfies never;
    }
  }

  private closed(because: string): void {
    this.lines.end();
    for (const resolve of this.checks.values()) resolve({ok: false, because});
    this.checks.clear();
    if (!this.dismissed) this.listener.closed(because);
  }
}

/** A connection over which the guardian has said its first word; what came after it waits until somebody takes it. */
export interface GuardianChannel {
  readonly socket: Socket;
  readonly welcome: GuardianMessage & {type: 'welcome'};
  take(hear: (message: GuardianMessage) => void, closed: (because: string) => void): void;
}

/** @returns the channel, a rejection, or undefined if the connection ended or `limitMs` went by without a word. */
export function openChannel(
  socket: Socket,
  limitMs: number,
): Promise<GuardianChannel | (GuardianMessage & {type: 'rejected'}) | undefined> {
  return new Promise((resolve) => {
    const splitter = new LineSplitter();
    let hear: ((message: GuardianMessage) => void) | undefined;
    let closed: ((because: string) => void) | undefined;
    let reason = 'the guardian closed the channel';
    const waiting: GuardianMessage[] = [];
    const limit = setTimeout(() => resolve(undefined), limitMs);
    const first = (message: GuardianMessage): void => {
      clearTimeout(limit);
      if (message.type === 'rejected') resolve(message);
      if (message.type !== 'welcome') return;
      const take: GuardianChannel['take'] = (onMessage, onClosed) => {
        [hear, closed] = [onMessage, onClosed];
        for (const each of waiting) onMessage(each);
        if (socket.closed) onClosed(reason);
      };
      resolve({socket, welcome: message, take});
    };
    let greeted = false;
    socket.setEncoding('utf8');
    socket.on('error', (error) => (reason = `the channel to the guardian broke: ${error.message}`));
    socket.on('close', () => {
      clearTimeout(limit);
      resolve(undefined);
      closed?.(reason);
    });
    socket.on('data', (text: string) => {
      for (const line of splitter.push(text)) {
        const message = parseGuardianMessage(line);
        if (!message) continue;
        if (!greeted) first(message);
        else if (hear) hear(message);
        else waiting.push(message);
        greeted = true;
      }
    });
  });
}

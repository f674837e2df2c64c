// Server-sent events: every change of the agent to every client that listens, each behind a buffer with an end.
import type {AgentEvent, AgentPort} from '../agent/status.ts';
import {summaryOf} from './views.ts';

export interface EventHub {
  /**
   * A new client's stream; the first event is a snapshot, so that nothing before it has to be sent again.
   * @returns undefined if there are too many clients, or no more events will come.
   */
  open(client: {readonly hangUp: () => void}): ReadableStream<Uint8Array> | undefined;
  /** Ends every stream. */
  close(): void;
}

export interface EventLimits {
  readonly clients: number;
  /** What may wait for a slow client before it is cut off, bytes. */
  readonly bufferBytes: number;
  /** How often a comment shows that the connection lives, ms. */
  readonly keepAliveMs: number;
}

const DEFAULTS: EventLimits = {clients: 128, bufferBytes: 256 * 1_024, keepAliveMs: 15_000};
/** How long a client that lost its connection waits before it tries again, ms. */
const RETRY_MS = 1_000;

interface Client {
  send(text: string): void;
  end(): void;
}

export function createEventHub(port: AgentPort, limits: EventLimits = DEFAULTS): EventHub {
  const clients = new Set<Client>();
  const encoder = new TextEncoder();
  let closed = false;
  let quiet: (() => void) | undefined;

  const toAll = (text: string): void => [...clients].forEach((client) => client.send(text));

  /** The agent is listened to, and the timer runs, only while somebody wants to know. */
  function join(client: Client): void {
    clients.add(client);
    if (quiet) return;
    const unsubscribe = port.subscribe((event) => toAll(eventText(port, event)));
    const timer = setInterval(() => toAll(': still here\n\n'), limits.keepAliveMs).unref();
    quiet = () => {
      unsubscribe();
      clearInterval(timer);
    };
  }

  function leave(client: Client): void {
    if (!clients.delete(client) || clients.size > 0) return;
    quiet?.();
    quiet = undefined;
  }

  function open({hangUp}: {readonly hangUp: () => void}): ReadableStream<Uint8Array> | undefined {
    if (closed || clients.size >= limits.clients) return undefined;
    let client: Client | undefined;
    return new ReadableStream<Uint8Array>(
      {
        start(controller) {
          const self: Client = {
            send(text) {
              const chunk = encoder.encode(text);
              if ((controller.desiredSize ?? 0) >= chunk.length) return controller.enqueue(chunk);
              leave(self);
              hangUp();
            },
            end() {
              leave(self);
              controller.close();
            },
          };
          client = self;
          join(self);
          self.send(snapshotText(port));
        },
        cancel() {
          if (client) leave(client);
        },
      },
      new ByteLengthQueuingStrategy({highWaterMark: limits.bufferBytes}),
    );
  }

  return {
    open,
    close() {
      closed = true;
      for (const client of [...clients]) client.end();
    },
  };
}

const snapshotText = (port: AgentPort): string =>
  `retry: ${RETRY_MS}\nevent: snapshot\ndata: ${JSON.stringify(summaryOf(port.status()))}\n\n`;

/** An event carries what clients ask next anyway: who is master, and under which epoch. */
function eventText(port: AgentPort, event: AgentEvent): string {
  const {state, masterId, masterUri, epoch} = port.status();
  const data = JSON.stringify({...event, state, masterId, masterUri, epoch});
  return `id: ${event.id}\nevent: ${event.type}\ndata: ${data}\n\n`;
}

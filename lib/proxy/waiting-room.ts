// Connections that come between two masters wait here for the next one, and are then passed through to its service byte for byte.
import net, {type AddressInfo, type Socket} from 'node:net';
import {HaError, reasonOf} from '../errors.ts';
import type {Situation, Tracker} from './situation.ts';
import {UNAVAILABLE_ANSWER} from './templates.ts';

export interface WaitingRoom {
  readonly port: number;
  /** Ends every connection. */
  close(): Promise<void>;
}

export interface WaitingRoomOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** How long a connection waits, ms. */
  readonly holdMs: number;
  readonly tracker: Pick<Tracker, 'situation' | 'onChange'>;
  /** Somebody has begun to wait: look for the next master more often. */
  readonly hurry: () => void;
}

/** More are turned away, as a full listening queue would. */
const CONNECTIONS_MAX = 4_096;
/** The old master is tried until a new one is known: its service refuses, and nothing that was sent is lost. */
const RETRY_MS = 50;
const CONNECT_MS = 1_000;
/** How long an answer may take to be fetched, ms. */
const GOODBYE_MS = 2_000;

/** @throws HaError http.cannotListen */
export async function openWaitingRoom(options: WaitingRoomOptions): Promise<WaitingRoom> {
  const {host, port} = options;
  const sockets = new Set<Socket>();
  // Nothing is read before there is somebody to pass it to: what the client has sent waits in the kernel.
  const server = net.createServer({pauseOnConnect: true, allowHalfOpen: true}, (socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket));
    void attend(socket, options);
  });
  server.maxConnections = CONNECTIONS_MAX;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(port, host, resolve);
  }).catch((error: unknown) => {
    const reason = reasonOf(error);
    const text = {
      message: `the waiting room cannot listen on ${host} port ${port}: ${reason}`,
      hint: 'give another address with --holdAt, or "--hold 0s" to do without',
      cause: error,
    };
    throw new HaError('http.cannotListen', {address: host, port, reason}, text);
  });
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Until the service accepts a connection nothing has been sent to anybody, so that it may be tried again. */
async function attend(client: Socket, {holdMs, tracker, hurry}: WaitingRoomOptions): Promise<void> {
  const until = performance.now() + holdMs;
  while (!client.destroyed) {
    const situation = tracker.situation();
    if (situation.kind === 'nobody' || performance.now() >= until) return turnAway(client, situation);
    const service = situation.kind === 'master' ? await connect(situation) : undefined;
    if (service) return join(client, service);
    // Nobody would notice the next master in time.
    if (situation.blind) return turnAway(client, situation);
    hurry();
    await changeOr(RETRY_MS, tracker);
  }
}

/** A proxy would ask again if the connection just closed: HTTP is told at once that there is nobody. */
function turnAway(client: Socket, {nodes}: Situation): void {
  const speaksHttp = nodes.some(({serviceUri}) => serviceUri?.startsWith('http:'));
  if (!speaksHttp) return void client.destroy();
  client.setTimeout(GOODBYE_MS, () => client.destroy());
  // What it sends is read and dropped: closing over unread bytes would take the answer away again.
  client.on('end', () => client.destroy()).resume();
  client.end(UNAVAILABLE_ANSWER);
}

function connect({address: {host, port}}: Situation & {kind: 'master'}): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect({host, port, allowHalfOpen: true, timeout: CONNECT_MS});
    const give = (connected: boolean): void => {
      socket.removeAllListeners();
      socket.setTimeout(0);
      if (!connected) socket.on('error', () => undefined).destroy();
      resolve(connected ? socket : undefined);
    };
    socket
      .once('connect', () => give(true))
      .once('error', () => give(false))
      .once('timeout', () => give(false));
  });
}

function join(client: Socket, service: Socket): void {
  const end = (): void => {
    client.destroy();
    service.destroy();
  };
  client.on('error', end).on('close', end);
  service.on('error', end).on('close', end);
  if (client.destroyed) return end();
  client.pipe(service);
  service.pipe(client);
}

function changeOr(ms: number, tracker: Pick<Tracker, 'onChange'>): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      forget();
      resolve();
    };
    const timer = setTimeout(done, ms);
    const forget = tracker.onChange(done);
  });
}

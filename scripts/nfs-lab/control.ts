// How anybody talks to the keeper of a lab: requests over a socket in its directory, and connections into its machines.
import {connect, type Socket} from 'node:net';
import type {MachineState} from './machine.ts';
import type {Cut} from './network.ts';
import {LabError, placesOf, type NodeName} from './plan.ts';

export type ControlRequest =
  | {readonly does: 'boot' | 'crash' | 'freeze' | 'thaw'; readonly node: NodeName}
  | {readonly does: 'cut'; readonly node: NodeName; readonly cut: Cut}
  /** Without a node, all cuts. */
  | {readonly does: 'heal'; readonly node?: NodeName}
  | {readonly does: 'connect'; readonly node: NodeName; readonly port: number; readonly timeoutMs: number}
  /** The lab ends when this connection does, unless something is written to it first. */
  | {readonly does: 'tie'}
  | {readonly does: 'status' | 'end'};

export interface LabStatus {
  readonly nodes: readonly {readonly node: NodeName; readonly state: MachineState; readonly cut: Cut | undefined}[];
}

export type ControlReply =
  {readonly ok: true; readonly value: LabStatus | undefined} | {readonly ok: false; readonly error: string};

/** More than the longest of them, a boot on a busy host. */
const REPLY_MS = 120_000;

export const replyLine = (reply: ControlReply): string => `${JSON.stringify(reply)}\n`;

/** @throws LabError if the keeper refuses, or is not there */
export async function ask(directory: string, request: ControlRequest): Promise<LabStatus | undefined> {
  const {socket, value} = await open(directory, request, REPLY_MS);
  socket.destroy();
  return value;
}

/** @returns a connection with this port of the machine's management address; cuts and delays do not concern it. */
export async function connectTo(directory: string, node: NodeName, port: number, timeoutMs = 5_000): Promise<Socket> {
  const {socket} = await open(directory, {does: 'connect', node, port, timeoutMs}, timeoutMs + 5_000);
  return socket;
}

/** Until it is loosened, the lab ends with this process. @returns how to loosen it */
export async function tie(directory: string): Promise<() => Promise<void>> {
  const {socket} = await open(directory, {does: 'tie'}, REPLY_MS);
  socket.on('error', () => socket.destroy());
  socket.unref();
  return () => new Promise((resolve) => socket.end('loose\n', resolve));
}

/** Whether a keeper listens there. */
export function isKept(directory: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({path: placesOf(directory).control});
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function open(
  directory: string,
  request: ControlRequest,
  timeoutMs: number,
): Promise<{readonly socket: Socket; readonly value: LabStatus | undefined}> {
  const socket = connect({path: placesOf(directory).control});
  const what = 'node' in request ? `${request.does} ${request.node}` : request.does;
  return new Promise((resolve, reject) => {
    let text = Buffer.alloc(0);
    const fail = (reason: string): void => {
      clearTimeout(limit);
      socket.destroy();
      reject(new LabError(`${what}: ${reason}`));
    };
    const limit = setTimeout(() => fail(`no answer within ${timeoutMs} ms: see ${placesOf(directory).keeperLog}`), timeoutMs);
    const onError = (error: Error): void => fail(`the keeper of the lab cannot be reached (${error.message})`);
    const onClose = (): void => fail(`the keeper of the lab has ended: see ${placesOf(directory).keeperLog}`);
    const onData = (piece: Buffer): void => {
      text = Buffer.concat([text, piece]);
      const end = text.indexOf('\n');
      if (end === -1) return;
      const reply = JSON.parse(text.subarray(0, end).toString()) as ControlReply;
      if (!reply.ok) return fail(reply.error);
      clearTimeout(limit);
      socket.off('data', onData).off('error', onError).off('close', onClose).pause();
      if (text.length > end + 1) socket.unshift(text.subarray(end + 1));
      resolve({socket, value: reply.value});
    };
    socket.on('error', onError).on('close', onClose).on('data', onData);
    socket.write(`${JSON.stringify(request)}\n`);
  });
}

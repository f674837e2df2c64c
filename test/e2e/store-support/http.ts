// Requests as scripts and browsers make them: forms, passwords, and a stream of events.
import {request} from 'node:http';
import {setTimeout as sleep} from 'node:timers/promises';
import type {TestNode} from '../support/node.ts';

export interface Reply {
  readonly status: number;
  readonly text: string;
}

const PATIENCE_MS = 60_000;

/** `curl -X POST -d a=b`; with `user` also `-u name:password`. */
export async function post(node: TestNode, path: string, form: Readonly<Record<string, string>>, user?: string): Promise<Reply> {
  return fetchText(node, path, {method: 'POST', body: new URLSearchParams(form), headers: authorization(user)});
}

export async function getAs(node: TestNode, path: string, user: string | undefined): Promise<Reply> {
  return fetchText(node, path, {headers: authorization(user)});
}

async function fetchText(node: TestNode, path: string, init: RequestInit): Promise<Reply> {
  const response = await fetch(new URL(path, node.url()), {...init, signal: AbortSignal.timeout(PATIENCE_MS)});
  return {status: response.status, text: await response.text()};
}

const authorization = (user: string | undefined): Record<string, string> =>
  user === undefined ? {} : {Authorization: `Basic ${Buffer.from(user).toString('base64')}`};

/** What `/v1/events` has sent so far; `close` ends the connection. */
export interface EventStream {
  readonly text: () => string;
  close(): void;
}

export async function followEvents(node: TestNode): Promise<EventStream> {
  let text = '';
  const call = request(new URL('/v1/events', node.url()), {agent: false, headers: {Accept: 'text/event-stream'}}, (response) => {
    response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
    // Closing the connection ends it in the middle, which is what is wanted.
    response.on('error', () => undefined);
  });
  call.on('error', () => undefined);
  call.end();
  const end = performance.now() + PATIENCE_MS;
  while (text === '' && performance.now() < end) await sleep(10);
  if (text === '') throw new Error(`${node.id} sends no events`);
  return {text: () => text, close: () => call.destroy()};
}

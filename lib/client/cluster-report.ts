// What one node says of itself and of the others, asked over HTTP and taken apart: what comes over the network is data.
import {isNodeId} from '../protocol/words.ts';
import {Fields, parseJson} from '../store/fields.ts';
import {limitTime} from './time-limit.ts';

/** A node as another one, or itself, tells of it. */
export interface ReportedNode {
  readonly nodeId: string;
  /** One of the seven states. */
  readonly state: string;
  /** The epoch that this node knew when it last wrote its heartbeat. */
  readonly epoch: number;
  /** The agent's URL. */
  readonly uri: string | undefined;
  readonly serviceUri: string | undefined;
}

export interface ClusterReport {
  /** Which store; undefined while the node knows none. */
  readonly storeId: string | undefined;
  readonly ownId: string;
  /** The owner of the lease, as far as the node knows. */
  readonly masterId: string | undefined;
  readonly epoch: number;
  readonly leaseTimeoutMs: number;
  /** Time left on the node's own lease when it answered, ms; undefined: it has none, or needs none. */
  readonly leaseLeftMs: number | undefined;
  /** With the answering node. */
  readonly nodes: readonly ReportedNode[];
}

export interface Asking {
  /** The header that says who asks; undefined: nobody in particular. */
  readonly authorization: string | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const REPORT_LENGTH_MAX = 1_024 ** 2;
const WORD_MAX = 40;
const ID_MAX = 100;
const URI_MAX = 500;
const NODES_MAX = 256;

/**
 * Whoever has a password asks for the states; for everybody else the events begin with the same report, and need none.
 * @throws Error if the node does not answer in time, or with anything else.
 */
export async function askNode(url: string, {authorization, timeoutMs, signal}: Asking): Promise<ClusterReport> {
  const path = authorization === undefined ? 'v1/events' : 'v1/server/ha/states';
  const headers = authorization === undefined ? {Accept: 'text/event-stream'} : {Authorization: authorization};
  const enough = authorization === undefined ? /\r?\n\r?\n/ : undefined;
  const limit = limitTime(timeoutMs, () => new Error(`no answer within ${timeoutMs} ms`), signal);
  try {
    // A password goes to the node that was named, never to where it points.
    const response = await fetch(new URL(path, url), {headers, redirect: 'error', signal: limit.signal});
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`it answered ${response.status}`);
    }
    const text = await readUntil(response.body, enough);
    const json = enough === undefined ? text : (/^data: ?(.*)$/m.exec(text)?.[1] ?? '');
    return parseReport(parseJson(json)?.value);
  } finally {
    limit.release();
  }
}

/** All of it, or what stands before `enough`; the rest is not waited for. */
async function readUntil(body: ReadableStream<Uint8Array> | null, enough: RegExp | undefined): Promise<string> {
  if (body === null) return '';
  const decoder = new TextDecoder();
  let text = '';
  // Leaving the loop cancels the stream, which closes the connection.
  for await (const chunk of body) {
    text += decoder.decode(chunk, {stream: true});
    const end = enough === undefined ? -1 : text.search(enough);
    if (end !== -1) return text.slice(0, end);
    if (text.length > REPORT_LENGTH_MAX) throw new Error('it does not stop talking');
  }
  return text;
}

/** @throws Malformed */
export function parseReport(value: unknown): ClusterReport {
  const fields = new Fields(value);
  const nodes = fields.object('nodes');
  return {
    storeId: fields.nullable('planeId', (f) => f.sentence('planeId', ID_MAX)) ?? undefined,
    ownId: fields.branded('ownId', isNodeId),
    masterId: fields.nullable('masterId', (f) => f.branded('masterId', isNodeId)) ?? undefined,
    epoch: fields.whole('epoch'),
    leaseTimeoutMs: fields.number('leaseTimeoutMs'),
    leaseLeftMs: fields.nullable('leaseLeftMs', (f) => f.number('leaseLeftMs')) ?? undefined,
    nodes: nodes
      .keys()
      .slice(0, NODES_MAX)
      .map((key) => parseNode(nodes.object(key))),
  };
}

function parseNode(fields: Fields): ReportedNode {
  const optional = (key: string): string | undefined =>
    fields.optional(key, (f) => f.nullable(key, (g) => g.sentence(key, URI_MAX))) ?? undefined;
  const uri = optional('nodeUri');
  return {
    nodeId: fields.branded('nodeId', isNodeId),
    state: fields.sentence('status', WORD_MAX),
    epoch: fields.whole('epoch'),
    uri: uri !== undefined && isHttpUrl(uri) ? uri : undefined,
    serviceUri: optional('serviceUri'),
  };
}

export const isHttpUrl = (text: string): boolean => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);

// What one node says of itself and of the others, asked over HTTP and taken apart: what comes over the network is data.
import http from 'node:http';
import https from 'node:https';
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
  readonly eligible: boolean;
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
  /** Authorities of the node's certificate, PEM; undefined: those of the system. */
  readonly ca?: Buffer | undefined;
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
export async function askNode(url: string, asking: Asking): Promise<ClusterReport> {
  const {authorization, timeoutMs} = asking;
  const limit = limitTime(timeoutMs, () => new Error(`no answer within ${timeoutMs} ms`), asking.signal);
  const {signal} = limit;
  try {
    if (authorization !== undefined) {
      const text = await read(new URL('v1/server/ha/states', url), {Authorization: authorization}, undefined, {
        ...asking,
        signal,
      });
      return parseReport(parseJson(text)?.value);
    }
    const event = await read(new URL('v1/events', url), {Accept: 'text/event-stream'}, /\r?\n\r?\n/, {...asking, signal});
    return parseReport(parseJson(/^data: ?(.*)$/m.exec(event)?.[1] ?? '')?.value);
  } finally {
    limit.release();
  }
}

/** All of the answer, or what stands before `enough`: the rest is not waited for. A redirect is none: a password goes to the node that was named. */
function read(
  url: URL,
  headers: Readonly<Record<string, string>>,
  enough: RegExp | undefined,
  {ca, signal}: Pick<Asking, 'ca' | 'signal'>,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = {agent: false, headers, signal} as const;
    const request = url.protocol === 'https:' ? https.get(url, ca ? {...options, ca} : options) : http.get(url, options);
    const end = (settle: () => void): void => {
      settle();
      request.destroy();
    };
    const fail = (error: Error): void =>
      end(() => reject(signal.aborted && signal.reason instanceof Error ? signal.reason : error));
    request.on('error', fail);
    request.on('response', (response) => {
      if (response.statusCode !== 200) return fail(new Error(`it answered ${response.statusCode}`));
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        const stop = enough === undefined ? -1 : text.search(enough);
        if (stop !== -1) end(() => resolve(text.slice(0, stop)));
        else if (text.length > REPORT_LENGTH_MAX) fail(new Error('it does not stop talking'));
      });
      response.on('error', fail);
      response.on('end', () => (enough === undefined ? end(() => resolve(text)) : fail(new Error('it hung up'))));
    });
  });
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
    eligible: fields.boolean('eligible'),
    uri: uri !== undefined && isHttpUrl(uri) ? uri : undefined,
    serviceUri: optional('serviceUri'),
  };
}

export const isHttpUrl = (text: string): boolean => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);

/** What the node that answered says of itself. */
export const ownNodeOf = ({nodes, ownId}: ClusterReport): ReportedNode | undefined => nodes.find(({nodeId}) => nodeId === ownId);

// One question to one node: the snapshot with which its events begin needs no password, and no time of the store.
import http from 'node:http';
import https from 'node:https';
import {isNodeId} from '../protocol/words.ts';
import {Fields, parseJson} from '../store/fields.ts';
import type {SeenNode} from './situation.ts';

/** What the node says of itself and the others. */
export interface NodeView {
  readonly ownId: string;
  readonly state: string;
  readonly masterId: string | null;
  readonly epoch: number;
  readonly leaseTimeoutMs: number;
  /** Time left on the node's own lease when it answered, ms; null if it owns none. */
  readonly leaseLeftMs: number | null;
  readonly nodes: readonly SeenNode[];
}

export interface Asking {
  /** Authorities, PEM; undefined: those of the system. */
  readonly ca: Buffer | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

const SNAPSHOT_BYTES_MAX = 1_024 ** 2;

/** @throws Error if it does not answer in time, or with anything else. */
export async function fetchView(url: string, asking: Asking): Promise<NodeView> {
  const text = await firstEvent(new URL('v1/events', url), asking);
  const data = /^data: ?(.*)$/m.exec(text)?.[1] ?? '';
  return parseView(parseJson(data)?.value);
}

/** The connection ends as soon as the first event is there. */
function firstEvent(url: URL, {ca, timeoutMs, signal}: Asking): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = {agent: false, headers: {Accept: 'text/event-stream'}, signal} as const;
    const request = url.protocol === 'https:' ? https.get(url, ca ? {...options, ca} : options) : http.get(url, options);
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      settle();
      request.destroy();
    };
    const fail = (reason: string): void => end(() => reject(new Error(reason)));
    const timer = setTimeout(() => fail(`no answer within ${timeoutMs} ms`), timeoutMs);
    request.on('error', (error) => fail(error.message));
    request.on('response', (response) => {
      if (response.statusCode !== 200) return fail(`it answered ${response.statusCode}`);
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        const stop = text.search(/\r?\n\r?\n/);
        if (stop !== -1) end(() => resolve(text.slice(0, stop)));
        else if (text.length > SNAPSHOT_BYTES_MAX) fail('it does not stop talking');
      });
      response.on('error', (error) => fail(error.message));
      response.on('end', () => fail('it hung up'));
    });
  });
}

/** @throws Malformed: what comes over the network is data. */
export function parseView(value: unknown): NodeView {
  const fields = new Fields(value);
  const nodes = fields.object('nodes');
  return {
    ownId: fields.branded('ownId', isNodeId),
    state: fields.sentence('state', WORD_MAX),
    masterId: fields.nullable('masterId', (f) => f.branded('masterId', isNodeId)),
    epoch: fields.whole('epoch'),
    leaseTimeoutMs: fields.number('leaseTimeoutMs'),
    leaseLeftMs: fields.nullable('leaseLeftMs', (f) => f.number('leaseLeftMs')),
    nodes: nodes.keys().map((key) => parseNode(nodes.object(key))),
  };
}

const WORD_MAX = 40;
const URI_MAX = 500;
const GONE: readonly string[] = ['FAILED', 'TERMINATED'];

function parseNode(fields: Fields): SeenNode {
  const state = fields.sentence('status', WORD_MAX);
  const alive = !GONE.includes(state);
  const uri = fields.nullable('nodeUri', (f) => f.sentence('nodeUri', URI_MAX)) ?? undefined;
  return {
    nodeId: fields.branded('nodeId', isNodeId),
    state,
    alive,
    eligible: fields.boolean('eligible') && alive,
    uri: uri !== undefined && URL.canParse(uri) ? uri : undefined,
    // A node of an older version does not say.
    serviceUri:
      fields.optional('serviceUri', (f) => f.nullable('serviceUri', (g) => g.sentence('serviceUri', URI_MAX))) ?? undefined,
  };
}

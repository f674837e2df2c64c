// The answering side of two doctors: does in the private directory of the asking one what it is told, for whoever knows the token.
import {createHash, randomBytes, timingSafeEqual} from 'node:crypto';
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import {HaError, reasonOf} from '../errors.ts';
import {bootNow} from '../guardian/clock.ts';
import {Malformed} from '../store/fields.ts';
import type {Outcome} from './calls.ts';
import {MESSAGE_MAX, parseRequest, type Hello, type Request} from './partner-words.ts';
import type {Probe} from './probe.ts';

/** How long a call to the store may take, ms. */
const STORE_LIMIT_MS = 8_000;
/** How long the private directory of the other host is looked for, ms. */
const JOIN_WAIT_MS = 4_000;

export interface Serving {
  readonly url: string;
  /** How it ended: `done` after a goodbye. */
  readonly ended: Promise<'done' | 'nobody came' | 'it went away' | 'stopped'>;
}

export interface ServeOptions {
  readonly address: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly persistenceDir: string;
  readonly self: Hello;
  readonly probe: Probe;
  /** How long it waits for the other doctor, ms. */
  readonly waitMs: number;
  /** After so long without a request the other one has gone, ms. */
  readonly idleMs: number;
  readonly signal: AbortSignal;
}

/** @throws HaError http.cannotListen */
export async function servePartner(options: ServeOptions): Promise<Serving> {
  const token = randomBytes(16).toString('hex');
  const conversation = new Conversation(options);
  const server = createServer((request, response) => {
    void handle(request, response, token, conversation);
  });
  server.requestTimeout = STORE_LIMIT_MS;
  server.maxConnections = 16;
  await listening(server, options);
  const {port} = server.address() as AddressInfo;
  const host = options.address.includes(':') ? `[${options.address}]` : options.address;
  const ended = conversation.ended.finally(() => {
    server.close();
    server.closeAllConnections();
  });
  return {url: `http://${host}:${port}/${token}`, ended};
}

type End = Awaited<Serving['ended']>;

/** What has been agreed with the one doctor that asks. */
class Conversation {
  readonly ended: Promise<End>;
  readonly #options: ServeOptions;
  #end: (how: End) => void = () => undefined;
  #timer: NodeJS.Timeout;

  constructor(options: ServeOptions) {
    this.#options = options;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#timer = setTimeout(() => this.#end('nobody came'), options.waitMs);
    options.signal.addEventListener('abort', () => this.#end('stopped'), {once: true});
    void this.ended.then(() => clearTimeout(this.#timer));
  }

  async answer(request: Request): Promise<object> {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end('it went away'), this.#options.idleMs);
    const {probe, persistenceDir, self} = this.#options;
    switch (request.op) {
      case 'hello':
        return self;
      case 'clock':
        return {bootMs: bootNow()};
      case 'join': {
        const {name, nonce} = request;
        return flat(await probe.call('join', {persistenceDir, name, nonce, waitMs: JOIN_WAIT_MS}, STORE_LIMIT_MS, JOIN_WAIT_MS));
      }
      case 'race': {
        const {count, startAtMs, periodMs} = request;
        const order = {who: 'there', count, startAtMs, periodMs} as const;
        const outcome = await probe.call('race', order, STORE_LIMIT_MS, count * periodMs);
        return outcome.kind === 'measured' ? {outcomes: outcome.value} : flat(outcome);
      }
      case 'change':
        return flat(await probe.call('change', {index: request.index}, STORE_LIMIT_MS));
      case 'bye':
        setImmediate(() => this.#end('done'));
        return {};
      default:
        return request satisfies never;
    }
  }
}

/** A value as it is; anything else as a failure. */
function flat(outcome: Outcome<object>): object {
  switch (outcome.kind) {
    case 'measured':
      return outcome.value;
    case 'failed':
      return {failed: {errno: outcome.errno, reason: outcome.reason}};
    case 'silent':
      return {failed: {errno: 'ETIMEDOUT', reason: `the store does not answer there since ${outcome.waitedMs / 1_000} s`}};
    case 'notTried':
      return {failed: {errno: 'ETIMEDOUT', reason: 'the store did not answer there before'}};
    default:
      return outcome satisfies never;
  }
}

/** Never rejects. Whoever does not know the token learns nothing but that there is something. */
async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  token: string,
  conversation: Conversation,
): Promise<void> {
  const say = (status: number, body: object): void => {
    response.writeHead(status, {'content-type': 'application/json', 'cache-control': 'no-store'}).end(JSON.stringify(body));
  };
  if (request.method !== 'POST' || !same(request.url ?? '', `/${token}`)) {
    say(404, {error: 'not here'});
    return;
  }
  try {
    say(200, await conversation.answer(parseRequest(await bodyOf(request))));
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    say(400, {failed: {errno: 'EPROTO', reason: `the request ${error.message}`}});
  }
}

const same = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));
const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** @throws Malformed where it is too long or breaks off. */
async function bodyOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let length = 0;
  try {
    for await (const piece of request as AsyncIterable<Buffer>) {
      length += piece.length;
      if (length > MESSAGE_MAX) throw new Malformed('is too long');
      pieces.push(piece);
    }
  } catch (error) {
    throw error instanceof Malformed ? error : new Malformed(`broke off: ${reasonOf(error)}`);
  }
  return Buffer.concat(pieces).toString('utf8');
}

function listening(server: ReturnType<typeof createServer>, {address, port}: ServeOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const reason = reasonOf(error);
      reject(
        new HaError(
          'http.cannotListen',
          {address, port, reason},
          {
            message: `cannot listen on ${address}, port ${port}: ${reason}`,
            hint: 'give --serve an address of this host, and a port that is free',
          },
        ),
      );
    });
    server.listen(port, address, () => resolve());
  });
}

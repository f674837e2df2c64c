// One request to whoever is master: tried until there is an answer, as far as trying again can do no harm.
import {setTimeout as sleep} from 'node:timers/promises';
import {HaError, reasonOf} from '../errors.ts';
import type {Master} from './present-master.ts';
import {isIdempotent, isRepeatable, refuseUnsendable, wasNeverSent} from './resend.ts';
import {limitTime} from './time-limit.ts';

export interface HaRequestInit extends RequestInit {
  /** The service of the master if not given, or its agent. */
  readonly to?: 'service' | 'agent';
  /** Your word that this request does no more when it arrives twice; of GET, HEAD, OPTIONS, PUT and DELETE it is taken for granted. */
  readonly idempotent?: boolean;
  /** As of `HaClientOptions`, for this request. */
  readonly timeoutMs?: number;
}

/** What a request needs to know of its client. */
export interface Surroundings {
  /** @throws the reason of the signal */
  readonly nextMaster: (signal: AbortSignal) => Promise<Master>;
  readonly onMaster: (listener: (master: Master | undefined) => void) => () => void;
  readonly hurry: () => void;
  /** For agents only. */
  readonly authorization: string | undefined;
  readonly timeoutMs: number;
  readonly noMaster: (waitedMs: number) => HaError;
  readonly closed: AbortSignal;
}

const FIRST_PAUSE_MS = 50;
const PAUSE_MAX_MS = 2_000;

/** Why an attempt was cut off: the master that it went to is none any longer. */
class MasterChanged extends Error {
  override readonly name = 'MasterChanged';
}

/** @throws HaError 'client.…'; TypeError of a request that fetch refuses to send; the reason of `init.signal` */
export async function requestOfMaster(path: string, given: HaRequestInit, around: Surroundings): Promise<Response> {
  const {to = 'service', idempotent, timeoutMs = around.timeoutMs, ...init} = given;
  const method = (init.method ?? 'GET').toUpperCase();
  const harmless = idempotent ?? isIdempotent(method);
  const user = init.signal ?? undefined;
  let last: {readonly url: URL; readonly error: unknown} | undefined;
  const late = (): Error => (last ? unreachable(method, last.url, last.error) : around.noMaster(timeoutMs));
  const limit = limitTime(timeoutMs, late, user, around.closed);
  try {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, PAUSE_MAX_MS)) {
      const master = await around.nextMaster(limit.signal);
      const url = targetOf(master, path, to);
      refuseUnsendable(url, init);
      last ??= {url, error: new Error(`no answer within ${timeoutMs} ms`)};
      const {response, reason} = await attempt(url, master).then(
        (answer) => ({response: answer, reason: undefined}),
        (error: unknown) => ({response: undefined, reason: error}),
      );
      if (response) return response;
      around.hurry();
      if (user?.aborted === true || around.closed.aborted) throw limit.signal.reason;
      // What a redirect leads to may be out of reach after the request itself was carried out.
      const never = wasNeverSent(reason) && init.redirect !== 'follow';
      if (!harmless && !never) throw fateUnknown(method, url, limit.signal.aborted ? late() : reason);
      if (!isRepeatable(init.body)) throw unreachable(method, url, reason, 'its body is a stream, which cannot be sent again');
      // A limit that is over is what the next turn ends with.
      if (!limit.signal.aborted) last = {url, error: reason};
      if (!(reason instanceof MasterChanged)) await sleep(pauseMs, undefined, {signal: limit.signal}).catch(() => undefined);
    }
  } finally {
    limit.release();
  }

  async function attempt(url: URL, master: Master): Promise<Response> {
    const cut = new AbortController();
    const pass = (): void => cut.abort(limit.signal.reason);
    limit.signal.addEventListener('abort', pass, {once: true});
    // Harmless requests do not wait for an answer of a node that has been replaced; a node that is not heard for a moment may still answer.
    const off = around.onMaster((next) => {
      if (harmless && next && !isSame(next, master)) cut.abort(new MasterChanged(`${next.nodeId} is master now`));
    });
    const headers = new Headers(init.headers);
    if (to === 'agent' && around.authorization !== undefined) headers.set('Authorization', around.authorization);
    // The caller's signal goes on to count while the body is read; the limit does not.
    const signal = user ? AbortSignal.any([cut.signal, user]) : cut.signal;
    try {
      return await fetch(url, {redirect: 'manual', ...init, headers, signal});
    } finally {
      off();
      limit.signal.removeEventListener('abort', pass);
    }
  }
}

const isSame = (a: Master, b: Master): boolean => a.epoch === b.epoch && a.uri === b.uri && a.serviceUri === b.serviceUri;

/** @throws HaError */
function targetOf(master: Master, path: string, to: 'service' | 'agent'): URL {
  const base = to === 'agent' ? master.uri : master.serviceUri;
  if (base === undefined || !/^https?:/.test(base) || !URL.canParse(base)) {
    const lack = base === undefined ? `does not say where its ${to} answers` : `${base} is no HTTP address of its ${to}`;
    const message = `${master.nodeId} is master, and ${lack}`;
    const hint = `give ${to === 'agent' ? '--uri' : '--serviceUri'} to its launch, or take another way there than fetch`;
    throw new HaError('client.noService', {nodeId: master.nodeId, uri: base}, {message, hint});
  }
  const url = path.startsWith('/') && URL.canParse(path, base) ? new URL(path, base) : undefined;
  if (url?.origin === new URL(base).origin) return url;
  const hint = 'give what comes after the host, beginning with one slash: "/orders?open"';
  throw new HaError('client.invalid', {what: 'path'}, {message: `${JSON.stringify(path)} is no path at the master`, hint});
}

function unreachable(method: string, url: URL, cause: unknown, more?: string): HaError {
  return new HaError(
    'client.unreachable',
    {method, url: url.href},
    {
      message: `${method} ${url.href} got no answer: ${rootOf(cause)}${more === undefined ? '' : `; ${more}`}`,
      hint: 'look whether the service answers there, and whether its serviceUri can be reached from here',
      cause,
    },
  );
}

function fateUnknown(method: string, url: URL, cause: unknown): HaError {
  return new HaError(
    'client.fateUnknown',
    {method, url: url.href},
    {
      message: `nobody knows whether ${method} ${url.href} was carried out: ${rootOf(cause)}`,
      hint: 'look whether it was before you send it again; say "idempotent: true" of requests that may arrive twice',
      cause,
    },
  );
}

/** fetch only says that it failed; its cause says why. */
function rootOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && cause.message !== '' ? cause.message : reasonOf(error);
}

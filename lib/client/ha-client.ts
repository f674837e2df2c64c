// HaClient: for programs that use the service of a cluster. It knows who is master, follows changes, and sends requests there.
import {HaError, isHaError} from '../errors.ts';
import {isHttpUrl} from './cluster-report.ts';
import {Following} from './following.ts';
import {requestOfMaster, type HaRequestInit} from './master-request.ts';
import type {Master} from './present-master.ts';
import {limitTime} from './time-limit.ts';

export {HaError, isHaError};
export type {HaRequestInit, Master};

export interface HaClientOptions {
  /** URLs of agents, such as `http://n1:8081`. One that answers is enough: the nodes name each other. */
  readonly nodes: readonly string[];
  /** A user of the agents' users file; sent to agents, never to the service. To follow, none is needed. */
  readonly auth?: {readonly user: string; readonly password: string};
  /** For how long `master()` waits and `fetch()` tries, ms; 45 s if not given: longer than the usual silence after a host has died. */
  readonly timeoutMs?: number;
  /** How often nodes are asked while nothing happens, ms; changes are heard of at once. 5 s if not given. */
  readonly pollIntervalMs?: number;
  /** Closes the client. */
  readonly signal?: AbortSignal;
}

/** What `on` tells of. */
export interface HaClientEvents {
  /** The new master; undefined: there is none, or none is known. */
  readonly master: Master | undefined;
  /** The URLs of the agents that are followed now. */
  readonly nodes: readonly string[];
}

const TIMEOUT_MS = 45_000;
const POLL_INTERVAL_MS = 5_000;
/** How long an agent may take to answer, ms. */
const ANSWER_MS = 2_000;
const NODES_MAX = 64;

type Listeners = {readonly [E in keyof HaClientEvents]: Set<(value: HaClientEvents[E]) => void>};

export class HaClient {
  readonly #following: Following;
  readonly #timeoutMs: number;
  readonly #authorization: string | undefined;
  readonly #end = new AbortController();
  readonly #listeners: Listeners = {master: new Set(), nodes: new Set()};
  /** What listeners have been told last. */
  #master: Master | undefined;
  #nodes = '';

  /** Begins to follow the cluster at once. @throws HaError 'client.invalid' */
  constructor({nodes, auth, timeoutMs = TIMEOUT_MS, pollIntervalMs = POLL_INTERVAL_MS, signal}: HaClientOptions) {
    refuseOptions(nodes, {timeoutMs, pollIntervalMs});
    this.#timeoutMs = timeoutMs;
    this.#authorization = auth && `Basic ${Buffer.from(`${auth.user}:${auth.password}`).toString('base64')}`;
    if (signal?.aborted === true) this.close();
    else signal?.addEventListener('abort', () => this.close(), {once: true, signal: this.#end.signal});
    this.#following = new Following({
      urls: nodes,
      authorization: this.#authorization,
      pollIntervalMs,
      answerMs: Math.min(ANSWER_MS, timeoutMs),
      signal: this.#end.signal,
      onChange: () => this.#tell(),
    });
  }

  /** The master that is known now. A moment later it may be another one: work that matters carries its epoch along. */
  get current(): Master | undefined {
    return this.#end.signal.aborted ? undefined : this.#following.master;
  }

  /** The URLs of the agents that are followed now. */
  get nodes(): readonly string[] {
    return this.#end.signal.aborted ? [] : this.#following.urls;
  }

  /** The present master, or the next one. @throws HaError 'client.noMaster' when the time is over, 'client.closed'; the signal's reason */
  async master(options: {readonly timeoutMs?: number; readonly signal?: AbortSignal} = {}): Promise<Master> {
    const {timeoutMs = this.#timeoutMs, signal} = options;
    const limit = limitTime(timeoutMs, () => this.#noMaster(timeoutMs), signal, this.#end.signal);
    try {
      return await this.#nextMaster(limit.signal);
    } finally {
      limit.release();
    }
  }

  /** Calls `listener` with every change from now on. @returns the function that ends this. */
  on<E extends keyof HaClientEvents>(event: E, listener: (value: HaClientEvents[E]) => void): () => void {
    const listeners: Listeners[E] = this.#listeners[event];
    if (!this.#end.signal.aborted) listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /**
   * `fetch` of a path at whoever is master. What is safe is sent again, to the next master if need be: idempotent requests, and whatever
   * was never sent. Every response is an answer and yours, also a redirect, which is followed only if `init.redirect` says so.
   * @throws HaError 'client.fateUnknown' (it may have been carried out), 'client.unreachable', 'client.noMaster', 'client.noService',
   * 'client.invalid', 'client.closed'; TypeError of what fetch never sends, such as the method TRACE; the reason of `init.signal` if that ends it
   */
  async fetch(path: string, init: HaRequestInit = {}): Promise<Response> {
    return requestOfMaster(path, init, {
      nextMaster: (signal) => this.#nextMaster(signal),
      onMaster: (listener) => this.on('master', listener),
      hurry: () => this.#following.hurry(),
      authorization: this.#authorization,
      timeoutMs: this.#timeoutMs,
      noMaster: (waitedMs) => this.#noMaster(waitedMs),
      closed: this.#end.signal,
    });
  }

  /** Ends every connection to agents, and what waits; a response that has begun may be read to its end. */
  close(): void {
    const text = {message: 'the client was closed', hint: 'make a new HaClient for what is to come'};
    this.#end.abort(new HaError('client.closed', {}, text));
    for (const listeners of Object.values(this.#listeners)) listeners.clear();
  }

  /** @throws the reason of the signal */
  #nextMaster(signal: AbortSignal): Promise<Master> {
    return new Promise((resolve, reject) => {
      const {current} = this;
      if (!signal.aborted && current) return resolve(current);
      const off = this.on('master', (master) => {
        if (!master) return;
        end();
        resolve(master);
      });
      const abort = (): void => {
        end();
        reject(asError(signal.reason));
      };
      const end = (): void => {
        off();
        signal.removeEventListener('abort', abort);
      };
      if (signal.aborted) abort();
      else signal.addEventListener('abort', abort, {once: true});
    });
  }

  #tell(): void {
    const {current, nodes} = this;
    const list = nodes.join(' ');
    const newMaster = JSON.stringify(current) !== JSON.stringify(this.#master);
    const newNodes = list !== this.#nodes;
    this.#master = current;
    this.#nodes = list;
    if (newMaster) [...this.#listeners.master].forEach((listener) => listener(current));
    if (newNodes) [...this.#listeners.nodes].forEach((listener) => listener(nodes));
  }

  #noMaster(waitedMs: number): HaError {
    const reasons = this.#following.reasons;
    return new HaError(
      'client.noMaster',
      {waitedMs, reasons},
      {
        message: `no master was found within ${waitedMs} ms: ${reasons.join('; ')}`,
        hint: 'see "ha-agent status" for why nobody is master, or wait longer with timeoutMs',
      },
    );
  }
}

const asError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error(String(reason)));

/** @throws HaError 'client.invalid' */
function refuseOptions(nodes: readonly string[], durations: Readonly<Record<string, number>>): void {
  const refuse = (what: string, message: string, hint: string): never => {
    throw new HaError('client.invalid', {what}, {message, hint});
  };
  if (nodes.length === 0 || nodes.length > NODES_MAX) {
    refuse('nodes', `nodes names ${nodes.length} agents`, `name 1 to ${NODES_MAX} of them: {nodes: ['http://n1:8081']}`);
  }
  const bad = nodes.find((url) => !isHttpUrl(url));
  if (bad !== undefined) {
    refuse('nodes', `${JSON.stringify(bad)} is no URL of an agent`, 'write http:// or https://, host and port');
  }
  for (const [what, ms] of Object.entries(durations)) {
    if (!(ms > 0 && ms < 2 ** 31)) refuse(what, `${what} is ${ms}`, 'give milliseconds above 0, at most 24 days');
  }
}

// How a standby hears of changes at once: it follows the master's events, and a connection that breaks is news as well.
import http from 'node:http';
import https from 'node:https';

export interface HintChannel {
  /** Follows this master from now on; undefined, or a URI that leads nowhere: nobody. The same URI again changes nothing. */
  follow(uri: string | undefined): void;
}

export interface HintOptions {
  /** Something happened at the master, or to it. Called once per event; it must not throw. */
  readonly onHint: () => void;
  /** Ends the channel for good. */
  readonly signal: AbortSignal;
  readonly timing?: Partial<HintTiming>;
}

export interface HintTiming {
  /** First wait before a connection is tried again, ms; it doubles with every failure. */
  readonly firstRetryMs: number;
  readonly longestRetryMs: number;
  /** A connection that lived this long begins with the first wait again, ms: one that is always cut off at once does not. */
  readonly soundAfterMs: number;
  /** A connection on which nothing came for this long is dead, ms; the server says something every 15 s. */
  readonly silenceMs: number;
}

const TIMING: HintTiming = {firstRetryMs: 250, longestRetryMs: 30_000, soundAfterMs: 5_000, silenceMs: 40_000};

/** Never throws: without hints a standby polls as it does anyway. */
export function createHintChannel({onHint, signal, timing}: HintOptions): HintChannel {
  const times = {...TIMING, ...timing};
  let uri: string | undefined;
  let stop: () => void = () => undefined;
  signal.addEventListener('abort', () => stop(), {once: true});
  return {
    follow(next) {
      if (next === uri || signal.aborted) return;
      uri = next;
      stop();
      const url = eventsUrl(next);
      stop = url ? followUrl(url, onHint, times) : () => undefined;
    },
  };
}

function eventsUrl(uri: string | undefined): URL | undefined {
  if (uri === undefined || !URL.canParse('v1/events', uri)) return undefined;
  const url = new URL('v1/events', uri);
  return /^https?:$/.test(url.protocol) ? url : undefined;
}

/** Keeps one connection to one master. @returns the function that ends it. */
function followUrl(url: URL, onHint: () => void, times: HintTiming): () => void {
  let stopped = false;
  let waitMs = times.firstRetryMs;
  let timer: NodeJS.Timeout | undefined;
  let hangUp: () => void = () => undefined;

  function connect(): void {
    let openedAt: number | undefined;
    hangUp = openEvents(url, times.silenceMs, {
      opened: () => (openedAt = performance.now()),
      event: onHint,
      ended: () => {
        if (stopped) return;
        if (openedAt !== undefined) {
          if (performance.now() - openedAt >= times.soundAfterMs) waitMs = times.firstRetryMs;
          onHint();
        }
        timer = setTimeout(connect, waitMs * (0.75 + Math.random() / 2)).unref();
        waitMs = Math.min(waitMs * 2, times.longestRetryMs);
      },
    });
  }

  connect();
  return () => {
    stopped = true;
    clearTimeout(timer);
    hangUp();
  };
}

interface Listener {
  readonly opened: () => void;
  readonly event: () => void;
  /** Once, however it ended. */
  readonly ended: () => void;
}

/** One connection. @returns the function that cuts it. */
function openEvents(url: URL, silenceMs: number, listener: Listener): () => void {
  // Nothing secret is sent and nothing that is heard is believed: a certificate that nobody here knows does no harm.
  const options = {agent: false, headers: {Accept: 'text/event-stream'}, rejectUnauthorized: false} as const;
  const request = url.protocol === 'https:' ? https.get(url, options) : http.get(url, options);
  let ended = false;
  const end = (): void => {
    if (ended) return;
    ended = true;
    request.destroy();
    listener.ended();
  };
  request.setTimeout(silenceMs, end);
  // What went wrong does not matter: a master that cannot be reached is polled like any other.
  request.on('error', end).on('close', end);
  request.on('response', (response) => {
    response.on('error', end).on('end', end);
    if (response.statusCode !== 200 || response.headers['content-type']?.startsWith('text/event-stream') !== true) return end();
    listener.opened();
    const read = eventReader(listener.event);
    response.on('data', (chunk: Buffer) => {
      if (!ended) read(chunk.toString('latin1'));
    });
  });
  return end;
}

/** More of a line is never looked at. */
const LINE_MAX = 32;

/** Calls `onEvent` for every event except the snapshot that each connection begins with. */
function eventReader(onEvent: () => void): (text: string) => void {
  let line = '';
  let name = '';
  let hasData = false;
  const endLine = (): void => {
    if (line.startsWith('event:')) name = line.slice('event:'.length).trim();
    else if (line.startsWith('data:')) hasData = true;
    else if (line === '') {
      if (hasData && name !== 'snapshot') onEvent();
      name = '';
      hasData = false;
    }
    line = '';
  };
  return (text) => {
    const [first = '', ...rest] = text.split(/\r?\n/);
    line = (line + first).slice(0, LINE_MAX);
    for (const next of rest) {
      endLine();
      line = next.slice(0, LINE_MAX);
    }
  };
}

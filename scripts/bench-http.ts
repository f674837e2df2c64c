// Asking over HTTP without keeping connections: a benchmark wants the answer of this very moment.
import http from 'node:http';
import {setTimeout as sleep} from 'node:timers/promises';

const ANSWER_LIMIT_MS = 1_000;
/** How often a service that does not answer is asked again, ms. */
const ASK_MS = 10;

/** @returns undefined if nobody answers in time. */
export function get(url: string): Promise<{readonly status: number; readonly text: string} | undefined> {
  return new Promise((resolve) => {
    const request = http.get(url, {agent: false, timeout: ANSWER_LIMIT_MS}, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece: string) => (text += piece));
      response.on('end', () => resolve({status: response.statusCode ?? 0, text}));
      response.on('error', () => resolve(undefined));
    });
    request.on('timeout', () => request.destroy());
    // Nobody listening is what is waited for to change.
    request.on('error', () => resolve(undefined));
  });
}

/** Asks until one of them answers. @throws when `signal` fires, or after `limitMs`. */
export async function untilAnswered(urls: readonly string[], limitMs: number, signal: AbortSignal): Promise<void> {
  const endAt = performance.now() + limitMs;
  for (;;) {
    signal.throwIfAborted();
    const answers = await Promise.all(urls.map(get));
    if (answers.some((answer) => answer?.status === 200)) return;
    if (performance.now() > endAt) throw new Error(`nobody has answered for ${limitMs / 1_000} s`);
    await sleep(ASK_MS, undefined, {signal});
  }
}

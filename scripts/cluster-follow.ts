// Follows the service of `npm start` over HTTP, as a client of it would: who answers, under which epoch, and how long nobody did.
import http from 'node:http';
import {setTimeout as sleep} from 'node:timers/promises';

/** How often every place where the service could be is asked, ms: what is said about an outage is this exact. */
const ASK_MS = 50;
const ANSWER_LIMIT_MS = 500;

/** What the service says of itself. */
export interface Answer {
  readonly node: string;
  readonly epoch: number;
  readonly pid: number;
}

export type Sighting =
  /** Another process of the service answers than before; `awayMs` since the last answer, undefined for the first ever. */
  | {readonly kind: 'serves'; readonly answer: Answer; readonly serviceUrl: string; readonly awayMs: number | undefined}
  /** Nobody has answered for a while. */
  | {readonly kind: 'away'; readonly node: string}
  /** Two answer at once: what must never be. */
  | {readonly kind: 'two'; readonly nodes: readonly string[]};

/** After so long without an answer it is worth a line, ms. */
const WORTH_A_LINE_MS = 1_000;

/** Resolves when `signal` fires. */
export async function followService(
  urls: readonly string[],
  signal: AbortSignal,
  onSighting: (sighting: Sighting) => void,
): Promise<void> {
  let serving: Answer | undefined;
  let answeredAt: number | undefined;
  let said = false;
  while (!signal.aborted) {
    const begunAt = performance.now();
    const found = (await Promise.all(urls.map(ask))).flatMap((answer, index) =>
      answer ? [{answer, serviceUrl: urls[index] ?? ''}] : [],
    );
    const now = performance.now();
    const [first] = found;
    if (found.length > 1) onSighting({kind: 'two', nodes: found.map(({answer}) => answer.node)});
    if (first) {
      const {answer} = first;
      const known = serving?.pid === answer.pid && serving.epoch === answer.epoch;
      if (!known) onSighting({kind: 'serves', ...first, awayMs: answeredAt === undefined ? undefined : now - answeredAt});
      serving = answer;
      answeredAt = now;
      said = false;
    } else if (serving && answeredAt !== undefined && !said && now - answeredAt >= WORTH_A_LINE_MS) {
      said = true;
      onSighting({kind: 'away', node: serving.node});
    }
    await sleep(Math.max(0, ASK_MS - (performance.now() - begunAt)), undefined, {signal}).catch(unlessAborted(signal));
  }
}

const unlessAborted =
  (signal: AbortSignal) =>
  (error: unknown): void => {
    if (!signal.aborted) throw error;
  };

/** @returns undefined if nobody, or something else, answers there. */
function ask(url: string): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    const request = http.get(url, {agent: false, timeout: ANSWER_LIMIT_MS}, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (piece: string) => (text += piece));
      response.on('end', () => resolve(parseAnswer(text)));
      response.on('error', () => resolve(undefined));
    });
    request.on('timeout', () => request.destroy());
    // Nobody listening is the usual answer of a standby.
    request.on('error', () => resolve(undefined));
  });
}

function parseAnswer(text: string): Answer | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    const {node, epoch, pid} = value as Record<string, unknown>;
    return typeof node === 'string' && typeof epoch === 'number' && typeof pid === 'number' ? {node, epoch, pid} : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

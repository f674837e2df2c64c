// What Brooklyn lacks: pause, resume and switchover for operators, events and hints between agents.
import {isNodeId} from '../protocol/words.ts';
import {Fault} from './fault.ts';
import {readFields} from './fields.ts';
import type {Ctx, Route} from './route.ts';

/** More hints than this at once, and more often than this on average, are refused: each makes the agent look at its store. */
const HINTS_AT_ONCE = 10;
const HINT_EVERY_MS = 200;

/** A list of its own for each server: the hints that are left are counted in it. */
export const agentRoutes = (): readonly Route[] => [
  {
    method: 'POST',
    path: '/v1/pause',
    access: 'write',
    answer: async (c, {port}) => {
      await port.setPaused(true);
      return c.body(null, 204);
    },
  },
  {
    method: 'POST',
    path: '/v1/resume',
    access: 'write',
    answer: async (c, {port}) => {
      await port.setPaused(false);
      return c.body(null, 204);
    },
  },
  {
    method: 'POST',
    path: '/v1/switchover',
    access: 'write',
    answer: async (c, {port}) => {
      const to = (await readFields(c)).get('to')?.trim();
      if (to !== undefined && !isNodeId(to)) {
        throw new Fault(400, `${JSON.stringify(to)} is no node id: leave "to" out, or send letters, digits, _ and -, at most 63`);
      }
      await port.switchover(to);
      return c.json({masterId: port.status().masterId});
    },
  },
  hintRoute(),
  {method: 'GET', path: '/v1/events', access: 'machine', answer: (c, {events}) => answerEvents(c, () => events.open(c.env))},
];

function hintRoute(): Route {
  const mayHint = limiter(HINTS_AT_ONCE, HINT_EVERY_MS);
  return {
    method: 'POST',
    path: '/v1/hint',
    access: 'nudge',
    answer: (c, {port}) => {
      if (!mayHint()) throw new Fault(429, 'too many hints: this one was ignored', {headers: {'Retry-After': '1'}});
      port.hint();
      return c.body(null, 204);
    },
  };
}

/** A bucket of tokens that fills up again, one each `everyMs`. */
function limiter(atOnce: number, everyMs: number): () => boolean {
  let tokens = atOnce;
  let countedAt = performance.now();
  return () => {
    const now = performance.now();
    tokens = Math.min(atOnce, tokens + (now - countedAt) / everyMs);
    countedAt = now;
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  };
}

/** HEAD gets the headers alone: nobody would ever read, and so end, a stream that was opened for it. */
function answerEvents(c: Ctx, open: () => ReadableStream<Uint8Array> | undefined): Response {
  const headers = {'Content-Type': 'text/event-stream; charset=utf-8', 'X-Accel-Buffering': 'no'};
  if (c.req.method === 'HEAD') return c.body(null, 200, headers);
  const stream = open();
  if (!stream) throw new Fault(503, 'too many clients follow the events of this node', {headers: {'Retry-After': '10'}});
  return c.body(stream, 200, headers);
}

// The application without a port, asked as a client would ask it.
import {createApp} from '../../lib/http/app.ts';
import type {Credentials} from '../../lib/http/credentials.ts';
import {createEventHub, type EventHub, type EventLimits} from '../../lib/http/events.ts';
import {createGuard} from '../../lib/http/guard.ts';
import type {Peer} from '../../lib/http/route.ts';
import {fakeAgent, type FakeAgent} from './fake-agent.ts';

interface Options {
  readonly agent?: FakeAgent;
  readonly credentials?: Credentials;
  readonly insecure?: boolean;
  readonly peer?: Partial<Peer>;
  readonly events?: EventLimits;
}

export interface Ask {
  (path: string, init?: RequestInit): Promise<Response>;
}

export interface Harness {
  readonly agent: FakeAgent;
  readonly ask: Ask;
  /** Sends a form. */
  readonly post: (
    path: string,
    fields?: Readonly<Record<string, string>>,
    headers?: Readonly<Record<string, string>>,
  ) => Promise<Response>;
  readonly events: EventHub;
  /** What was logged as a defect. */
  readonly defects: readonly unknown[];
  readonly hungUp: () => number;
}

export function harness({agent = fakeAgent(), credentials, insecure = false, peer, events: limits}: Options = {}): Harness {
  const events = createEventHub(agent, limits);
  const guard = createGuard({credentials, insecure, ownUri: () => agent.status().uri});
  const defects: unknown[] = [];
  const app = createApp({port: agent, events}, guard, {error: (message, fields) => defects.push({message, ...fields})});
  let hungUp = 0;
  const wire = {
    peer: {address: '127.0.0.1', certificateName: undefined, ...peer},
    hangUp: () => {
      hungUp += 1;
    },
  };
  const ask: Ask = async (path, init) => app.request(path, init, wire);
  return {
    agent,
    ask,
    post: (path, fields, headers) =>
      ask(path, {method: 'POST', ...(fields ? {body: new URLSearchParams(fields)} : {}), ...(headers ? {headers} : {})}),
    events,
    defects,
    hungUp: () => hungUp,
  };
}

// What a route is: data, so that the server, the 405 answer and the OpenAPI document are held against one list.
import type {Context} from 'hono';
import type {AgentPort} from '../agent/status.ts';
import type {EventHub} from './events.ts';

/** Who sent a request, as the connection shows it. */
export interface Peer {
  /** IP address; undefined if the connection is gone. */
  readonly address: string | undefined;
  /** Common name of a client certificate that the configured authority signed; undefined without one. */
  readonly certificateName: string | undefined;
}

/** What the listener says about the connection beside the request itself. */
export interface Wire {
  readonly peer: Peer;
  /** Destroys the connection. */
  readonly hangUp: () => void;
}

export type Ctx = Context<{Bindings: Wire}>;

/** What handlers may use. */
export interface Backend {
  readonly port: AgentPort;
  readonly events: EventHub;
}

/**
 * 'machine': everybody, without a password. 'nudge': the same, but no page of another site. 'read': any user.
 * 'write': an admin, and no page of another site.
 */
export type Access = 'machine' | 'nudge' | 'read' | 'write';

export interface Route {
  readonly method: 'GET' | 'POST' | 'OPTIONS';
  readonly path: string;
  readonly access: Access;
  readonly answer: (c: Ctx, backend: Backend) => Response | Promise<Response>;
}

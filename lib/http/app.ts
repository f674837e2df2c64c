// The HTTP application without a port: routes behind a guard, and an answer to everything that can go wrong.
import {Hono} from 'hono/tiny';
import type {Log} from '../log/log.ts';
import {agentRoutes} from './agent-routes.ts';
import {BROOKLYN_ROUTES} from './brooklyn-routes.ts';
import {Fault, apiError, faultOf} from './fault.ts';
import type {Guard} from './guard.ts';
import {PROBE_ROUTES} from './probe-routes.ts';
import type {Backend, Ctx, Route, Wire} from './route.ts';

export type App = Hono<{Bindings: Wire}>;

/** Every route there is, in no particular order; a new list for each server. */
export const allRoutes = (): readonly Route[] => [...BROOKLYN_ROUTES, ...agentRoutes(), ...PROBE_ROUTES];

const HEADERS: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-cache, no-store',
  Pragma: 'no-cache',
  Expires: '0',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
};

export function createApp(backend: Backend, guard: Guard, log: Pick<Log, 'error'>): App {
  const app: App = new Hono<{Bindings: Wire}>({strict: false});
  const routes = allRoutes();
  app.use(async (c, next) => {
    for (const [name, value] of Object.entries(HEADERS)) c.header(name, value);
    await next();
  });
  for (const {method, path, access, answer} of routes) {
    app.on(method, path, async (c) => {
      await guard(c, access);
      return answer(c, backend);
    });
  }
  app.notFound(async (c) => {
    await guard(c, 'read');
    throw notServed(c, routes);
  });
  app.onError((error, c) => {
    const fault = faultOf(error) ?? bug(error, c, log);
    return c.json(apiError(fault), fault.status, fault.headers);
  });
  return app;
}

function notServed(c: Ctx, routes: readonly Route[]): Fault {
  const path = c.req.path.length > 1 ? c.req.path.replace(/\/$/, '') : c.req.path;
  const methods = routes.filter((route) => route.path === path).map(({method}) => method);
  if (methods.length === 0) return new Fault(404, `there is nothing at ${path}`, {details: 'what there is: /openapi.json'});
  const allowed = [...methods, ...(methods.includes('GET') ? ['HEAD'] : [])].join(', ');
  return new Fault(405, `${c.req.method} is not possible here: use ${allowed}`, {headers: {Allow: allowed}});
}

/** What went wrong is for the log alone: the sentence may hold what is nobody's business. */
function bug(error: unknown, c: Ctx, log: Pick<Log, 'error'>): Fault {
  log.error('a request failed: this is a defect of ha-agent', {
    request: `${c.req.method} ${c.req.path}`,
    stack: error instanceof Error ? error.stack : String(error),
  });
  return new Fault(500, 'this request hit a defect: the log of the agent has the details');
}

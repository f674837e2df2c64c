// What machines ask without a password: proxies for the role, monitors for health and numbers; and the page for people.
import type {Status} from '../agent/status.ts';
import {renderMetrics} from './metrics.ts';
import {OPENAPI} from './openapi.ts';
import {renderPage} from './page.ts';
import type {Ctx, Route} from './route.ts';
import {roleOf} from './views.ts';

const isMaster = (s: Status): boolean => s.state === 'MASTER';
const isStandby = (s: Status): boolean => (s.state === 'STANDBY' || s.state === 'HOT_STANDBY') && s.up && !s.shuttingDown;

export const PROBE_ROUTES: readonly Route[] = [
  ...probe('/master', isMaster),
  ...probe('/primary', isMaster),
  ...probe('/leader', isMaster),
  ...probe('/standby', isStandby),
  ...probe('/health', (s) => s.healthy),
  {
    method: 'GET',
    path: '/metrics',
    access: 'machine',
    answer: async (c, {port}) => {
      const {type, text} = await renderMetrics(port.status());
      return c.body(text, 200, {'Content-Type': type});
    },
  },
  {method: 'GET', path: '/openapi.json', access: 'machine', answer: (c) => c.json(OPENAPI)},
  {
    method: 'GET',
    path: '/',
    access: 'read',
    answer: (c, {port}) => c.html(renderPage(port.status()), 200, {'Content-Security-Policy': PAGE_POLICY}),
  },
];

/** The page needs its own style and nothing else, from nowhere. */
const PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** 200 or 503 by the status of this very moment; HAProxy asks with OPTIONS, others with GET or HEAD. */
function probe(path: string, holds: (s: Status) => boolean): readonly Route[] {
  const answer = (c: Ctx, {port}: Parameters<Route['answer']>[1]): Response => {
    const s = port.status();
    return c.json(roleOf(s), holds(s) ? 200 : 503);
  };
  return [
    {method: 'GET', path, access: 'machine', answer},
    {method: 'OPTIONS', path, access: 'machine', answer},
  ];
}

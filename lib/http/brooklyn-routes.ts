// Brooklyn's contract: what its clients ask a management node, answered for the node that is asked.
import {isNodeId} from '../protocol/words.ts';
import type {Mode} from '../protocol/heartbeat.ts';
import {Fault} from './fault.ts';
import {readFields, required} from './fields.ts';
import type {Route} from './route.ts';
import {metricsOf, summaryOf} from './views.ts';

const MODES: ReadonlyMap<string, Mode> = new Map<string, Mode>([
  ['AUTO', 'auto'],
  ['STANDBY', 'standby'],
  ['HOT_STANDBY', 'hot_standby'],
  ['HOT_BACKUP', 'hot_backup'],
  ['MASTER', 'master'],
  ['DISABLED', 'disabled'],
]);
const MODE_NAMES = [...MODES.keys()].join(', ');

/** Some clients look into this object of Brooklyn's; we show nothing sensitive to begin with. */
const SENSITIVE_FIELDS = {tokens: [], 'plaintext.blocked': false};

export const BROOKLYN_ROUTES: readonly Route[] = [
  {method: 'GET', path: '/v1/server/ha/state', access: 'read', answer: (c, {port}) => c.json(port.status().state)},
  {
    method: 'POST',
    path: '/v1/server/ha/state',
    access: 'write',
    answer: async (c, {port}) => {
      const asked = required(await readFields(c), 'mode', `one of ${MODE_NAMES}`);
      const mode = MODES.get(asked.toUpperCase());
      if (mode === undefined) throw new Fault(400, `${JSON.stringify(asked)} is no mode: send one of ${MODE_NAMES}`);
      return c.json(await port.setMode(mode));
    },
  },
  {method: 'GET', path: '/v1/server/ha/states', access: 'read', answer: (c, {port}) => c.json(summaryOf(port.status()))},
  {
    method: 'POST',
    path: '/v1/server/ha/states/clear',
    access: 'write',
    answer: async (c, {port}) => {
      await port.clear(undefined);
      return c.body(null, 200);
    },
  },
  {
    method: 'POST',
    path: '/v1/server/ha/states/clear/node',
    access: 'write',
    answer: async (c, {port}) => {
      const nodeId = required(await readFields(c), 'nodeId', 'the id of the node whose record is to go');
      if (!isNodeId(nodeId))
        throw new Fault(400, `${JSON.stringify(nodeId)} is no node id: letters, digits, _ and -, at most 63`);
      await port.clear(nodeId);
      return c.body(null, 200);
    },
  },
  {method: 'GET', path: '/v1/server/ha/priority', access: 'read', answer: (c, {port}) => c.json(port.status().priority)},
  {
    method: 'POST',
    path: '/v1/server/ha/priority',
    access: 'write',
    answer: async (c, {port}) => {
      const asked = required(await readFields(c), 'priority', 'a whole number; higher goes first');
      const priority = Number(asked);
      if (!/^[+-]?\d+$/.test(asked) || !Number.isSafeInteger(priority)) {
        throw new Fault(400, `${JSON.stringify(asked)} is no priority: send a whole number; higher goes first`);
      }
      return c.json(await port.setPriority(priority));
    },
  },
  {
    method: 'GET',
    path: '/v1/server/ha/metrics',
    access: 'read',
    answer: (c, {port}) => c.json(metricsOf(port.status(), Date.now())),
  },
  {method: 'GET', path: '/v1/server/up', access: 'read', answer: (c, {port}) => c.json(port.status().up)},
  {
    method: 'GET',
    path: '/v1/server/up/extended',
    access: 'read',
    answer: (c, {port}) => {
      const s = port.status();
      return c.json({
        up: s.up,
        shuttingDown: s.shuttingDown,
        healthy: s.up && s.healthy,
        ha: summaryOf(s),
        osgiUp: s.up,
        'brooklyn.security.sensitive.fields': SENSITIVE_FIELDS,
      });
    },
  },
  {
    method: 'GET',
    path: '/v1/server/healthy',
    access: 'read',
    answer: (c, {port}) => {
      const {up, healthy} = port.status();
      return c.json(up && healthy);
    },
  },
  {method: 'GET', path: '/v1/server/shuttingDown', access: 'read', answer: (c, {port}) => c.json(port.status().shuttingDown)},
  {method: 'GET', path: '/v1/server/planeid', access: 'read', answer: (c, {port}) => c.text(port.status().storeId ?? '')},
  {
    method: 'GET',
    path: '/v1/server/version',
    access: 'read',
    answer: (c, {port}) => c.json({version: port.status().version, buildSha1: null, buildBranch: null, features: []}),
  },
  {
    method: 'POST',
    path: '/v1/server/shutdown',
    access: 'write',
    answer: async (c, {port}) => {
      await port.shutdown();
      return c.body(null, 204);
    },
  },
];

// The key of the health checks: a list that only a config file has room for.
import type {HealthCheck} from './health-checks.ts';
import type {Kind} from './kinds.ts';
import {option} from './option.ts';

const HEALTH =
  'checks, which all must pass: http, tcp and command of the service while it runs here (on: active), ' +
  'disk and writable of every node (on: always); also on: standby, and anyOf and allOf with a list of checks';

const healthKind: Kind<readonly HealthCheck[]> = {
  placeholder: 'LIST',
  read: async (raw) => (await import('./health-checks.ts')).readHealthChecks(raw),
  show: (checks) => (checks.length === 0 ? 'none' : JSON.stringify(checks)),
};

export const healthOption = option<readonly HealthCheck[]>(healthKind, [], HEALTH, {
  change: 'live',
  fileOnly: true,
  sample:
    '[{http: "http://127.0.0.1:8080/health", expect: 200, period: 5s, timeout: 3s, failures: 2}, ' +
    '{disk: /srv, free: 10MiB}, {writable: /srv}, {anyOf: [{tcp: "db1:5432"}, {tcp: "db2:5432"}], on: always}]',
});

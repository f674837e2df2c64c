// Readiness checks as they stand under `health:`; the only part of the configuration that is a list of maps.
import {z} from 'zod';
import {readCommand, type Fault, type Raw, type Read} from './kinds.ts';
import {formatDuration, parseDuration} from './units.ts';

interface Pace {
  /** From the end of one check to the start of the next, ms. */
  readonly periodMs: number;
  /** After this long a check has failed, ms. */
  readonly timeoutMs: number;
  /** How many failures in a row are tolerated once the service has been ready. */
  readonly failures: number;
}

export type HealthCheck =
  /** `expect`: the status that is fine; undefined for any from 200 to 399. */
  | ({readonly kind: 'http'; readonly url: string; readonly expect: number | undefined} & Pace)
  | ({readonly kind: 'tcp'; readonly host: string; readonly port: number} & Pace)
  /** Fine when it exits with 0. */
  | ({readonly kind: 'command'; readonly command: readonly string[]} & Pace);

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const pace = {
  period: durationSchema(10, HOUR).default(5_000),
  timeout: durationSchema(10, HOUR).default(3_000),
  failures: whole(0, 1_000).default(2),
};

const schemas = {
  http: z.strictObject({
    http: z.string('an http or https URL').refine(isHttpUrl, 'an http or https URL'),
    expect: whole(100, 599).optional(),
    ...pace,
  }),
  tcp: z.strictObject({tcp: z.string('host:port').transform(hostAndPort), ...pace}),
  command: z.strictObject({command: z.unknown().transform(words), ...pace}),
};

/** Reads the whole list. */
export function readHealthChecks(raw: Raw): Read<readonly HealthCheck[]> {
  const expected = 'a list of checks, each with one of http, tcp or command';
  if (!Array.isArray(raw.value)) return {ok: false, faults: [{path: [], expected}]};
  const items: readonly unknown[] = raw.value;
  const faults: Fault[] = [];
  const checks: HealthCheck[] = [];
  for (const [index, item] of items.entries()) {
    const read = readOne(item);
    if (read.ok) checks.push(read.value);
    else faults.push(...read.faults.map((fault) => ({...fault, path: [index, ...fault.path]})));
  }
  return faults.length === 0 ? {ok: true, value: checks} : {ok: false, faults};
}

function readOne(item: unknown): Read<HealthCheck> {
  const named = typeof item === 'object' && item !== null && !Array.isArray(item) ? item : {};
  const kinds = (['http', 'tcp', 'command'] as const).filter((kind) => kind in named);
  const kind = kinds[0];
  if (kind === undefined || kinds.length > 1)
    return {ok: false, faults: [{path: [], expected: 'exactly one of http, tcp or command'}]};
  switch (kind) {
    case 'http': {
      const parsed = schemas.http.safeParse(named);
      if (!parsed.success) return faultsOf(parsed.error);
      return {ok: true, value: {kind, url: parsed.data.http, expect: parsed.data.expect, ...paceOf(parsed.data)}};
    }
    case 'tcp': {
      const parsed = schemas.tcp.safeParse(named);
      return parsed.success ? {ok: true, value: {kind, ...parsed.data.tcp, ...paceOf(parsed.data)}} : faultsOf(parsed.error);
    }
    case 'command': {
      const parsed = schemas.command.safeParse(named);
      if (!parsed.success) return faultsOf(parsed.error);
      return {ok: true, value: {kind, command: parsed.data.command, ...paceOf(parsed.data)}};
    }
    default:
      return kind satisfies never;
  }
}

const paceOf = (data: {readonly period: number; readonly timeout: number; readonly failures: number}): Pace => ({
  periodMs: data.period,
  timeoutMs: data.timeout,
  failures: data.failures,
});

function faultsOf(error: z.ZodError): {readonly ok: false; readonly faults: readonly Fault[]} {
  return {
    ok: false,
    faults: error.issues.flatMap((issue): Fault[] => {
      const path = issue.path.filter((step) => typeof step !== 'symbol');
      if (issue.code !== 'unrecognized_keys') return [{path, expected: issue.message}];
      return issue.keys.map((key) => ({
        path: [...path, key],
        expected: 'no such key: http, expect, tcp, command, period, timeout and failures are known',
      }));
    }),
  };
}

function durationSchema(minMs: number, maxMs: number): z.ZodType<number> {
  const expected = `a duration with a unit from ${formatDuration(minMs)} to ${formatDuration(maxMs)}, such as 5s`;
  return z.unknown().transform((value, context) => {
    const ms = typeof value === 'string' ? parseDuration(value) : undefined;
    if (ms !== undefined && ms >= minMs && ms <= maxMs) return ms;
    context.addIssue(expected);
    return z.NEVER;
  });
}

function whole(min: number, max: number): z.ZodNumber {
  const expected = `a whole number from ${min} to ${max}`;
  return z.number(expected).int(expected).min(min, expected).max(max, expected);
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}

function hostAndPort(text: string, context: z.RefinementCtx): {readonly host: string; readonly port: number} {
  const m = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]+)):(\d{1,5})$/.exec(text);
  const host = m?.[1] ?? m?.[2];
  const port = Number(m?.[3]);
  if (host !== undefined && port >= 1 && port <= 65_535) return {host, port};
  context.addIssue('host:port, such as 127.0.0.1:5432 or [::1]:5432');
  return z.NEVER;
}

function words(value: unknown, context: z.RefinementCtx): readonly string[] {
  const read = readCommand(value);
  if (read.ok) return read.value;
  for (const fault of read.faults) context.addIssue(fault.expected);
  return z.NEVER;
}

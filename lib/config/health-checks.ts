// Checks as they stand under `health:`; the only part of the configuration that is a list of maps.
import {resolve} from 'node:path';
import {z} from 'zod';
import {readCommand, type Fault, type Raw, type Read} from './kinds.ts';
import {formatDuration, formatSize, parseDuration, parseSize} from './units.ts';

/** What is asked. */
export type HealthQuestion =
  /** `expect`: the status that is fine; undefined for any from 200 to 399. `ca`: authorities, PEM. */
  | (Limit & {
      readonly kind: 'http';
      readonly url: string;
      readonly expect: number | undefined;
      readonly ca: string | undefined;
    })
  | (Limit & {readonly kind: 'tcp'; readonly host: string; readonly port: number})
  /** Fine when it exits with 0. */
  | (Limit & {readonly kind: 'command'; readonly command: readonly string[]})
  | (Limit & {readonly kind: 'disk'; readonly path: string; readonly freeBytes: number})
  | (Limit & {readonly kind: 'writable'; readonly path: string})
  | {readonly kind: 'anyOf' | 'allOf'; readonly of: readonly HealthQuestion[]};

interface Limit {
  /** After this long a check has failed, ms. */
  readonly timeoutMs: number;
}

interface Pace {
  readonly on: 'active' | 'always' | 'standby';
  /** From the end of one check to the start of the next, ms. */
  readonly periodMs: number;
  /** How many failures in a row are tolerated once it has passed. */
  readonly failures: number;
}

export type HealthCheck = HealthQuestion & Pace;

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const KINDS = ['http', 'tcp', 'command', 'disk', 'writable', 'anyOf', 'allOf'] as const;
const ONE_OF = `${KINDS.slice(0, -1).join(', ')} or ${KINDS.at(-1)}`;
/** Groups within groups: nobody understands more. */
const DEPTH_MAX = 4;

const pace = {
  on: z.enum(['active', 'always', 'standby'], 'active, always or standby').optional(),
  period: durationSchema(10, HOUR).default(5_000),
  failures: whole(0, 1_000).default(2),
};

const timeout = durationSchema(10, HOUR).default(3_000);

/** Where a relative path starts from. */
const schemas = (baseDir: string) => {
  const file = pathSchema('the path of a file', baseDir);
  const place = pathSchema('the path of a directory or a file', baseDir);
  return {
    http: z.strictObject({
      http: z.string('an http or https URL').refine(isHttpUrl, 'an http or https URL'),
      expect: whole(100, 599).optional(),
      ca: file.optional(),
      timeout,
    }),
    tcp: z.strictObject({tcp: z.string('host:port').transform(hostAndPort), timeout}),
    command: z.strictObject({command: z.unknown().transform(words), timeout}),
    disk: z.strictObject({disk: place, free: sizeSchema().default(10 * 1_024 ** 2), timeout}),
    writable: z.strictObject({writable: pathSchema('the path of a directory', baseDir), timeout}),
  };
};

type Schemas = ReturnType<typeof schemas>;

/** Reads the whole list. */
export function readHealthChecks(raw: Raw): Read<readonly HealthCheck[]> {
  return readList(raw.value, `a list of checks, each with one of ${ONE_OF}`, (item) => readCheck(item, schemas(raw.baseDir)));
}

/** When, how often, and how much is tolerated; the rest of it is the question. */
function readCheck(item: unknown, known: Schemas): Read<HealthCheck> {
  const {on, period, failures, ...question} = isMap(item) ? item : {};
  const given = Object.fromEntries(Object.entries({on, period, failures}).filter(([, value]) => value !== undefined));
  const paced = z.strictObject(pace).safeParse(given);
  const asked = readQuestion(isMap(item) ? question : item, known, DEPTH_MAX);
  if (asked.ok && paced.success) {
    const {data} = paced;
    const own = {on: data.on ?? usualOccasion(asked.value), periodMs: data.period, failures: data.failures};
    return {ok: true, value: {...asked.value, ...own}};
  }
  const faults = [...(asked.ok ? [] : asked.faults), ...(paced.success ? [] : faultsOf(paced.error))];
  return {ok: false, faults};
}

/** A disk can be looked at from anywhere; what a service answers, only where it runs. */
function usualOccasion(question: HealthQuestion): Pace['on'] {
  switch (question.kind) {
    case 'disk':
    case 'writable':
      return 'always';
    case 'anyOf':
    case 'allOf':
      return question.of.every((each) => usualOccasion(each) === 'always') ? 'always' : 'active';
    default:
      return 'active';
  }
}

function readQuestion(item: unknown, known: Schemas, depth: number): Read<HealthQuestion> {
  const named = isMap(item) ? item : {};
  const kinds = KINDS.filter((kind) => kind in named);
  const kind = kinds[0];
  if (kind === undefined || kinds.length > 1) return {ok: false, faults: [{path: [], expected: `exactly one of ${ONE_OF}`}]};
  switch (kind) {
    case 'http':
      return parse(known.http, named, ({http: url, expect, ca, timeout: timeoutMs}) => ({kind, url, expect, ca, timeoutMs}));
    case 'tcp':
      return parse(known.tcp, named, ({tcp, timeout: timeoutMs}) => ({kind, ...tcp, timeoutMs}));
    case 'command':
      return parse(known.command, named, ({command, timeout: timeoutMs}) => ({kind, command, timeoutMs}));
    case 'disk':
      return parse(known.disk, named, ({disk: path, free, timeout: timeoutMs}) => ({kind, path, freeBytes: free, timeoutMs}));
    case 'writable':
      return parse(known.writable, named, ({writable: path, timeout: timeoutMs}) => ({kind, path, timeoutMs}));
    case 'anyOf':
    case 'allOf':
      return readGroup(kind, named, known, depth);
    default:
      return kind satisfies never;
  }
}

function readGroup(kind: 'anyOf' | 'allOf', named: object, known: Schemas, depth: number): Read<HealthQuestion> {
  const {[kind]: members, ...rest} = named as Record<string, unknown>;
  const strange = Object.keys(rest).map((key): Fault => ({
    path: [key],
    expected: `no such key beside ${kind}: on, period and failures are known; timeout belongs to each of its checks`,
  }));
  const expected = `a list of checks, each with one of ${ONE_OF}, without on, period and failures of its own`;
  const list = depth === 0 ? undefined : members;
  const read = readList(list, depth === 0 ? `groups at most ${DEPTH_MAX} deep` : expected, (item) =>
    readQuestion(item, known, depth - 1),
  );
  const inside = read.ok ? [] : read.faults.map((fault) => ({...fault, path: [kind, ...fault.path]}));
  const empty = read.ok && read.value.length === 0 ? [{path: [kind], expected: 'at least one check'}] : [];
  const faults = [...strange, ...inside, ...empty];
  return read.ok && faults.length === 0 ? {ok: true, value: {kind, of: read.value}} : {ok: false, faults};
}

function readList<T>(value: unknown, expected: string, readItem: (item: unknown) => Read<T>): Read<readonly T[]> {
  if (!Array.isArray(value)) return {ok: false, faults: [{path: [], expected}]};
  const items: readonly unknown[] = value;
  const faults: Fault[] = [];
  const good: T[] = [];
  for (const [index, item] of items.entries()) {
    const read = readItem(item);
    if (read.ok) good.push(read.value);
    else faults.push(...read.faults.map((fault) => ({...fault, path: [index, ...fault.path]})));
  }
  return faults.length === 0 ? {ok: true, value: good} : {ok: false, faults};
}

function parse<T>(schema: z.ZodType<T>, named: object, shape: (data: T) => HealthQuestion): Read<HealthQuestion> {
  const parsed = schema.safeParse(named);
  return parsed.success ? {ok: true, value: shape(parsed.data)} : {ok: false, faults: faultsOf(parsed.error, schema)};
}

function faultsOf(error: z.ZodError, schema?: unknown): readonly Fault[] {
  const own = schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
  const known = [...own, ...Object.keys(pace)];
  return error.issues.flatMap((issue): Fault[] => {
    const path = issue.path.filter((step) => typeof step !== 'symbol');
    if (issue.code !== 'unrecognized_keys') return [{path, expected: issue.message}];
    const expected = `no such key: ${known.slice(0, -1).join(', ')} and ${known.at(-1)} are known`;
    return issue.keys.map((key) => ({path: [...path, key], expected}));
  });
}

const isMap = (item: unknown): item is Record<string, unknown> =>
  typeof item === 'object' && item !== null && !Array.isArray(item);

function durationSchema(minMs: number, maxMs: number): z.ZodType<number> {
  const expected = `a duration with a unit from ${formatDuration(minMs)} to ${formatDuration(maxMs)}, such as 5s`;
  return textSchema(expected, (text) => {
    const ms = parseDuration(text);
    return ms !== undefined && ms >= minMs && ms <= maxMs ? ms : undefined;
  });
}

function sizeSchema(): z.ZodType<number> {
  return textSchema(`a size with a unit, such as ${formatSize(10 * 1_024 ** 2)}`, parseSize);
}

function pathSchema(expected: string, baseDir: string): z.ZodType<string> {
  return textSchema(expected, (text) => {
    if (text.trim() === '' || text.includes('\0')) return undefined;
    return resolve(baseDir, text);
  });
}

function textSchema<T>(expected: string, read: (text: string) => T | undefined): z.ZodType<T> {
  return z.unknown().transform((value, context) => {
    const found = typeof value === 'string' ? read(value) : undefined;
    if (found !== undefined) return found;
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

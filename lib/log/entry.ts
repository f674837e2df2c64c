// One entry of the log as a line: text for people, JSON for machines; nothing secret, nothing endless, no line breaks inside.

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';
export type LogFormat = 'text' | 'json';

export interface Entry {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly time: Date;
}

/** A longer line is cut, bytes. */
export const LINE_MAX_BYTES = 16 * 1_024;

const DEPTH_MAX = 6;
const ITEMS_MAX = 200;
/** Names of fields whose values are nobody's business. */
const SECRET = /pass(word|wd|phrase)?$|secret|token|authori[sz]ation|cookie|credential|api_?key|private_?key|^auth$/i;
/** Passwords in URLs and in headers that were put into a sentence. */
const SECRET_TEXT = /(\/\/)[^/@\s"']+@|\b(basic|bearer) [A-Za-z0-9+/=._~-]{4,}/gi;
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g;

/** @returns one line without its newline, at most 16 KiB; never throws, whatever the fields hold. */
export function formatEntry(entry: Entry, format: LogFormat): string {
  const message = redactText(cut(entry.message, LINE_MAX_BYTES / 2));
  const fields = plainFields(entry.fields);
  const line = format === 'json' ? jsonLine(entry, message, fields) : textLine(entry, message, fields);
  if (Buffer.byteLength(line) <= LINE_MAX_BYTES) return line;
  const bytes = Buffer.byteLength(line);
  if (format === 'json') return jsonLine(entry, cut(message, LINE_MAX_BYTES / 8), {cutFromBytes: bytes});
  return `${cut(line, LINE_MAX_BYTES - 40)} (cut from ${bytes} bytes)`;
}

type Plain = string | number | boolean | null | readonly Plain[] | {readonly [key: string]: Plain};
type PlainFields = Readonly<Record<string, Plain>>;

function jsonLine(entry: Entry, message: string, fields: PlainFields): string {
  return JSON.stringify({time: entry.time.toISOString(), level: entry.level, message, ...rename(fields)});
}

/** A field must not replace what every entry has. */
const rename = (fields: PlainFields): PlainFields =>
  Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [['time', 'level', 'message'].includes(key) ? `${key}_` : key, value]),
  );

function textLine(entry: Entry, message: string, fields: PlainFields): string {
  const pairs = Object.entries(fields).map(([key, value]) => ` ${escape(key)}=${textValue(value)}`);
  return `${entry.time.toISOString()} ${entry.level.padEnd(5)} ${escape(message)}${pairs.join('')}`;
}

function textValue(value: Plain): string {
  if (typeof value !== 'string') return escape(JSON.stringify(value));
  return value !== '' && !/[\s"=]/.test(value) ? escape(value) : escape(JSON.stringify(value));
}

/** Line breaks would forge entries, escape sequences would steer the terminal. */
const escape = (text: string): string =>
  text.replace(CONTROL, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);

function plainFields(fields: Readonly<Record<string, unknown>>): PlainFields {
  const plain: Record<string, Plain> = {};
  for (const [key, value] of entriesOf(fields))
    if (value !== undefined) plain[key] = SECRET.test(key) ? '***' : toPlain(value, []);
  return plain;
}

function toPlain(value: unknown, above: readonly object[]): Plain {
  if (typeof value === 'string') return redactText(cut(value, LINE_MAX_BYTES / 2));
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'boolean' || value === null) return value;
  if (typeof value === 'bigint' || typeof value === 'symbol') return value.toString();
  if (typeof value !== 'object') return `(${typeof value})`;
  if (above.includes(value)) return '(circular)';
  if (above.length >= DEPTH_MAX) return '(too deep)';
  if (value instanceof Error) return redactText(cut(value.message, LINE_MAX_BYTES / 2));
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (Buffer.isBuffer(value)) return `(${value.length} bytes)`;
  const within = [...above, value];
  if (Array.isArray(value)) return value.slice(0, ITEMS_MAX).map((item: unknown) => toPlain(item, within));
  const plain: Record<string, Plain> = {};
  for (const [key, inner] of entriesOf(value)) plain[key] = SECRET.test(key) ? '***' : toPlain(inner, within);
  return plain;
}

/** Own entries; a getter that throws gives its error's text. */
function entriesOf(value: object): (readonly [string, unknown])[] {
  return Object.keys(value)
    .slice(0, ITEMS_MAX)
    .map((key) => {
      try {
        return [key, Reflect.get(value, key)] as const;
      } catch (error) {
        return [key, `(unreadable: ${String(error)})`] as const;
      }
    });
}

const redactText = (text: string): string =>
  text.replace(SECRET_TEXT, (_all, slashes: string | undefined, scheme: string | undefined) =>
    slashes === undefined ? `${scheme ?? ''} ***` : '//***@',
  );

/** Cut to so many bytes of UTF-8, not inside a character. */
function cut(text: string, maxBytes: number): string {
  if (text.length * 3 <= maxBytes || Buffer.byteLength(text) <= maxBytes) return text;
  const bytes = Buffer.from(text.slice(0, maxBytes)).subarray(0, maxBytes - 3);
  return `${new TextDecoder('utf-8').decode(bytes).replace(/\uFFFD+$/, '')}…`;
}

// JSON as the parser of HAL and PROM takes it: commas and colons may be missing or repeated, the last of equal keys wins, nothing else is forgiven.

export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export type JsonObject = ReadonlyMap<string, JsonEntry>;

export interface JsonEntry {
  readonly value: Json;
  /** Where its key stands, from 1. */
  readonly line: number;
}

/** @returns the object, or where reading had to stop and what would have been right there. */
export function parseLenientJson(
  text: string,
): {readonly object: JsonObject} | {readonly line: number; readonly found: string; readonly expected: string} {
  const reader = new Reader(text);
  try {
    return {object: reader.whole()};
  } catch (error) {
    if (!(error instanceof Misread)) throw error;
    return {line: reader.line(), found: error.found, expected: error.expected};
  }
}

class Misread extends Error {
  override readonly name = 'Misread';
  readonly found: string;
  readonly expected: string;

  constructor(found: string, expected: string) {
    super(expected);
    this.found = found;
    this.expected = expected;
  }
}

/** Deeper than any configuration, and far from the end of the stack. */
const DEPTH_MAX = 50;
const LITERALS: ReadonlyMap<string, boolean | null> = new Map<string, boolean | null>([
  ['true', true],
  ['false', false],
  ['null', null],
]);
const ESCAPED: ReadonlyMap<string, string> = new Map([
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
]);

class Reader {
  private readonly text: string;
  private at: number;
  private depth = 0;

  constructor(text: string) {
    this.text = text;
    this.at = text.startsWith('\uFEFF') ? 1 : 0;
  }

  line(): number {
    return this.text.slice(0, this.at).split('\n').length;
  }

  whole(): JsonObject {
    this.skip('');
    if (this.text[this.at] !== '{') this.fail('an object in braces');
    const object = this.object();
    this.skip('');
    if (this.at < this.text.length) this.fail('nothing after the closing brace');
    return object;
  }

  private object(): JsonObject {
    const entries = new Map<string, JsonEntry>();
    this.enter();
    for (this.skip(','); !this.closes('}'); this.skip(',')) {
      if (this.text[this.at] !== '"') this.fail('a key in double quotes, or "}"');
      const line = this.line();
      const key = this.string();
      this.skip(':');
      entries.set(key, {value: this.value(), line});
    }
    this.depth -= 1;
    return entries;
  }

  private array(): readonly Json[] {
    const items: Json[] = [];
    this.enter();
    for (this.skip(','); !this.closes(']'); this.skip(',')) items.push(this.value());
    this.depth -= 1;
    return items;
  }

  private value(): Json {
    const char = this.text[this.at];
    if (char === '"') return this.string();
    if (char === '{') return this.object();
    if (char === '[') return this.array();
    const word = /^[\w.+-]+/.exec(this.text.slice(this.at, this.at + 100))?.[0] ?? '';
    const literal = LITERALS.get(word);
    const number = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(word) ? Number(word) : undefined;
    if (literal === undefined && number === undefined)
      this.fail('a value: text in double quotes, a number, true, false, null, [ or {');
    this.at += word.length;
    return number ?? literal ?? null;
  }

  /** Line breaks in it are taken as they are; a backslash before any other character stays. */
  private string(): string {
    const begin = this.at;
    let value = '';
    for (this.at += 1; this.at < this.text.length; this.at += 1) {
      const char = this.text.charAt(this.at);
      if (char === '"') {
        this.at += 1;
        return value;
      }
      value += char === '\\' ? this.escaped() : char;
    }
    this.at = begin;
    return this.fail('a closing double quote');
  }

  private escaped(): string {
    const next = this.text[this.at + 1] ?? '';
    const hex = /^u([0-9A-Fa-f]{4})/.exec(this.text.slice(this.at + 1, this.at + 6))?.[1];
    if (hex !== undefined) {
      this.at += 5;
      return String.fromCharCode(Number.parseInt(hex, 16));
    }
    const known = ESCAPED.get(next);
    if (known === undefined) return '\\';
    this.at += 1;
    return known;
  }

  /** White space, and any number of this separator. */
  private skip(separator: string): void {
    for (; this.at < this.text.length; this.at += 1) {
      const char = this.text[this.at] ?? '';
      if (!' \t\r\n'.includes(char) && char !== separator) return;
    }
  }

  private closes(brace: string): boolean {
    if (this.text[this.at] !== brace) return false;
    this.at += 1;
    return true;
  }

  private enter(): void {
    this.at += 1;
    this.depth += 1;
    if (this.depth > DEPTH_MAX) this.fail(`at most ${DEPTH_MAX} levels`);
  }

  private fail(expected: string): never {
    const rest = this.text.slice(this.at, this.at + 20).split('\n', 1)[0] ?? '';
    throw new Misread(this.at >= this.text.length ? 'the end of the file' : JSON.stringify(rest), expected);
  }
}

// JSON from elsewhere, taken apart field by field: what comes out has the types it claims to have.

/** What a record lacks or has wrong, to be read after the record's name: `has no whole number "seq"`. */
export class Malformed extends Error {
  override readonly name = 'Malformed';
}

/** The fields of one JSON object; every method throws Malformed where the value is not what it should be. */
export class Fields {
  readonly #values: ReadonlyMap<string, unknown>;

  constructor(value: unknown) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Malformed('is not a JSON object');
    this.#values = new Map(Object.entries(value));
  }

  keys(): readonly string[] {
    return [...this.#values.keys()];
  }

  string(key: string): string {
    const value = this.#values.get(key);
    if (typeof value !== 'string') throw new Malformed(`has no text "${key}"`);
    return value;
  }

  /** Text for people: control characters, which could steer a terminal, become spaces; at most `max` characters. */
  sentence(key: string, max: number): string {
    return plainText(this.string(key), max);
  }

  number(key: string): number {
    const value = this.#values.get(key);
    if (typeof value !== 'number' || !Number.isFinite(value)) throw new Malformed(`has no number "${key}"`);
    return value;
  }

  /** A whole number that JavaScript can count by. */
  whole(key: string): number {
    const value = this.number(key);
    if (!Number.isSafeInteger(value)) throw new Malformed(`has no whole number "${key}"`);
    return value;
  }

  boolean(key: string): boolean {
    const value = this.#values.get(key);
    if (typeof value !== 'boolean') throw new Malformed(`has no true or false "${key}"`);
    return value;
  }

  /** One of the words that are the keys of `words`. */
  word<W extends string>(key: string, words: Readonly<Record<W, true>>): W {
    const value = this.string(key);
    for (const word in words) if (word === value) return word;
    throw new Malformed(`has an unknown "${key}"`);
  }

  /** A text that `is` recognises, such as a node id. */
  branded<T extends string>(key: string, is: (text: string) => text is T): T {
    const value = this.string(key);
    if (!is(value)) throw new Malformed(`has a malformed "${key}"`);
    return value;
  }

  list(key: string): readonly unknown[] {
    const value = this.#values.get(key);
    if (!Array.isArray(value)) throw new Malformed(`has no list "${key}"`);
    return value;
  }

  object(key: string): Fields {
    if (typeof this.#values.get(key) !== 'object') throw new Malformed(`has no object "${key}"`);
    return new Fields(this.#values.get(key));
  }

  /** For what older programs did not write. */
  optional<T>(key: string, read: (fields: Fields) => T): T | undefined {
    return this.#values.has(key) ? read(this) : undefined;
  }

  /** null in the record stands for "not known" or "not yet". */
  nullable<T>(key: string, read: (fields: Fields) => T): T | null {
    return this.#values.get(key) === null ? null : read(this);
  }
}

/** @returns the value, or undefined if this is not JSON. */
export function parseJson(text: string): {readonly value: unknown} | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return {value};
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** @returns the record's format version, or undefined if it states none. */
export function formatOf(value: unknown): number | undefined {
  if (typeof value !== 'object' || value === null || !('format' in value)) return undefined;
  return typeof value.format === 'number' && Number.isInteger(value.format) ? value.format : undefined;
}

/** One line of at most `max` characters without control characters. */
export const plainText = (text: string, max: number): string =>
  text.slice(0, max).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, ' ');

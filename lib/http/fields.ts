// The fields of a request's body: a form or a JSON object, of bounded size, each read with its own complaint.
import {Fault} from './fault.ts';
import type {Ctx} from './route.ts';

/** No request of this interface needs more, bytes. */
const BODY_MAX = 16 * 1_024;

/** The last word on a field is its text: forms know nothing else, and JSON numbers and booleans are taken at theirs. */
export type Fields = ReadonlyMap<string, string>;

/** @throws Fault 400, 413 or 415 */
export async function readFields(c: Ctx): Promise<Fields> {
  const text = await readText(c);
  const type = (c.req.header('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  if (text.trim() === '') return new Map();
  if (type === 'application/x-www-form-urlencoded') return formFields(text);
  if (type === 'application/json') return jsonFields(text);
  throw new Fault(415, 'send the fields as application/x-www-form-urlencoded or application/json', {
    details: `content-type was ${type === '' ? 'missing' : JSON.stringify(type)}`,
  });
}

/** @throws Fault 400 if the field is missing or empty. */
export function required(fields: Fields, name: string, expected: string): string {
  const value = fields.get(name)?.trim() ?? '';
  if (value === '') throw new Fault(400, `the field "${name}" is missing: send ${expected}`);
  return value;
}

/** A declared length is kept by Node's parser; without one the bytes are counted as they come. */
async function readText(c: Ctx): Promise<string> {
  const tooLarge = (): Fault => new Fault(413, `the body is larger than ${BODY_MAX} bytes`);
  const declared = c.req.header('content-length');
  if (declared !== undefined) {
    if (Number(declared) > BODY_MAX) throw tooLarge();
    return await c.req.text();
  }
  const body: ReadableStream<Uint8Array> | null = c.req.raw.body;
  if (!body) return '';
  const reader = body.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    size += next.value.length;
    if (size > BODY_MAX) {
      void reader.cancel();
      throw tooLarge();
    }
    chunks.push(next.value);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function formFields(text: string): Fields {
  const fields = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(text)) {
    if (fields.has(name)) throw new Fault(400, `the field ${JSON.stringify(name)} is given twice`);
    fields.set(name, value);
  }
  return fields;
}

function jsonFields(text: string): Fields {
  const value = parseJson(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Fault(400, 'the body is JSON but not an object: send {"field": "value"}');
  }
  const fields = new Map<string, string>();
  for (const [name, field] of Object.entries<unknown>({...value})) {
    if (field === null) continue;
    if (typeof field !== 'string' && typeof field !== 'number' && typeof field !== 'boolean') {
      throw new Fault(400, `the field ${JSON.stringify(name)} is neither text, number nor boolean`);
    }
    fields.set(name, String(field));
  }
  return fields;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Fault(400, 'the body is not valid JSON', {details: error.message});
  }
}

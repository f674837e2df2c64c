// Whether a config file is HAL's or PROM's: known by its keys, whatever it is called.
import {isTelling} from './keys.ts';
import {parseLenientJson, type JsonObject} from './lenient-json.ts';

export type Recognised =
  | {readonly kind: 'keys'; readonly keys: JsonObject}
  /** It is one, and it cannot be read. */
  | {readonly kind: 'broken'; readonly line: number; readonly found: string; readonly expected: string}
  | {readonly kind: 'other'};

/** @param text of a config file of any kind. */
export function recognise(text: string): Recognised {
  if (!/^\uFEFF?\s*\{/.test(text)) return {kind: 'other'};
  const parsed = parseLenientJson(text);
  if ('object' in parsed) {
    const tells = [...parsed.object.keys()].some(isTelling);
    return tells ? {kind: 'keys', keys: parsed.object} : {kind: 'other'};
  }
  const quoted = [...text.matchAll(/"([\w-]{1,100})"\s*:/g)].map(([, key = '']) => key);
  return quoted.some(isTelling) ? {kind: 'broken', ...parsed} : {kind: 'other'};
}

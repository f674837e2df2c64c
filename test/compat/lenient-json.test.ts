// P2: what the parser of HAL and PROM forgives is forgiven, and nothing else; a fault is told with its line.
import {expect} from 'chai';
import {parseLenientJson, type Json, type JsonObject} from '../../lib/compat/lenient-json.ts';

const plain = (value: Json | JsonObject): unknown => {
  if (value instanceof Map)
    return Object.fromEntries([...(value as JsonObject)].map(([key, entry]) => [key, plain(entry.value)]));
  return Array.isArray(value) ? (value as readonly Json[]).map(plain) : value;
};

describe('P2: JSON as HAL and PROM read it', () => {
  const accepted: readonly (readonly [what: string, text: string, value: unknown])[] = [
    ['plain JSON', '{"a": "b", "c": [1, 2.5e1, true, false, null]}', {a: 'b', c: [1, 25, true, false, null]}],
    ['an empty object', ' { } ', {}],
    ['a missing comma between members', '{"a":["0"]\n"b":"c"}', {a: ['0'], b: 'c'}],
    ['a missing comma between items', '{"a":["0" "1" 2]}', {a: ['0', '1', 2]}],
    ['repeated commas', '{,,"a":1,,,"b":[,1,,2,,],,}', {a: 1, b: [1, 2]}],
    ['a trailing comma', '{"a":1,}', {a: 1}],
    ['missing and repeated colons', '{"a" 1, "b"::2}', {a: 1, b: 2}],
    ['the last of equal keys', '{"a":1,"a":2}', {a: 2}],
    ['objects in objects', '{"a":{"b":{"c":1}}}', {a: {b: {c: 1}}}],
    ['escapes', '{"a":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9"}', {a: '"\\/\b\f\n\r\té'}],
    ['a backslash before anything else, which stays', '{"a":"\\d \\$x"}', {a: '\\d \\$x'}],
    ['a line break and a tab in a text', '{"a":"b\n\tc"}', {a: 'b\n\tc'}],
    ['a byte order mark', '\uFEFF{"a":1}', {a: 1}],
    ['negative numbers', '{"a":-7}', {a: -7}],
    ['keys that objects have by themselves', '{"__proto__":1,"constructor":2}', JSON.parse('{"__proto__":1,"constructor":2}')],
  ];
  for (const [what, text, value] of accepted) {
    it(`accepts ${what}`, () => {
      const parsed = parseLenientJson(text);
      if (!('object' in parsed)) throw new Error(`line ${parsed.line}: found ${parsed.found}, expected ${parsed.expected}`);
      expect(plain(parsed.object)).to.deep.equal(value);
    });
  }

  const refused: readonly (readonly [what: string, text: string, line: number, expected: RegExp])[] = [
    ['a comment', '{\n  // no\n  "a":1}', 2, /a key in double quotes/],
    ['single quotes', "{'a':1}", 1, /a key in double quotes/],
    ['a key without quotes', '{\n\na:1}', 3, /a key in double quotes/],
    ['text after the end', '{"a":1}\n}', 2, /nothing after the closing brace/],
    ['no object', '["a"]', 1, /an object in braces/],
    ['an object that is cut off', '{"a":1,\n"b"', 2, /a value/],
    ['an object without its end', '{"a":1', 1, /a key in double quotes, or "}"/],
    ['a list without its end', '{"a":[1,\n', 2, /a value/],
    ['a text without its end', '{"a":\n"b', 2, /a closing double quote/],
    ['words that are no values', '{"a":yes}', 1, /a value: text in double quotes/],
    ['numbers that are none', '{"a":1.}', 1, /a value/],
    ['a comma between key and value', '{"a",1}', 1, /a value/],
    ['brackets without end', `{"a":${'['.repeat(200)}`, 1, /at most 50 levels/],
    ['nothing', '', 1, /an object in braces/],
  ];
  for (const [what, text, line, expected] of refused) {
    it(`refuses ${what}, and says where`, () => {
      const parsed = parseLenientJson(text);
      if ('object' in parsed) throw new Error(`accepted: ${JSON.stringify(plain(parsed.object))}`);
      expect(parsed.line).to.equal(line);
      expect(parsed.expected).to.match(expected);
    });
  }

  it('knows the line of every key', () => {
    const parsed = parseLenientJson('{\n"a":1\n\n"b":\n2}');
    expect('object' in parsed && [...parsed.object].map(([key, {line}]) => [key, line])).to.deep.equal([
      ['a', 2],
      ['b', 4],
    ]);
  });
});

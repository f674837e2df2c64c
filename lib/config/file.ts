// The config file: HAL's or PROM's, or our own in YAML 1.2, of which JSON is a part. Finds for every value, and for everything inside it, the line where it stands.
import {open} from 'node:fs/promises';
import {dirname} from 'node:path';
import type {Document, LineCounter, Node} from 'yaml';
import {recognise} from '../compat/recognise.ts';
import type {Circumstances} from '../compat/translate.ts';
import {reasonOf, type ConfigProblem} from '../errors.ts';
import {add, type Given, type Source} from './given.ts';
import {legacySource} from './legacy-file.ts';
import type {Key} from './options.ts';
import {GROUPS, nearestKey, SPELLINGS} from './spellings.ts';

const MAX_BYTES = 1_024 ** 2;

/**
 * @param file absolute path.
 * @param shown how the file is named in messages.
 * @param around what the file of HAL or PROM has to be read with.
 */
export async function readConfigFile(file: string, shown: string, around: Circumstances): Promise<Source> {
  let text: string;
  try {
    text = await readText(file);
  } catch (error) {
    return {
      given: new Map(),
      problems: [{key: 'config', where: shown, found: 'no usable file', expected: `a config file (${reasonOf(error)})`}],
    };
  }
  const baseDir = dirname(file);
  const found = recognise(text);
  switch (found.kind) {
    case 'keys':
      return legacySource(found.keys, {baseDir, shown}, around);
    case 'broken': {
      const where = `${shown}:${found.line}`;
      return {given: new Map(), problems: [{key: '(file)', where, found: found.found, expected: found.expected}]};
    }
    case 'other':
      return parseConfigFile(text, baseDir, shown);
    default:
      return found satisfies never;
  }
}

/** @returns the content. @throws if this is no regular file, cannot be read, or is larger than 1 MiB. */
export async function readText(file: string): Promise<string> {
  // A named pipe would block the open for ever without O_NONBLOCK.
  const {O_RDONLY, O_NONBLOCK} = (await import('node:fs')).constants;
  const handle = await open(file, O_RDONLY | O_NONBLOCK);
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) throw new Error('it is not a regular file');
    if (stats.size > MAX_BYTES) throw new Error('it is larger than 1 MiB');
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

async function parseConfigFile(text: string, baseDir: string, shown: string): Promise<Source> {
  const yaml = await import('yaml');
  const lines = new yaml.LineCounter();
  const document = yaml.parseDocument(text, {lineCounter: lines, prettyErrors: false, version: '1.2'});
  if (document.errors.length > 0)
    return {given: new Map(), problems: document.errors.map((error) => syntaxProblem(error, lines, shown))};
  if (document.contents === null) return {given: new Map(), problems: []};
  if (!yaml.isMap(document.contents)) {
    return {
      given: new Map(),
      problems: [
        {key: '(file)', where: `${shown}:1`, found: 'something else', expected: 'keys with values, such as "leaseTimeout: 30s"'},
      ],
    };
  }
  const reader = {yaml, document, lines, shown, baseDir, given: new Map<Key, Given[]>(), problems: [] as ConfigProblem[]};
  readMap(reader, document.contents, '');
  for (const [key, values] of reader.given) {
    const second = values[1];
    if (second)
      reader.problems.push({
        key,
        where: second.where([]),
        found: 'a second value',
        expected: `one value: ${values[0]?.where([]) ?? ''} has it already`,
      });
  }
  return {given: reader.given, problems: reader.problems};
}

interface Reader {
  readonly yaml: typeof import('yaml');
  readonly document: Document;
  readonly lines: LineCounter;
  readonly shown: string;
  readonly baseDir: string;
  readonly given: Map<Key, Given[]>;
  readonly problems: ConfigProblem[];
}

function syntaxProblem(
  error: {readonly message: string; readonly pos: readonly [number, number]},
  lines: LineCounter,
  shown: string,
): ConfigProblem {
  return {
    key: '(file)',
    where: `${shown}:${lines.linePos(error.pos[0]).line}`,
    found: 'a mistake in the YAML',
    expected: `correct YAML: ${error.message}`,
  };
}

function readMap(reader: Reader, map: import('yaml').YAMLMap, group: string): void {
  for (const pair of map.items) {
    const name = group + (reader.yaml.isScalar(pair.key) ? String(pair.key.value) : String(pair.key));
    const keyNode = reader.yaml.isNode(pair.key) ? pair.key : undefined;
    const valueNode = reader.yaml.isNode(pair.value) ? pair.value : undefined;
    const key = SPELLINGS.get(name);
    if (key !== undefined) add(reader.given, key, givenIn(reader, valueNode, keyNode));
    else if (group === '' && GROUPS.has(name)) readGroup(reader, name, valueNode, keyNode);
    else reader.problems.push(unknownKey(name, lineOf(reader, keyNode)));
  }
}

function readGroup(reader: Reader, name: string, node: Node | undefined, keyNode: Node | undefined): void {
  const value = reader.yaml.isAlias(node) ? node.resolve(reader.document) : node;
  if (reader.yaml.isMap(value)) return readMap(reader, value, `${name}.`);
  if (reader.yaml.isScalar(value) && value.value === null) return;
  reader.problems.push({
    key: name,
    where: lineOf(reader, node ?? keyNode),
    found: shortJson(plainValue(reader, node)),
    expected: 'keys with values',
  });
}

function givenIn(reader: Reader, node: Node | undefined, keyNode: Node | undefined): Given {
  const value = plainValue(reader, node) ?? null;
  const text = reader.yaml.isScalar(node) && typeof node.source === 'string' ? node.source : shortJson(value);
  const where = (path: readonly (string | number)[]): string => {
    for (let depth = path.length; depth > 0; depth--) {
      const inner = reader.yaml.isCollection(node) ? node.getIn(path.slice(0, depth), true) : undefined;
      if (reader.yaml.isNode(inner) && inner.range) return lineOf(reader, inner);
    }
    return lineOf(reader, node?.range ? node : keyNode);
  };
  return {raw: {value, text, baseDir: reader.baseDir}, rank: 1, where};
}

/** An alias that points nowhere, or at far too much, is a fault of the file. */
function plainValue(reader: Reader, node: Node | undefined): unknown {
  try {
    return node?.toJS(reader.document);
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    reader.problems.push({
      key: '(file)',
      where: lineOf(reader, node),
      found: 'an alias',
      expected: `one that can be resolved (${error.message})`,
    });
    return undefined;
  }
}

function lineOf(reader: Reader, node: Node | undefined): string {
  return node?.range ? `${reader.shown}:${reader.lines.linePos(node.range[0]).line}` : reader.shown;
}

function unknownKey(name: string, where: string): ConfigProblem {
  const close = nearestKey(name);
  return {
    key: name,
    where,
    found: 'an unknown key',
    expected: close === undefined ? 'a key that "ha-agent launch --help" shows' : `a known key: ${close}?`,
  };
}

const shortJson = (value: unknown): string => (value === undefined ? 'nothing' : JSON.stringify(value));

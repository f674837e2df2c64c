// `npm run mutate`: breaks the rules of a copy of lib/protocol, one at a time, and demands that the simulator notices each.
// Options: `--seeds N` tried at most for each rule, `--jobs N` at once, `--only TEXT` of the rule's name, `--first S`.
import {spawn} from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {MUTATIONS, type Mutation} from './mutations.ts';

export interface Verdict {
  readonly rule: string;
  readonly files: string;
  /** Undefined if the mutant survived. */
  readonly caught: {readonly seed: number; readonly check: string} | undefined;
  readonly tried: number;
}

const BUILD = path.resolve(import.meta.dirname, '..');
const DEFAULT_SEEDS = 6_000;

async function main(): Promise<void> {
  const {values} = parseArgs({
    options: {
      seeds: {type: 'string', default: String(DEFAULT_SEEDS)},
      jobs: {type: 'string', default: String(Math.max(1, Math.min(4, os.availableParallelism())))},
      only: {type: 'string', default: ''},
      first: {type: 'string', default: '1'},
    },
  });
  const waiting = MUTATIONS.filter(({rule}) => rule.includes(values.only));
  const verdicts: Verdict[] = [];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const verdict = await tryMutation(next, next.first ?? Number(values.first), Number(values.seeds));
      verdicts.push(verdict);
      process.stdout.write(`${row(verdict)}\n`);
    }
  };
  process.stdout.write(`${'rule'.padEnd(66)} ${'file'.padEnd(20)} ${'seed'.padStart(6)} ${'tried'.padStart(6)}  check\n`);
  await Promise.all(Array.from({length: Number(values.jobs)}, work));
  const survivors = verdicts.filter(({caught}) => !caught);
  process.stdout.write(
    survivors.length === 0
      ? `all ${verdicts.length} broken rules were noticed\n`
      : `${survivors.length} of ${verdicts.length} broken rules were NOT noticed: ${survivors.map(({rule}) => rule).join('; ')}\n`,
  );
  process.exitCode = survivors.length === 0 ? 0 : 1;
}

const row = ({rule, files, caught, tried}: Verdict): string =>
  `${rule.padEnd(66)} ${files.padEnd(20)} ${String(caught?.seed ?? '-').padStart(6)} ${String(tried).padStart(6)}  ${caught?.check ?? 'SURVIVED'}`;

/** @throws Error if a text of the mutation is not found exactly once. */
export async function tryMutation(
  mutation: Mutation,
  first: number,
  seeds: number,
  how: 'seeds' | 'explore' = 'seeds',
): Promise<Verdict> {
  const copy = await fs.mkdtemp(path.join(os.tmpdir(), 'ha-agent-mutant-'));
  try {
    await fs.cp(path.join(BUILD, 'lib', 'protocol'), path.join(copy, 'lib', 'protocol'), {recursive: true});
    await fs.cp(path.join(BUILD, 'test', 'sim'), path.join(copy, 'test', 'sim'), {recursive: true});
    await fs.writeFile(path.join(copy, 'package.json'), '{"type": "module"}\n');
    for (const edit of mutation.edits)
      await breakFile(path.join(copy, 'lib', 'protocol', edit.file), edit.find, edit.replace, mutation.rule);
    const found = await hunt([path.join(copy, 'test', 'sim', 'hunter.js'), String(first), String(seeds), how]);
    return {
      rule: mutation.rule,
      files: [...new Set(mutation.edits.map(({file}) => file.replace('.js', '')))].join(' '),
      ...found,
    };
  } finally {
    await fs.rm(copy, {recursive: true, force: true});
  }
}

async function breakFile(file: string, find: string, replace: string, rule: string): Promise<void> {
  const text = await fs.readFile(file, 'utf8');
  const count = text.split(find).length - 1;
  if (count !== 1)
    throw new Error(`mutation "${rule}": ${JSON.stringify(find)} is found ${count} times in ${path.basename(file)}, not once`);
  await fs.writeFile(
    file,
    text.replace(find, () => replace),
  );
}

function hunt(args: readonly string[]): Promise<Pick<Verdict, 'caught' | 'tried'>> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {stdio: ['ignore', 'pipe', 'inherit']});
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    child.once('error', reject);
    child.once('close', (code) => {
      if (code !== 0) reject(new Error(`the hunter ended with ${code}: ${text}`));
      else resolve(readFinding(text));
    });
  });
}

function readFinding(text: string): Pick<Verdict, 'caught' | 'tried'> {
  const [tried, seed, ...check] = text.trim().split(' ');
  return {tried: Number(tried), caught: seed === undefined ? undefined : {seed: Number(seed), check: check.join(' ')}};
}

if (process.argv[1] !== undefined && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) await main();

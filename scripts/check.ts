// `npm run check`: what can be said about the code without running it. Types were checked by the build before this.
import {spawn} from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

interface Tool {
  readonly name: string;
  readonly finds: string;
  /** The script below node_modules and its arguments. */
  readonly command: readonly [script: string, ...args: string[]];
}

interface Verdict {
  readonly tool: Tool;
  readonly ok: boolean;
  readonly output: string;
  readonly tookMs: number;
}

const ROOT = path.resolve(import.meta.dirname, '..', '..');
const TREES = ['lib', 'scripts', 'test', 'examples'].filter((tree) => fs.existsSync(path.join(ROOT, tree)));

const TOOLS: readonly Tool[] = [
  {name: 'eslint', finds: 'defects', command: ['eslint/bin/eslint.js', '--max-warnings', '0', '.']},
  {name: 'prettier', finds: 'form', command: ['prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.']},
  {
    name: 'dependency-cruiser',
    finds: 'import boundaries',
    command: ['dependency-cruiser/bin/dependency-cruise.mjs', '--config', '.dependency-cruiser.cjs', ...TREES],
  },
  {name: 'knip', finds: 'dead code', command: ['knip/bin/knip.js', '--no-progress', '--no-config-hints']},
];

async function main(): Promise<void> {
  const verdicts = await Promise.all(TOOLS.map(run));
  for (const {tool, ok, output} of verdicts) {
    if (!ok) process.stdout.write(`\n===== ${tool.name} =====\n${output.trim()}\n`);
  }
  process.stdout.write('\n');
  for (const {tool, ok, tookMs} of verdicts) {
    const name = `${tool.name} (${tool.finds})`.padEnd(40);
    process.stdout.write(`${name} ${ok ? 'ok' : 'FAILED'} in ${(tookMs / 1000).toFixed(1)} s\n`);
  }
  if (verdicts.some(({ok}) => !ok)) process.exitCode = 1;
}

function run(tool: Tool): Promise<Verdict> {
  const begun = performance.now();
  const [script, ...args] = tool.command;
  const child = spawn(process.execPath, [path.join(ROOT, 'node_modules', script), ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      resolve({tool, ok: code === 0, output, tookMs: performance.now() - begun});
    });
  });
}

await main();

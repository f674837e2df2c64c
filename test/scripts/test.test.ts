// scripts/test.ts on a small build of its own: its closing line and its exit status tell the truth.
import {spawn} from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import {expect} from 'chai';
import {buildRoot, repoRoot} from '../support/paths.ts';
import {useTempDir} from '../support/temp-dir.ts';

const PASS = `it('passes', () => {});\n`;
const FAIL = `it('fails', () => { throw new Error('on purpose'); });\n`;
const SKIP = `it('skips', function () { this.skip(); });\n`;

describe('scripts/test.ts', () => {
  const project = useTempDir();

  beforeEach(async () => {
    await fs.mkdir(path.join(project(), 'dist', 'scripts'), {recursive: true});
    for (const file of ['test.js', 'test-reporter.js']) {
      await fs.copyFile(path.join(buildRoot, 'scripts', file), path.join(project(), 'dist', 'scripts', file));
    }
    await fs.copyFile(path.join(repoRoot, 'package.json'), path.join(project(), 'package.json'));
    await fs.symlink(path.join(repoRoot, 'node_modules'), path.join(project(), 'node_modules'));
  });

  /** Writes the tests, runs the runner. */
  async function run(
    tests: Readonly<Record<string, string>>,
    ...args: readonly string[]
  ): Promise<{code: number | null; lines: string[]}> {
    for (const [name, text] of Object.entries({'one.test.js': PASS, 'sim/s.test.js': PASS, 'e2e/e.test.js': PASS, ...tests})) {
      const file = path.join(project(), 'dist', 'test', name);
      await fs.mkdir(path.dirname(file), {recursive: true});
      await fs.writeFile(file, text);
    }
    return await execute(project(), args);
  }

  it('sums the suites up, in its last line and in dist/.test-summary', async () => {
    const {code, lines} = await run({'two.test.js': PASS + SKIP});
    expect({code, last: lines.at(-1)}).to.deep.equal({code: 0, last: '4 passed, 0 failed, 1 skipped'});
    expect(await fs.readFile(path.join(project(), 'dist', '.test-summary'), 'utf8')).to.equal('4 passed, 0 failed, 1 skipped\n');
  });

  it('tells in dist/.test-failures what failed, and leaves no such file when nothing did', async () => {
    const failures = path.join(project(), 'dist', '.test-failures');
    await run({'two.test.js': FAIL, 'e2e/e.test.js': ''});
    expect(await fs.readFile(failures, 'utf8')).to.equal('unit: fails\n  on purpose\ne2e: no test ran\n');
    await run({'two.test.js': PASS, 'e2e/e.test.js': PASS});
    expect(await fs.readdir(path.dirname(failures))).to.not.include('.test-failures');
  });

  it('runs the suites that --only names, and the tests that --grep matches', async () => {
    const {code, lines} = await run({'two.test.js': FAIL, 'sim/s.test.js': PASS + FAIL}, '--only', 'sim', '--grep', 'passes');
    expect({code, last: lines.at(-1)}).to.deep.equal({code: 0, last: '1 passed, 0 failed'});
  });

  it('runs the suites more and nfs only when they are named', async () => {
    const nfs = {'nfs/n.test.js': FAIL};
    expect((await run(nfs)).lines.at(-1)).to.equal('3 passed, 0 failed');
    expect((await run(nfs, '--only', 'nfs')).lines.at(-1)).to.equal('0 passed, 1 failed');
    const more = {'more/m.test.js': FAIL};
    expect((await run(more)).lines.at(-1)).to.equal('3 passed, 0 failed');
    expect((await run(more, '--only', 'more')).lines.at(-1)).to.equal('0 passed, 1 failed');
  });

  const failures: readonly [title: string, tests: Readonly<Record<string, string>>, last: string][] = [
    ['a test fails', {'two.test.js': FAIL}, '3 passed, 1 failed'],
    [
      'a hook fails',
      {'two.test.js': `describe('x', () => { before(() => { throw new Error('hook'); });\n${PASS}});`},
      '3 passed, 1 failed',
    ],
    ['a file cannot be loaded', {'e2e/e.test.js': `import './nothing.js';`}, '2 passed, 1 failed'],
    ['a suite holds no test', {'e2e/e.test.js': ''}, '2 passed, 1 failed'],
    [
      'a worker dies in the middle of a file, whose passed tests then count for nothing',
      {'e2e/e.test.js': `${PASS}it('dies', () => process.kill(process.pid, 'SIGKILL'));`},
      '2 passed, 1 failed',
    ],
    [
      'a worker of a parallel suite dies',
      {'two.test.js': `it('dies', () => process.kill(process.pid, 'SIGKILL'));`},
      '3 passed, 1 failed',
    ],
    ['somebody left .only behind', {'e2e/e.test.js': `it.only('alone', () => {});`}, '2 passed, 1 failed'],
  ];
  for (const [title, tests, last] of failures) {
    it(`fails when ${title}`, async () => {
      await fs.copyFile(path.join(repoRoot, '.mocharc.json'), path.join(project(), '.mocharc.json'));
      const {code, lines} = await run(tests);
      expect({code, last: lines.at(-1)}).to.deep.equal({code: 1, last});
    });
  }

  it('fails when nothing matches', async () => {
    const {code, lines} = await run({}, '--grep', 'no such test');
    expect({code, last: lines.at(-1)}).to.deep.equal({code: 1, last: '0 passed, 1 failed'});
  });
}).timeout(60_000);

async function execute(project: string, args: readonly string[]): Promise<{code: number | null; lines: string[]}> {
  const child = spawn(process.execPath, [path.join(project, 'dist', 'scripts', 'test.js'), ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return {code, lines: output.trimEnd().split('\n')};
}

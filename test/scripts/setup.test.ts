// scripts/setup.mjs on a small project of its own: it builds what is needed, removes what is stale, and is silent otherwise.
import {spawn} from 'node:child_process';
import fs from 'node:fs/promises';
import path from 'node:path';
import {expect} from 'chai';
import {repoRoot} from '../support/paths.ts';
import {useTempDir} from '../support/temp-dir.ts';

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

describe('scripts/setup.mjs', () => {
  const project = useTempDir();
  const inProject = (file: string): string => path.join(project(), file);

  beforeEach(async () => {
    for (const file of ['package.json', 'package-lock.json', 'tsconfig.json', 'scripts/setup.mjs']) {
      await fs.mkdir(path.dirname(inProject(file)), {recursive: true});
      await fs.copyFile(path.join(repoRoot, file), inProject(file));
    }
    await fs.symlink(path.join(repoRoot, 'node_modules'), inProject('node_modules'));
    await fs.mkdir(inProject('lib/page'), {recursive: true});
    await fs.writeFile(inProject('lib/one.ts'), 'export const one = 1;\n');
    await fs.writeFile(inProject('lib/two.ts'), `import {one} from './one.ts';\nexport const two: number = one + 1;\n`);
    await fs.writeFile(inProject('lib/page/index.html'), '<p>\n');
  });

  const setup = (): Promise<Outcome> => run(project());
  const built = (file: string): Promise<boolean> => exists(inProject(path.join('dist', file)));

  it('builds what is new, copies other files, and says nothing when all is there', async () => {
    expect(await setup()).to.deep.equal({code: 0, stdout: 'setup: building (tsc)\n', stderr: ''});
    expect(await Promise.all(['lib/two.js', 'lib/two.d.ts', 'lib/page/index.html'].map(built))).to.deep.equal([true, true, true]);
    expect(await setup()).to.deep.equal({code: 0, stdout: '', stderr: ''});
  });

  it('builds again after a change, and removes what a deleted source has left', async () => {
    await setup();
    await fs.rm(inProject('lib/two.ts'));
    await fs.writeFile(inProject('lib/one.ts'), 'export const one = 11;\n');
    expect((await setup()).stdout).to.equal('setup: building (tsc)\n');
    expect(await fs.readFile(inProject('dist/lib/one.js'), 'utf8')).to.contain('one = 11');
    expect(await built('lib/two.js')).to.equal(false);
  });

  it('builds again what was deleted from dist/', async () => {
    await setup();
    await fs.rm(inProject('dist/lib/one.js'));
    await setup();
    expect(await built('lib/one.js')).to.equal(true);
  });

  it('fails on an error of types, each time, until it is mended', async () => {
    await setup();
    await fs.writeFile(inProject('lib/two.ts'), `export const two: number = 'two';\n`);
    for (const attempt of [1, 2]) {
      const {code, stdout, stderr} = await setup();
      expect(code, `attempt ${attempt}`).to.equal(1);
      expect(stdout).to.contain('lib/two.ts(1,14): error TS2322');
      expect(stderr).to.match(/^setup: the build failed/);
    }
    await fs.writeFile(inProject('lib/two.ts'), 'export const two = 2;\n');
    expect((await setup()).code).to.equal(0);
  });

  it('lets one of several at once build, and the others wait', async () => {
    const outcomes = await Promise.all([setup(), setup(), setup()]);
    expect(outcomes.map(({code, stderr}) => `${code} ${stderr}`)).to.deep.equal(['0 ', '0 ', '0 ']);
    expect(outcomes.filter(({stdout}) => stdout.includes('building'))).to.have.length(1);
    expect((await fs.readdir(inProject('dist'))).filter((name) => name.startsWith('.setup-lock'))).to.deep.equal([]);
  });

  it('takes over the lock of a setup that was killed', async () => {
    await fs.mkdir(inProject('dist/.setup-lock'), {recursive: true});
    // This very process lives, but it was not started at tick 1.
    await fs.writeFile(inProject(`dist/.setup-lock/owner-${process.pid}-1`), '');
    expect(await setup()).to.deep.equal({code: 0, stdout: 'setup: building (tsc)\n', stderr: ''});
  });

  it('says what is wrong without a lock file', async () => {
    await fs.rm(inProject('package-lock.json'));
    expect(await setup()).to.include({code: 1, stdout: ''});
  });
}).timeout(60_000);

function run(project: string): Promise<Outcome> {
  const child = spawn(process.execPath, [path.join(project, 'scripts', 'setup.mjs')], {stdio: ['ignore', 'pipe', 'pipe']});
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      resolve({code, stdout, stderr});
    });
  });
}

function exists(file: string): Promise<boolean> {
  return fs.access(file).then(
    () => true,
    () => false,
  );
}

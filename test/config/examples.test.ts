// The configurations that the examples and the pages show are accepted as they stand: examples/*/ha-agent.yaml, and every YAML block of a page.
import {readdirSync, readFileSync} from 'node:fs';
import {mkdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {expect} from 'chai';
import type {Config} from '../../lib/config/config.ts';
import {loadConfig} from '../../lib/config/load.ts';
import {repoRoot} from '../support/paths.ts';
import {useTempDir} from '../support/temp-dir.ts';

const around = {env: {HOME: '/h'}, cwd: '/work', hostname: 'h', uid: 1_000};
const EXAMPLES = join(repoRoot, 'examples');

const filesBelow = (name: RegExp): readonly string[] =>
  readdirSync(EXAMPLES, {recursive: true, encoding: 'utf8'})
    .filter((file) => name.test(file))
    .sort();

/** Without the directory that a part of a configuration need not repeat. */
const load = (file: string, argv: Readonly<Record<string, string>> = {}): Promise<Config> =>
  loadConfig({...around, purpose: 'launch', argv: {config: file, persistenceDir: '/mnt/ha', ...argv}});

describe('the configurations of the examples', () => {
  const dir = useTempDir();

  for (const file of filesBelow(/(^|\/)ha-agent\.yaml$/)) {
    it(`${file} is accepted`, async () => {
      const config = await load(join(EXAMPLES, file));
      expect(config.service.kind).to.not.equal('none');
    });
  }

  it('voting-app/config.json is accepted, for each of its nodes', async () => {
    for (const id of ['0', '1', '2']) {
      const config = await load(join(EXAMPLES, 'voting-app/config.json'), {id});
      expect(config.service).to.deep.include({kind: 'ensure', passive: ['./ensureVotingAppRunning.sh', id, 'passive']});
    }
  });

  const pages = ['../README.md', ...filesBelow(/\.md$/)].flatMap((page) => {
    const text = readFileSync(join(EXAMPLES, page), 'utf8');
    return [...text.matchAll(/^```yaml\n([^]*?)^```$/gm)].map(([, block = ''], index) => ({page, block, index: index + 1}));
  });

  it('are found in pages', () => {
    expect(pages.map(({page}) => page)).to.include.members([
      '../README.md',
      'migration/alien4cloud.md',
      'postgres-fencing/README.md',
    ]);
  });

  for (const {page, block, index} of pages) {
    it(`block ${index} of ${page} is accepted`, async () => {
      await mkdir(join(dir(), 'etc'));
      const file = join(dir(), 'etc/ha-agent.yaml');
      await writeFile(file, block);
      const own = /^persistenceDir:/m.test(block) ? loadConfig({...around, purpose: 'launch', argv: {config: file}}) : load(file);
      expect((await own).persistenceDir).to.equal('/mnt/ha');
    });
  }
});

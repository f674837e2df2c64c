// The pages for those who come from HAL or PROM name every spelling that is read, and nothing that is not.
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {isLegacyKey, prefixesOf, spellingsOf, type Daemon} from '../../lib/compat/keys.ts';
import {repoRoot} from '../support/paths.ts';

const page = (name: string): string => readFileSync(join(repoRoot, 'examples/migration', name), 'utf8');
const pages = page('hal.md') + page('prom.md');
const MEANINGS = ['app', 'timeout', 'attempts', 'backoff', 'monitor', 'peers'] as const;
const NODE_MEANINGS = ['active', 'passive', 'restart', 'startActive'] as const;

describe('the pages for those who come from HAL or PROM', () => {
  for (const daemon of ['HAL', 'PROM'] satisfies Daemon[]) {
    it(`name every key of ${daemon}`, () => {
      const plain = MEANINGS.flatMap((meaning) => spellingsOf(daemon, meaning));
      const numbered = NODE_MEANINGS.flatMap((meaning) => prefixesOf(daemon, meaning)).map((prefix) => `${prefix}N`);
      const missing = [...plain, ...numbered].filter((key) => !pages.includes(`\`${key}\``));
      expect(missing).to.deep.equal([]);
    });
  }

  it('name in their first columns no key that is not read', () => {
    for (const name of ['hal.md', 'prom.md']) {
      const [, section = ''] = /## Key by key\n([^]*?)\n## /.exec(page(name)) ?? [];
      const rows = section.split('\n').filter((line) => line.startsWith('| `'));
      expect(rows.length).to.be.greaterThan(8);
      const keys = rows.flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, key = '']) => key));
      expect(keys.filter((key) => !isLegacyKey(key))).to.deep.equal([]);
    }
  });
});

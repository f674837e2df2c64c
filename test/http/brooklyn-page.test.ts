// The page for those who come from Brooklyn promises no request, option or key that is not there.
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {OPTIONS} from '../../lib/config/options.ts';
import {BROOKLYN_ROUTES} from '../../lib/http/brooklyn-routes.ts';
import {repoRoot} from '../support/paths.ts';

const page = readFileSync(join(repoRoot, 'examples/migration/brooklyn.md'), 'utf8');

/** The rows of one section, each as its cells. */
function rowsOf(title: string): string[][] {
  const section = page.split(/^## /m).find((text) => text.startsWith(`${title}\n`)) ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('| ') && !/^\| (Brooklyn|---)/.test(line));
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const namesIn = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);

describe('the page for those who come from Brooklyn', () => {
  it('names every request that is answered as there', () => {
    const named = rowsOf('Requests').map(([cell = '']) => cell);
    const missing = BROOKLYN_ROUTES.filter(({method, path}) => {
      const end = path.replace('/v1/server', '');
      return !named.some(
        (cell) =>
          cell.includes(method) &&
          namesIn(cell).some((name) => name.endsWith(end) || end.endsWith(name.replace(/^(GET |POST )?…?/, ''))),
      );
    });
    expect(missing.map(({method, path}) => `${method} ${path}`)).to.deep.equal([]);
  });

  it('names options and keys that exist', () => {
    const known = new Set<string>([...Object.keys(OPTIONS), 'config']);
    const options = rowsOf('The command line').flatMap(([, cell]) => namesIn(cell).filter((name) => name.startsWith('--')));
    expect(options.length).to.be.greaterThan(8);
    const unknown = options
      .map((name) => name.replace(/^--| .*$/g, ''))
      .filter((name) => !known.has(name) && name !== 'serviceUri');
    expect(unknown).to.deep.equal([]);
    const keys = rowsOf('Keys').flatMap(([, cell]) => namesIn(cell).filter((name) => /^[a-zA-Z]+$/.test(name)));
    expect(keys.length).to.be.greaterThan(8);
    expect(keys.filter((key) => !known.has(key))).to.deep.equal([]);
  });
});

// What other packages import: every entry of the exports is a file that the build makes and the package holds.
import fs from 'node:fs';
import path from 'node:path';
import {expect} from 'chai';
import {buildRoot, repoRoot} from '../support/paths.ts';

interface Manifest {
  readonly files: readonly string[];
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
}

describe("'ha-agent/client'", () => {
  const {exports, files} = JSON.parse(fs.readFileSync(path.join(repoRoot, 'package.json'), 'utf8')) as Manifest;

  it('is exported with types, and both are in the package', () => {
    const client = exports['./client'] as Readonly<Record<string, string>>;
    expect(Object.keys(client)).to.deep.equal(['types', 'import']);
    for (const file of Object.values(client)) {
      expect(
        files.some((root) => file.startsWith(`./${root}/`)),
        file,
      ).to.equal(true);
      expect(fs.existsSync(path.join(buildRoot, file.replace('./dist/', ''))), file).to.equal(true);
    }
  });

  it('holds what is promised, and nothing that it imports is left out of the package', async () => {
    const {import: file = ''} = exports['./client'] as Readonly<Record<string, string>>;
    const module = (await import(path.join(buildRoot, file.replace('./dist/', '')))) as Record<string, unknown>;
    expect(Object.keys(module).sort()).to.deep.equal(['HaClient', 'HaError', 'isHaError']);
  });
});

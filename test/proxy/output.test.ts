// The rendered file: whole or not at all, checked in its place, put back if refused, reloaded once for each change.
import fs from 'node:fs/promises';
import path from 'node:path';
import {expect} from 'chai';
import type {Log} from '../../lib/log/log.ts';
import {createOutput, type Output} from '../../lib/proxy/output.ts';
import {eventually} from '../support/eventually.ts';
import {useTempDir} from '../support/temp-dir.ts';

describe('the output of a proxy', () => {
  const directory = useTempDir();
  const at = (name: string): string => path.join(directory(), name);
  const read = (name = 'service.conf'): Promise<string> => fs.readFile(at(name), 'utf8').catch(() => '');
  let ending: AbortController;
  let output: Output;
  let errors: string[];

  /** The check passes unless the file holds `bad`; each reload notes what it found, and fails while there is a file `closed`. */
  function open(): Output {
    ending = new AbortController();
    errors = [];
    const file = at('service.conf');
    const nothing = (): void => undefined;
    const error = (text: string): void => void errors.push(text);
    const log: Log = {debug: nothing, info: nothing, warn: nothing, error, child: () => log};
    output = createOutput({
      file,
      check: ['sh', '-c', '! grep -q bad "$1"', 'sh', file],
      reload: ['sh', '-c', 'test ! -e "$2" && cat "$1" >>"$3" && echo >>"$3"', 'sh', file, at('closed'), at('reloads')],
      log,
      signal: ending.signal,
    });
    return output;
  }
  afterEach(async () => {
    ending.abort();
    await output.settled();
  });

  it('is written and reloaded for a change, and left alone without one', async () => {
    open().put('one');
    await output.settled();
    output.put('one');
    output.put('two');
    await output.settled();
    output.put('two');
    await output.settled();
    expect([await read(), await read('reloads')]).to.deep.equal(['two', 'one\ntwo\n']);
    expect((await fs.readdir(directory())).sort()).to.deep.equal(['reloads', 'service.conf']);
    ending.abort();
    open().put('two');
    await output.settled();
    expect(await read('reloads'), 'a new run finds what it would write').to.equal('one\ntwo\n');
  });

  it('keeps only the latest of what comes too fast', async () => {
    for (const text of ['one', 'two', 'three', 'four']) (text === 'one' ? open() : output).put(text);
    await output.settled();
    expect(await read()).to.equal('four');
    expect((await read('reloads')).split('\n').length).to.be.at.most(3);
  });

  it('stays as it was when the check refuses what is new, which then lies beside it', async () => {
    open().put('good');
    await output.settled();
    output.put('bad');
    await output.settled();
    expect([await read(), await read('service.conf.rejected'), await read('reloads')]).to.deep.equal(['good', 'bad', 'good\n']);
    expect(errors.join()).to.match(/--check failed: .*exited with 1.*is refused: the old one stays/);
    output.put('better');
    await output.settled();
    expect([await read(), await read('reloads')]).to.deep.equal(['better', 'good\nbetter\n']);
  });

  it('is not there when the first one is refused', async () => {
    open().put('bad');
    await output.settled();
    expect(await fs.readdir(directory())).to.deep.equal(['service.conf.rejected']);
  });

  it('is reloaded as soon as that is possible', async () => {
    await fs.writeFile(at('closed'), '');
    open().put('one');
    await output.settled();
    expect(errors.join()).to.contain('--reload failed');
    await fs.rm(at('closed'));
    await eventually(async () => (await read('reloads')) === 'one\n');
  });
});

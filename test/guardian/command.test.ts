// P4, P11: how a command of HAL and PROM ends, and that neither what it prints nor what it leaves behind holds anybody up.
import {existsSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {runCommand, type CommandEnd, type CommandOptions} from '../../lib/guardian/command.ts';
import {isAlive, identityOf, signal} from '../../lib/guardian/proc.ts';
import {eventually} from '../support/eventually.ts';
import {useTempDir} from '../support/temp-dir.ts';
import {textOf} from './driver.ts';

describe('a command', () => {
  const dir = useTempDir();
  let printed = 0;
  const run = (argv: readonly string[], changes: Partial<CommandOptions> = {}): Promise<CommandEnd> =>
    runCommand(argv, {
      launcher: [],
      cwd: dir(),
      environment: process.env,
      timeoutMs: 10_000,
      drain: (_stream, from) => void from?.on('data', (chunk: Buffer) => (printed += chunk.length)),
      ...changes,
    }).done;
  beforeEach(() => (printed = 0));

  const ends: readonly (readonly [what: string, argv: readonly string[], ok: boolean, because: RegExp])[] = [
    ['0: it ran already', ['sh', '-c', 'exit 0'], true, /^exit status 0$/],
    ['2: it had to be started, and was', ['sh', '-c', 'exit 2'], true, /^exit status 2$/],
    ['1', ['sh', '-c', 'exit 1'], false, /^exit status 1$/],
    ['3', ['sh', '-c', 'exit 3'], false, /^exit status 3$/],
    ['126', ['sh', '-c', 'exit 126'], false, /^exit status 126$/],
    ['127', ['sh', '-c', 'exit 127'], false, /command not found/],
    ['a signal', ['sh', '-c', 'kill -KILL $$'], false, /^ended by SIGKILL$/],
    ['a program that is not there', ['./no-such-program'], false, /could not be started: .*ENOENT/],
    ['a directory', ['/'], false, /could not be started: .*EACCES/],
  ];
  for (const [what, argv, ok, because] of ends) {
    it(`P4: that ends with ${what} has ${ok ? 'succeeded' : 'failed'}`, async () => {
      const end = await run(argv);
      expect(end.ok).to.equal(ok);
      expect(end.because).to.match(because);
    });
  }

  it('P4: whose file may not be executed has failed', async () => {
    writeFileSync(join(dir(), 'script'), '#!/bin/sh\n', {mode: 0o644});
    expect(await run(['./script'])).to.have.property('ok', false);
  });

  it('P11, W9: that hangs is killed after its time, with its whole group, and has failed', async () => {
    const end = await run(['sh', '-c', 'sleep 60 & echo $! > child; wait'], {timeoutMs: 300});
    expect(end).to.deep.equal({ok: false, because: 'still running after 300 ms, killed'});
    await eventually(() => identityOf(Number(textOf(join(dir(), 'child')))) === undefined);
  });

  it('P11, W9: that prints a mebibyte on each stream ends all the same', async () => {
    const mebibyte = 'head -c 1048576 /dev/zero';
    expect(await run(['sh', '-c', `${mebibyte}; ${mebibyte} >&2; exit 2`])).to.have.property('ok', true);
    await eventually(() => printed === 2 * 1_048_576);
  });

  it('P11, W10: that leaves a printing process behind ends at once, and that process lives on', async () => {
    await run(['sh', '-c', '(while :; do echo here; : > left; sleep 0.02; done) & echo $! > child; exit 0']);
    const child = identityOf(Number(textOf(join(dir(), 'child'))));
    await eventually(() => existsSync(join(dir(), 'left')) && printed > 50);
    expect(child && isAlive(child)).to.equal(true);
    if (child) signal(child, 'SIGKILL');
  });
});

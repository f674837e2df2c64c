// A bug ends the process as a failure, and a call to the file system that never returns does not keep it.
import {spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {join} from 'node:path';
import {text} from 'node:stream/consumers';
import {expect} from 'chai';
import {buildRoot} from '../support/paths.ts';
import {useTempDir} from '../support/temp-dir.ts';

describe('endOnCrash', () => {
  const dir = useTempDir();

  async function run(script: string): Promise<{code: number | null; signal: string | null; err: string}> {
    const whole = `const {endOnCrash} = await import(${JSON.stringify(join(buildRoot, 'lib/cli/crash.js'))}); endOnCrash(); ${script}`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', whole], {stdio: ['ignore', 'ignore', 'pipe']});
    const [err] = await Promise.all([text(child.stderr), once(child, 'exit')]);
    return {code: child.exitCode, signal: child.signalCode, err};
  }

  it('gives status 2 to what is thrown and to what is rejected', async () => {
    for (const script of [
      `setTimeout(() => { throw new Error('a bug') }); setInterval(() => 0, 100);`,
      `Promise.reject(new Error('a bug'));`,
    ]) {
      const {code, err} = await run(script);
      expect(code).to.equal(2);
      expect(err).to.include('Error: a bug');
    }
  });

  it('ends by a signal while a thread hangs in a file system', async () => {
    const fifo = join(dir(), 'fifo');
    expect(spawnSync('mkfifo', [fifo]).status).to.equal(0);
    const hang = `const {open} = await import('node:fs'); open(${JSON.stringify(fifo)}, 'r', () => 0);`;
    const {code, signal, err} = await run(`${hang} setTimeout(() => { throw new Error('a bug') }, 50);`);
    expect([code, signal]).to.deep.equal([null, 'SIGKILL']);
    expect(err).to.include('Error: a bug').and.include('does not return');
  });
});

// Levels, children, the console that nobody reads, the file that rotates, and the disk that fills up.
import {execFile, spawn} from 'node:child_process';
import {once} from 'node:events';
import {chmod, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {PassThrough} from 'node:stream';
import {promisify} from 'node:util';
import {expect} from 'chai';
import {isHaError} from '../../lib/errors.ts';
import {createLogger, type LogOptions, type RootLog} from '../../lib/log/log.ts';
import {whenChanged} from '../../lib/log/when-changed.ts';
import {eventually} from '../support/eventually.ts';
import {buildRoot} from '../support/paths.ts';
import {useTempDir} from '../support/temp-dir.ts';

const run = promisify(execFile);

describe('createLogger', () => {
  const dir = useTempDir();
  const opened: RootLog[] = [];
  const make = async (options: Partial<LogOptions>): Promise<RootLog> => {
    const log = await createLogger({level: 'info', format: 'text', console: 'none', ...options});
    opened.push(log);
    return log;
  };
  const lines = async (name: string): Promise<string[]> => (await readFile(join(dir(), name), 'utf8')).trimEnd().split('\n');
  afterEach(async () => {
    for (const log of opened.splice(0)) await log.close();
  });

  it('obeys the level, also when it changes, and gives children their fields', async () => {
    const log = await make({file: join(dir(), 'ha.log')});
    const child = log.child({node: 'n1'}).child({lane: 'renew'});
    log.debug('not seen');
    child.warn('seen', {k: 1});
    log.setLevel('debug');
    child.debug('seen too');
    log.setLevel('error');
    log.warn('not seen');
    await log.flush();
    expect((await lines('ha.log')).map((line) => line.slice(25))).to.deep.equal([
      'warn  seen node=n1 lane=renew k=1',
      'debug seen too node=n1 lane=renew',
    ]);
  });

  it('writes to standard error by default, never to standard output, and loses nothing before the end', async () => {
    const script = `
      const {createLogger} = await import(${JSON.stringify(join(buildRoot, 'lib/log/log.js'))});
      const log = await createLogger({level: 'info', format: 'json', file: ${JSON.stringify(join(dir(), 'ha.log'))}});
      for (let i = 0; i < 1000; i++) log.info('entry', {i});
      await log.flush();
      process.exit(0);`;
    const {stdout, stderr} = await run(process.execPath, ['--input-type=module', '-e', script], {maxBuffer: 10_000_000});
    expect(stdout).to.equal('');
    expect(
      stderr
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as {i: number}).i),
    ).to.deep.equal(Array.from({length: 1_000}, (_, i) => i));
    expect(await lines('ha.log')).to.have.length(1_000);
  });

  it('survives a console whose reader is gone', async () => {
    const script = `
      const {createLogger} = await import(${JSON.stringify(join(buildRoot, 'lib/log/log.js'))});
      const log = await createLogger({level: 'info', format: 'text', file: ${JSON.stringify(join(dir(), 'ha.log'))}});
      process.stdin.once('data', async () => {
        for (let i = 0; i < 100; i++) { log.info('after', {i}); await new Promise((r) => setImmediate(r)); }
        await log.flush();
        process.exit(7);
      });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {stdio: ['pipe', 'ignore', 'pipe']});
    child.stderr.destroy();
    child.stdin.write('go');
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).to.equal(7);
    expect(await lines('ha.log')).to.have.length(100);
  });

  it('keeps a bounded amount for a console that nobody reads, and says what was lost', async () => {
    const console = new PassThrough({highWaterMark: 1});
    const log = await make({console});
    for (let i = 0; i < 2_000; i++) log.info('x'.repeat(8_000));
    await log.flush(50);
    expect(console.writableLength).to.be.lessThan(5 * 1_024 ** 2);
    let text = '';
    console.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await eventually(() => console.writableLength === 0);
    log.info('last');
    await eventually(() => /\(\d+ entries of the log were lost here\)\n.* last\n$/.test(text));
  });

  it('rotates without a gap, and keeps so many files', async () => {
    const file = join(dir(), 'ha.log');
    const log = await make({file, maxSizeBytes: 64 * 1_024, maxFiles: 3});
    for (let i = 0; i < 1_400; i++) log.info('entry', {i, pad: 'p'.repeat(60)});
    await log.flush();
    expect((await readdir(dir())).sort()).to.deep.equal(['ha.log', 'ha.log.1', 'ha.log.2']);
    const all = [...(await lines('ha.log.2')), ...(await lines('ha.log.1')), ...(await lines('ha.log'))];
    expect(all).to.have.length(1_400);
    all.forEach((line, i) => expect(line).to.include(` i=${i} `));
    for (const name of await readdir(dir())) expect((await stat(join(dir(), name))).size).to.be.at.most(64 * 1_024);
    for (let i = 0; i < 4_000; i++) log.info('entry', {i, pad: 'p'.repeat(60)});
    await log.flush();
    expect(await readdir(dir())).to.have.length(3);
  });

  it('goes on after one entry that is larger than the file may be', async () => {
    const log = await make({file: join(dir(), 'ha.log'), maxSizeBytes: 1_000, maxFiles: 2});
    log.info('x'.repeat(5_000));
    log.info('after');
    await log.flush();
    expect((await lines('ha.log')).join()).to.include('after');
  });

  it('opens a new file when somebody moved the old one away', async () => {
    const file = join(dir(), 'ha.log');
    const log = await make({file});
    log.info('one');
    await log.flush();
    await rename(file, join(dir(), 'moved'));
    await eventually(async () => {
      log.info('two');
      await log.flush();
      return (await lines('ha.log')).length > 0;
    });
    expect((await lines('moved'))[0]).to.include('one');
  });

  const unusable: readonly (readonly [string, (dir: string) => Promise<string>])[] = [
    ['in a directory that is not there', (base) => Promise.resolve(join(base, 'none/ha.log'))],
    ['below /proc', () => Promise.resolve('/proc/nope/ha.log')],
    ['that is a directory', (base) => Promise.resolve(base)],
    ['that is a dangling link to nowhere', async (base) => (await symlink('/nonexistent/x/y', join(base, 'l')), join(base, 'l'))],
    ['that is a pipe nobody reads', async (base) => (await run('mkfifo', [join(base, 'p')]), join(base, 'p'))],
    ['that is a device', () => Promise.resolve('/dev/null')],
  ];
  for (const [name, path] of unusable) {
    it(`refuses a file ${name}`, async () => {
      const error: unknown = await make({file: await path(dir())}).catch((thrown: unknown) => thrown);
      expect(isHaError(error, 'log.unusable'), String(error)).to.equal(true);
      expect(isHaError(error) && error.hint).to.include('--logFile');
    });
  }

  it('complains once when the file cannot be written any more, and goes on when it can', async () => {
    const console = new PassThrough();
    let text = '';
    console.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const logs = join(dir(), 'logs');
    await mkdir(logs);
    const log = await make({file: join(logs, 'ha.log'), console});
    log.info('first');
    await log.flush();
    await rm(logs, {recursive: true});
    await writeFile(logs, 'in the way');
    await eventually(() => {
      log.info('lost or kept');
      return text.includes('cannot be written');
    });
    await rm(logs);
    await mkdir(logs);
    await eventually(() => text.includes('written again'));
    log.info('last');
    await log.flush();
    expect(await readFile(join(logs, 'ha.log'), 'utf8')).to.match(/lost or kept[\s\S]* last\n$/);
    expect(text.match(/cannot be written/g)).to.have.length(1);
  });

  it('is alive again when a full disk has space', async function () {
    const disk = join(dir(), 'disk');
    await mkdir(disk);
    if (process.getuid?.() !== 0) {
      console.warn('      SKIPPED: only root can mount a small disk');
      this.skip();
    }
    await run('mount', ['-t', 'tmpfs', '-o', 'size=128k,mode=700', 'none', disk]);
    try {
      const stderr = new PassThrough();
      let text = '';
      stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
      const log = await make({file: join(disk, 'ha.log'), console: stderr});
      await writeFile(join(disk, 'ballast'), Buffer.alloc(64 * 1_024));
      for (let i = 0; i < 1_000; i++) log.info('entry', {i, pad: 'p'.repeat(100)});
      await eventually(() => text.includes('ENOSPC'));
      log.info('said while full');
      await rm(join(disk, 'ballast'));
      await rm(join(disk, 'ha.log'));
      await eventually(() => text.includes('written again'));
      log.info('said after');
      await log.flush();
      const content = await readFile(join(disk, 'ha.log'), 'utf8');
      expect(content).to.include('said while full').and.to.include('said after');
      for (const line of content.trimEnd().split('\n')) expect(line).to.match(/^(\d{4}-.* info |$)/);
      expect(text.match(/cannot be written/g)).to.have.length(1);
      await log.close();
    } finally {
      await run('umount', [disk]);
    }
  });

  it('is readable by its owner and group only', async () => {
    const log = await make({file: join(dir(), 'ha.log')});
    await log.flush();
    expect((await stat(join(dir(), 'ha.log'))).mode & 0o007).to.equal(0);
    await chmod(join(dir(), 'ha.log'), 0o600);
  });
});

describe('whenChanged', () => {
  it('logs a reason once, until it changes', async () => {
    const said: string[] = [];
    const console = new PassThrough();
    console.on('data', (chunk: Buffer) => said.push(chunk.toString()));
    const log = await createLogger({level: 'info', format: 'text', console});
    const say = whenChanged(log);
    for (const because of ['waiting', 'waiting', 'claiming', 'waiting']) say('election', because, {epoch: 1});
    say('store', 'waiting', {}, 'warn');
    await log.flush();
    expect(said.map((line) => line.slice(25).trimEnd())).to.deep.equal([
      'info  waiting topic=election epoch=1',
      'info  claiming topic=election epoch=1',
      'info  waiting topic=election epoch=1',
      'warn  waiting topic=store',
    ]);
  });
});

// Block I/O: aligned where the file system wants it, plain where direct I/O is refused, and said once.
import {constants} from 'node:fs';
import {open, readFile, stat, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {expect} from 'chai';
import {BlockIo, type OpenFile} from '../../lib/store/direct-io.ts';
import {removeTemps, tempDir} from './temp-store.ts';

const BYTES = 16_384;
const block = (letter: string): Buffer => Buffer.alloc(BYTES, letter);
const einval = (): Error => Object.assign(new Error('EINVAL: invalid argument'), {code: 'EINVAL', errno: -22});

describe('Block I/O', () => {
  afterEach(removeTemps);

  it('overwrites in place: the same file, the bytes before returned, nothing appended', async () => {
    const path = join(await tempDir(), 'x.json');
    const io = new BlockIo({blockBytes: BYTES, onFallback: () => undefined});
    expect(await io.exchange(path, block('a'))).to.have.length(0);
    const {ino} = await stat(path);
    expect((await io.exchange(path, block('b'))).equals(block('a'))).to.equal(true);
    expect((await io.read(path)).equals(block('b'))).to.equal(true);
    expect((await readFile(path)).equals(block('b'))).to.equal(true);
    expect((await stat(path)).ino).to.equal(ino);
  });

  it('shows by its length that a file is longer than a block', async () => {
    const path = join(await tempDir(), 'x.json');
    const io = new BlockIo({blockBytes: BYTES, onFallback: () => undefined});
    await writeFile(path, Buffer.alloc(100_000));
    expect((await io.read(path)).length).to.be.greaterThan(BYTES);
  });

  for (const refusedAt of ['open', 'read', 'write'] as const) {
    it(`goes through the cache with fsync once ${refusedAt} answers EINVAL, and says so once`, async () => {
      const dir = await tempDir();
      const calls: string[] = [];
      const fallbacks: string[] = [];
      const io = new BlockIo({
        blockBytes: BYTES,
        onFallback: (reason) => fallbacks.push(reason),
        open: refusing(refusedAt, calls),
      });
      for (const [letter, name] of [
        ['a', 'x.json'],
        ['b', 'x.json'],
        ['c', 'y.json'],
      ] as const) {
        await io.exchange(join(dir, name), block(letter));
        expect((await io.read(join(dir, name))).equals(block(letter))).to.equal(true);
      }
      expect(fallbacks).to.have.length(1);
      expect(fallbacks[0]).to.include(dir).and.include('EINVAL');
      // From the second round on nothing is tried directly any more.
      expect(calls.slice(calls.lastIndexOf('direct') + 1).filter((call) => call === 'sync')).to.have.length(3);
    });
  }

  it('does not take an irregular file for a file system without direct I/O', async () => {
    const dir = await tempDir();
    const fallbacks: string[] = [];
    const io = new BlockIo({blockBytes: BYTES, onFallback: (reason) => fallbacks.push(reason)});
    const failure = await io.read(dir).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).to.be.instanceOf(Error);
    expect(fallbacks).to.deep.equal([]);
  });

  it('has one call of a lane in flight, and the other lane goes on', async () => {
    const path = join(await tempDir(), 'x.json');
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let hanging = false;
    const io = new BlockIo({
      blockBytes: BYTES,
      onFallback: () => undefined,
      open: async (file, flags, mode) => {
        if (flags & constants.O_RDWR && hanging) await held;
        return open(file, flags, mode);
      },
    });
    await io.exchange(path, block('a'));
    hanging = true;
    const first = io.exchange(path, block('b'));
    const second = await io.exchange(path, block('c')).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(second).to.have.property('code', 'store.busy');
    expect((await io.read(path)).equals(block('a'))).to.equal(true);
    release();
    await first;
    expect((await io.read(path)).equals(block('b'))).to.equal(true);
  });
});

/** A file system that refuses direct I/O in one of the three places where they do. */
function refusing(refusedAt: 'open' | 'read' | 'write', calls: string[]): OpenFile {
  return async (path, flags, mode) => {
    const direct = (flags & constants.O_DIRECT) !== 0;
    calls.push(direct ? 'direct' : 'plain');
    if (direct && refusedAt === 'open') throw einval();
    const file = await open(path, flags & ~constants.O_DIRECT, mode);
    return new Proxy(file, {
      get(target, key) {
        if (key === 'sync') calls.push('sync');
        if (direct && key === refusedAt) return () => Promise.reject(einval());
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? (...args: unknown[]): unknown => Reflect.apply(value, target, args) : value;
      },
    });
  };
}

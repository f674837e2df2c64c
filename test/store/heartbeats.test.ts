// Heartbeats among whatever else may lie in the nodes directory, torn ones and hanging calls included.
import {spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {lstat, mkdir, open, rename, rm, symlink, truncate, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {expect} from 'chai';
import {nodeId} from '../../lib/protocol/words.ts';
import {HEARTBEAT_BYTES} from '../../lib/store/codec.ts';
import {FIRST_LOCK, heartbeat, openTemp, refusesDirect, removeTemps, tempStore, WHOLE} from './temp-store.ts';

describe('Heartbeats in a damaged directory', () => {
  afterEach(removeTemps);

  /** Everything that is not a heartbeat, by the node id in whose place it stands. */
  async function litter(nodesDir: string): Promise<string[]> {
    const at = (name: string): string => join(nodesDir, `${name}.json`);
    await writeFile(at('empty'), '');
    await writeFile(at('garbage'), Buffer.alloc(HEARTBEAT_BYTES, 0xff));
    await writeFile(at('zeros'), Buffer.alloc(HEARTBEAT_BYTES));
    await writeFile(at('short'), '{"format":1,"crc32":"0000');
    await writeFile(at('foreign'), '{"hello":"world"}');
    await writeFile(at('newer'), JSON.stringify({format: 2, whatever: true}).padEnd(HEARTBEAT_BYTES));
    await writeFile(at('huge'), '');
    await truncate(at('huge'), 1_000_000_000);
    await mkdir(at('directory'));
    await symlink('/etc/passwd', at('link'));
    await symlink('nowhere', at('dangling'));
    expect(spawnSync('mkfifo', [at('fifo')]).status).to.equal(0);
    return ['empty', 'garbage', 'zeros', 'short', 'foreign', 'newer', 'huge', 'directory', 'link', 'dangling', 'fifo'];
  }

  for (const [kind, options] of [
    ['with direct I/O', {}],
    ['without direct I/O', {open: refusesDirect}],
  ] as const) {
    it(`reads the good ones and reports each other one once, ${kind}`, async () => {
      const {store, paths, reports} = await tempStore(options);
      await store.writeHeartbeat(heartbeat('n1'));
      const rubbish = await litter(paths.nodesDir);
      await writeFile(join(paths.nodesDir, '..json'), '');
      for (let i = 0; i < 2; i++) {
        expect(await store.readHeartbeats('all')).to.deep.equal({heartbeats: [heartbeat('n1')], ...WHOLE});
      }
      for (const name of [...rubbish.map((id) => `${id}.json`), '"..json"']) {
        expect(
          reports.filter((each) => each.includes(name)),
          `${name} in ${reports.join('\n')}`,
        ).to.have.length(1);
      }
      expect(reports.find((each) => each.includes('newer.json'))).to.include('newer version (format 2');
    });

    it(`overwrites every regular file in its own place, and refuses anything else, ${kind}`, async () => {
      const {paths} = await tempStore();
      const irregular = new Set(['directory', 'link', 'dangling', 'fifo']);
      for (const id of await litter(paths.nodesDir)) {
        const {store} = await openTemp(paths, {...options, nodeId: nodeId(id)});
        const written = await store.writeHeartbeat(heartbeat(id));
        expect(written.found, id).to.equal(undefined);
        expect(written.ok, `${id}: ${written.reason}`).to.equal(!irregular.has(id));
        if (irregular.has(id)) expect(written.reason).to.include(`${id}.json`).and.include('remove what stands');
      }
    });
  }

  it('does not believe a record of another node, or of another store', async () => {
    const {store, paths, reports} = await tempStore();
    await store.writeHeartbeat(heartbeat('n1'));
    await rename(join(paths.nodesDir, 'n1.json'), join(paths.nodesDir, 'n2.json'));
    const other = await tempStore({nodeId: nodeId('n3')});
    await other.store.writeHeartbeat(heartbeat('n3'));
    await rename(join(other.paths.nodesDir, 'n3.json'), join(paths.nodesDir, 'n3.json'));
    expect(await store.readHeartbeats('all')).to.deep.equal({heartbeats: [], ...WHOLE});
    expect(reports.join('\n')).to.include('says it is of node n1, in the place of node n2').and.include(other.store.storeId);
  });

  it('takes a record that may not be read for none, and only trouble of the file system for a failure', async () => {
    let errno = {code: 'EACCES', errno: -13};
    let whose = 'n2';
    const {store, paths, reports} = await tempStore({
      open: async (path, flags, mode) => {
        if (path.endsWith(`${whose}.json`)) throw Object.assign(new Error(errno.code), errno);
        return open(path, flags, mode);
      },
    });
    await store.writeHeartbeat(heartbeat('n1'));
    await writeFile(join(paths.nodesDir, 'n2.json'), 'nobody may read it');
    expect(await store.readHeartbeats('all')).to.deep.equal({heartbeats: [heartbeat('n1')], ...WHOLE});
    expect(reports.join()).to.include('n2.json: EACCES');
    errno = {code: 'EIO', errno: -5};
    const troubled = {heartbeats: [heartbeat('n1')], own: true, everybody: false, failed: true};
    expect(await store.readHeartbeats('all')).to.deep.equal(troubled);
    // A record of this very node that may not be read could be that of a twin.
    whose = 'n1';
    for (errno of [errno, {code: 'EACCES', errno: -13}])
      expect(await store.readHeartbeats('all')).to.deep.equal({heartbeats: [], own: false, everybody: false, failed: true});
  });

  it('says when not everything could be read', async () => {
    const {store, paths, reports} = await tempStore();
    await rm(paths.nodesDir, {recursive: true});
    expect(await store.readHeartbeats('all')).to.deep.equal({heartbeats: [], own: false, everybody: false, failed: true});
    expect(reports.join()).to.include('ENOENT').and.include(paths.nodesDir);
    const written = await store.writeHeartbeat(heartbeat('n1'));
    expect(written).to.deep.include({ok: false, found: undefined});
    expect(written.reason).to.include('cannot write').and.include('ENOENT');
    await rm(paths.controlDir, {recursive: true});
    expect(await store.readWishes()).to.equal(undefined);
    await store.dropWish('statement', 3);
    expect(reports.join()).to.include(paths.controlDir);
  });

  it('never shows a torn record while another process overwrites it', async function () {
    this.timeout(60_000);
    const {store, paths, reports} = await tempStore();
    const file = fileURLToPath(new URL('./fixtures/writer.js', import.meta.url));
    const writer = spawn(process.execPath, [file, paths.persistenceDir], {stdio: ['ignore', 'pipe', 'inherit']});
    try {
      await once(writer.stdout, 'data');
      const seen = new Set<number>();
      for (let reads = 0; reads < 5_000 && seen.size < 200; reads++) {
        for (const each of (await store.readHeartbeats('all')).heartbeats) {
          expect(each.seen).to.have.length(each.seq % 2 ? 30 : 0);
          seen.add(each.seq);
        }
      }
      expect(seen.size).to.equal(200);
      expect(reports).to.deep.equal([]);
    } finally {
      writer.kill('SIGKILL');
      await once(writer, 'close');
    }
  });

  it('fails a second call of a lane whose first one hangs, and nothing else waits for it', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let hanging = false;
    const {store} = await tempStore({
      open: async (path, flags, mode) => {
        if (hanging) await held;
        return open(path, flags, mode);
      },
    });
    await store.writeHeartbeat(heartbeat('n1', {seq: 1}));
    hanging = true;
    const writing = store.writeHeartbeat(heartbeat('n1', {seq: 2}));
    const reading = store.readHeartbeats([nodeId('n1')]);
    const refused = await store.writeHeartbeat(heartbeat('n1', {seq: 3}));
    expect(refused.ok).to.equal(false);
    expect(refused.reason).to.include('has not returned');
    expect(await store.readHeartbeats('all')).to.deep.equal({heartbeats: [], own: false, everybody: false, failed: true});
    expect(await store.list(true)).to.deep.equal({kind: 'names', names: [FIRST_LOCK]});
    expect(await store.readWishes()).to.have.property('paused', false);
    release();
    expect(await writing).to.deep.include({ok: true, found: {instanceId: '3f9a1c22', seq: 1}});
    expect(await reading).to.deep.include({own: true, failed: false});
  });

  it('makes private files and directories', async () => {
    const {store, paths, lockDir} = await tempStore();
    await store.writeHeartbeat(heartbeat('n1'));
    for (const dir of [paths.root, paths.nodesDir, paths.historyDir, paths.controlDir, lockDir]) {
      expect((await lstat(dir)).mode & 0o777, dir).to.equal(0o700);
    }
    for (const file of [paths.storeFile, join(paths.nodesDir, 'n1.json')])
      expect((await lstat(file)).mode & 0o777).to.equal(0o600);
  });
});

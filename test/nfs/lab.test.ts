// The NFS lab itself: what it says is done to its machines is done, and nothing of it is left when it is closed.
import {spawn} from 'node:child_process';
import {access, readFile} from 'node:fs/promises';
import path from 'node:path';
import {expect} from 'chai';
import type {Lab} from '../../scripts/nfs-lab/lab.ts';
import {EXPORTED, makePlan, MOUNT_POINT, OWN_DISK, storageAddress} from '../../scripts/nfs-lab/plan.ts';
import {processesOf} from '../e2e/support/processes.ts';
import {eventually} from '../support/eventually.ts';
import {buildRoot} from '../support/paths.ts';
import {useLab} from './support/use-lab.ts';

const onShare = (name: string): string => path.join(MOUNT_POINT, name);

for (const vers of ['3', '4.0', '4.2'] as const) {
  describe(`a lab with NFS ${vers}`, function () {
    this.timeout(180_000);
    const lab = useLab({vers, clients: 2, graceS: 10, opts: 'acregmax=7', diskMib: 64});

    afterEach(async function () {
      // Where no lab can run, its tests were skipped.
      if (this.currentTest?.isPending() === false) await lab().reset();
    });

    it('is mounted as asked for, and what one client writes the other reads and the server holds', async () => {
      expect(await lab().mountOptions('c1')).to.include.members([`vers=${vers}`, 'acregmax=7', 'hard']);
      await lab().must('c1', ['tee', onShare('note')], {input: 'from c1'});
      expect(await lab().must('c2', ['cat', onShare('note')])).to.equal('from c1');
      expect(await lab().must('server', ['cat', path.join(EXPORTED, 'note')])).to.equal('from c1');
    });

    it('loses a reply: nothing comes of it unless the server forgets, then the call seems to have failed', async () => {
      await lab().must('c1', ['touch', onShare('first')]);
      const paths = (from: string, to: string): [string, string] => [onShare(from), onShare(to)];
      const plain = await lab().loseReply('c1', {call: 'rename', paths: paths('first', 'second')});
      expect(plain.code).to.equal(undefined);
      const forgotten = await lab().loseReply('c1', {call: 'rename', paths: paths('second', 'third'), forget: 'restart'});
      expect(forgotten.code).to.equal('ENOENT');
      // Seen on the server's disk: the client may still believe what it knew before.
      await lab().must('server', ['test', '-e', path.join(EXPORTED, 'third')]);
    });

    it('crashes a client and boots it again: the share is mounted, its own disk is as it was, its memory is not', async () => {
      await lab().must('c1', ['sh', '-c', `echo kept > ${OWN_DISK}/file; sync; echo lost > /tmp/file`]);
      const before = await lab().must('c1', ['cat', '/proc/sys/kernel/random/boot_id', '/etc/machine-id']);
      await lab().crash('c1');
      expect(await stateOf(lab(), 'c1')).to.equal('off');
      await lab().boot('c1');
      expect(await lab().must('c1', ['cat', `${OWN_DISK}/file`])).to.equal('kept\n');
      expect((await lab().run('c1', ['test', '-e', '/tmp/file'])).status).to.equal(1);
      const after = await lab().must('c1', ['cat', '/proc/sys/kernel/random/boot_id', '/etc/machine-id']);
      expect(after.split('\n')[0]).not.to.equal(before.split('\n')[0]);
      expect(after.split('\n')[1]).to.equal(before.split('\n')[1]);
      await lab().must('c1', ['touch', onShare('after')]);
    });

    it('crashes the server and boots it again: its disk is as it was, and clients go on', async () => {
      await lab().must('c1', ['sh', '-c', `echo safe > ${onShare('safe')}; sync`]);
      await lab().crash('server');
      await lab().boot('server');
      expect(await lab().must('c2', ['cat', onShare('safe')], {timeoutMs: 100_000})).to.equal('safe\n');
    });
  });
}

describe('a lab', function () {
  this.timeout(120_000);
  const lab = useLab({clients: 2, graceS: 10, diskMib: 32});

  afterEach(async function () {
    if (this.currentTest?.isPending() === false) await lab().reset();
  });

  it('runs a program: input, both outputs, status, signal, environment, directory', async () => {
    const script = 'cat; echo problem >&2; echo $WORD; pwd; exit 7';
    const result = await lab().run('c1', ['sh', '-c', script], {input: 'in\n', env: {WORD: 'word'}, cwd: MOUNT_POINT});
    expect(result).to.deep.equal({status: 7, signal: null, stdout: `in\nword\n${MOUNT_POINT}\n`, stderr: 'problem\n'});
    expect(await lab().run('c1', ['sh', '-c', 'kill -TERM $$'])).to.include({status: 143, signal: 'SIGTERM'});
  });

  it('brings a large output over whole, and hands a large input in', async () => {
    const {stdout} = await lab().run('c1', ['sh', '-c', 'head -c 8000000 /dev/zero | tr "\\0" x; echo end']);
    expect(stdout.length).to.equal(8_000_004);
    expect(stdout.endsWith('xend\n')).to.equal(true);
    expect(await lab().must('c1', ['wc', '-c'], {input: Buffer.alloc(3_000_000)})).to.equal('3000000\n');
  });

  it('says what is wrong: no such program, no such machine, too long', async () => {
    await rejects(lab().run('c1', ['no-such-program']), 'ENOENT');
    await rejects(lab().run('c9', ['true']), 'there is no c9');
    await rejects(lab().run('c1', ['sleep', '60'], {timeoutMs: 500}), 'not ended within 500 ms');
    expect((await lab().run('c1', ['pgrep', '-x', 'sleep'])).status).to.equal(1);
  });

  it('ends a started program by a signal, and one that nobody watches any more', async () => {
    let output = '';
    const started = await lab().start(
      'c1',
      ['sh', '-c', 'trap "echo bye; exit 3" TERM; echo begun; while :; do sleep 0.1; done'],
      {
        onStdout: (piece) => (output += piece.toString()),
      },
    );
    await eventually(() => output === 'begun\n');
    started.kill('SIGTERM');
    expect(await started.exit).to.deep.equal({status: 3, signal: null});
    expect(output).to.equal('begun\nbye\n');
    const left = await lab().start('c1', ['sleep', '1000']);
    left.release();
    await eventually(async () => (await lab().run('c1', ['pgrep', '-x', 'sleep'])).status === 1);
  });

  it('cuts a client off the storage, in both directions or in one, and heals that', async () => {
    for (const cut of ['both', 'replies', 'requests'] as const) {
      await lab().cut('c1', cut);
      await rejects(lab().run('c1', ['touch', onShare(`cut-${cut}`)], {timeoutMs: 2_000}), 'not ended');
      await lab().must('c2', ['touch', onShare('other')]);
      const {status} = await lab().run('server', ['test', '-e', path.join(EXPORTED, `cut-${cut}`)]);
      if (cut === 'requests') expect(status).to.equal(1);
      await lab().heal('c1');
      await lab().must('c1', ['touch', onShare(`healed-${cut}`)]);
    }
  });

  it('freezes a machine, which answers nothing, and whose clock is right when it is thawed', async () => {
    const before = await lab().clockOffset('c1');
    await lab().freeze('c1');
    expect(await stateOf(lab(), 'c1')).to.equal('frozen');
    await rejects(lab().run('c1', ['true'], {connectMs: 1_000}), 'does not take a connection');
    await lab().thaw('c1');
    const after = await lab().clockOffset('c1');
    const moved = Math.abs(Number(after.offsetNs - before.offsetNs));
    expect(moved).to.be.lessThan(Number(after.errorNs + before.errorNs) + 2_000_000);
  });

  it('delays a machine to the ms, and no longer when that ends', async () => {
    const opens = `const fs = require('node:fs'), begun = performance.now();
      for (let round = 0; round < 20; round += 1) fs.readdirSync('${MOUNT_POINT}', fs.writeFileSync('${onShare('delayed')}', String(round)));
      console.log((performance.now() - begun) / 20)`;
    const measure = async (): Promise<number> => Number(await lab().must('c1', [process.execPath, '-e', opens]));
    const undisturbedMs = await measure();
    await lab().delay('c1', 40);
    // Creating a file and writing it is two round trips at the least.
    expect(await measure()).to.be.greaterThan(80);
    await lab().delay('c1', 0);
    expect(await measure()).to.be.lessThan(80 + undisturbedMs);
  });

  it('stops the service of the server, starts it, and changes what it exports', async () => {
    await lab().server.stop();
    await rejects(lab().run('c1', ['touch', onShare('stopped')], {timeoutMs: 2_000}), 'not ended');
    await lab().server.start();
    await lab().must('c1', ['touch', onShare('started')], {timeoutMs: 100_000});
    await lab().server.export('ro');
    expect((await lab().run('c1', ['touch', onShare('ro')])).stderr).to.contain('Read-only file system');
    await lab().server.export('off');
    expect((await lab().run('c1', ['ls', MOUNT_POINT])).status).not.to.equal(0);
    await lab().server.export('rw');
    await lab().must('c1', ['touch', onShare('rw')]);
  });

  it('has a disk that can be filled', async () => {
    const {status, stderr} = await lab().run('c1', [
      'dd',
      'if=/dev/zero',
      `of=${onShare('large')}`,
      'bs=1M',
      'count=64',
      'conv=fsync',
    ]);
    expect(status).to.equal(1);
    expect(stderr).to.contain('No space left on device');
    await lab().must('c1', ['rm', onShare('large')]);
  });

  it('lets machines talk over both networks, and this process with a machine over HTTP, cut or not', async () => {
    const serve = `require('node:http').createServer((request, response) => response.end('this is ' + request.url)).listen(8000, () => console.log('up'))`;
    let output = '';
    await lab().start('c2', [process.execPath, '-e', serve], {onStdout: (piece) => (output += piece.toString())});
    await eventually(() => output === 'up\n', 20_000);
    const ask = `fetch('http://${storageAddress('c2')}:8000/c1').then(async (answer) => console.log(await answer.text()))`;
    expect(await lab().must('c1', [process.execPath, '-e', ask])).to.equal('this is /c1\n');
    await lab().cut('c2');
    expect(await lab().fetch('c2', 8000, '/here')).to.include({status: 200, text: 'this is /here'});
  });

  it('ends everything that was started when it is reset', async () => {
    const detached = await lab().start('c1', ['sh', '-c', 'setsid sleep 1000 & setsid sleep 1000 & wait'], {detached: true});
    detached.release();
    await eventually(async () => (await lab().run('c1', ['pgrep', '-xc', 'sleep'])).stdout === '2\n');
    await lab().crash('c2');
    await lab().reset();
    expect((await lab().run('c1', ['pgrep', '-x', 'sleep'])).status).to.equal(1);
    await lab().must('c2', ['mountpoint', '-q', MOUNT_POINT]);
  });
});

describe('what is left of a lab', function () {
  this.timeout(120_000);
  const lab = useLab({clients: 1});
  const id = `left-${process.pid}`;

  it('is nothing once it is closed, or the process that it is tied to is killed', async () => {
    // The first lab proves that one can run here, and goes on undisturbed.
    for (const end of ['close', 'SIGKILL'] as const) await openAndEnd(id, end);
    await lab().must('c1', ['mountpoint', '-q', MOUNT_POINT]);
  });
});

/** In a process of its own, which says when the lab is up and then closes it, or is killed. */
async function openAndEnd(id: string, how: 'close' | 'SIGKILL'): Promise<void> {
  const script = `const {openLab} = await import(${JSON.stringify(path.join(buildRoot, 'scripts/nfs-lab/lab.js'))});
    const lab = await openLab({id: '${id}', clients: 1, tied: true});
    console.log(lab.plan.directory);
    process.stdin.once('data', () => void lab.close().then(() => process.exit(0)));`;
  const {directory} = makePlan({id});
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {stdio: ['pipe', 'pipe', 'inherit']});
  const ended = new Promise((resolve) => child.once('exit', resolve));
  let output = '';
  child.stdout.on('data', (piece: Buffer) => (output += piece.toString()));
  try {
    await eventually(() => output === `${directory}\n`, 90_000, 'the lab does not come up');
    expect(processesOf(directory).length).to.be.greaterThan(2);
    if (how === 'close') child.stdin.write('close\n');
    else child.kill('SIGKILL');
    await ended;
  } finally {
    child.kill('SIGKILL');
  }
  await eventually(
    async () => processesOf(directory).length === 0 && !(await exists(directory)),
    30_000,
    `after ${how} something is left`,
  );
  expect(await readFile('/proc/self/mountinfo', 'utf8')).not.to.contain(directory);
}

async function stateOf(lab: Lab, node: string): Promise<string | undefined> {
  return (await lab.status()).nodes.find((each) => each.node === node)?.state;
}

async function rejects(promise: Promise<unknown>, message: string): Promise<void> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error, `should fail with "${message}"`).to.be.an('error');
  expect(String(error)).to.contain(message);
}

const exists = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

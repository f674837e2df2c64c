// How an agent comes to a guardian, and what becomes of a guardian that nobody comes to.
import {expect} from 'chai';
import {spawn} from 'node:child_process';
import {mkdir, readdir, stat} from 'node:fs/promises';
import {createConnection} from 'node:net';
import path from 'node:path';
import {identityOf, isAlive, lookAt} from '../../lib/guardian/proc.ts';
import {WIRE_VERSION} from '../../lib/guardian/wire.ts';
import {eventually} from '../support/eventually.ts';
import {buildRoot} from '../support/paths.ts';
import {useTempDir} from '../support/temp-dir.ts';
import {Driver, setupFor, type ConnectAnswer} from './driver.ts';

describe('a guardian', () => {
  const dir = useTempDir();
  let driver: Driver;
  beforeEach(() => (driver = new Driver()));
  afterEach(() => driver.end());

  it('listens where only its user can come, and leads a session of its own', async () => {
    const record = await driver.spawnGuardian(dir(), setupFor({kind: 'none'}));
    expect(record.socketPath.startsWith(dir())).to.equal(true);
    expect((await stat(path.dirname(record.socketPath))).mode & 0o777).to.equal(0o700);
    expect((await stat(path.join(dir(), 'guardian.log'))).mode & 0o777).to.equal(0o600);
    const {pid} = record.guardian;
    expect(lookAt(pid)).to.include({session: pid, group: pid});
    expect(JSON.parse(JSON.stringify(record))).to.deep.equal(record);
  });

  it('finds a shorter place for its socket when the state directory has a long name', async () => {
    const long = path.join(dir(), 'x'.repeat(100));
    await mkdir(long);
    const record = await driver.spawnGuardian(long, setupFor({kind: 'none'}));
    expect(Buffer.byteLength(record.socketPath)).to.be.lessThan(108);
    await driver.startRun(1, 60_000);
    driver.order({type: 'stop', run: 1});
    await driver.report('gone', 1);
    driver.order({type: 'bye'});
    await eventually(() => !isAlive(record.guardian));
    await eventually(() =>
      stat(path.dirname(record.socketPath)).then(
        () => false,
        () => true,
      ),
    );
  });

  it('that is dead is said to be gone, and so is what it ran', async () => {
    const record = await driver.spawnGuardian(dir(), setupFor({kind: 'none'}));
    process.kill(record.guardian.pid, 'SIGKILL');
    await driver.hear('closed');
    const next = new Driver();
    try {
      next.tell({do: 'connect', record, instanceId: '0000000b'});
      const answer = (await next.hear('connected')).value as ConnectAnswer;
      expect(answer).to.deep.include({kind: 'gone', because: 'the earlier guardian does not answer'});
      expect(answer.left).to.include({proven: true});
    } finally {
      await next.end();
    }
  });

  it('to which nobody comes ends by itself', async function () {
    this.timeout(90_000);
    const socket = path.join(dir(), 's');
    const child = spawn(process.execPath, [path.join(buildRoot, 'lib/guardian/main.js'), socket], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child.stdin.end('0'.repeat(48));
    await eventually(async () => (await readdir(dir())).includes('s'));
    await eventually(() => child.exitCode === 0, 60_000);
  });

  it('does not mind what only a later agent says, but parts from one whose order it cannot understand', async () => {
    const token = '0'.repeat(48);
    const socketPath = path.join(dir(), 's');
    const child = spawn(process.execPath, [path.join(buildRoot, 'lib/guardian/main.js'), socketPath], {stdio: 'pipe'});
    const agent = spawn('sleep', ['600'], {stdio: 'ignore'});
    try {
      const texts = {heard: '', log: ''};
      child.stderr.on('data', (text: Buffer) => (texts.log += text.toString()));
      child.stdin.end(token);
      await eventually(async () => (await readdir(dir())).includes('s'));
      const socket = createConnection(socketPath);
      socket.on('data', (text: Buffer) => (texts.heard += text.toString()));
      const say = (message: object): void => void socket.write(`${JSON.stringify(message)}\n`);
      const setup = {...setupFor({kind: 'none'}), marker: 'later'};
      const identity = identityOf(agent.pid ?? 0);
      say({type: 'hello', version: WIRE_VERSION, token, instanceId: '0000000a', agent: identity, setup});
      for (const type of ['later', 'later']) say({type});
      say({type: 'passive', id: 7});
      await eventually(() => texts.heard.includes('"id":7'));
      await eventually(() => texts.log.includes('ignoring what this guardian does not know: "later"'));
      expect(texts.log.match(/ignoring/g)).to.have.length(1);
      say({type: 'order', order: {type: 'later'}});
      await eventually(() => agent.signalCode === 'SIGKILL' && child.exitCode === 0);
    } finally {
      agent.kill('SIGKILL');
      child.kill('SIGKILL');
    }
  });

  it('whose agent dies before it has ever held anything ends', async () => {
    const record = await driver.spawnGuardian(dir(), setupFor({kind: 'none'}));
    driver.killGroup();
    await eventually(() => !isAlive(record.guardian));
  });
});

// `npm start` as its user meets it: the lines that it shows are taken at their word, and after its end nothing of it may run.
import {spawn, type ChildProcess} from 'node:child_process';
import fs from 'node:fs/promises';
import {readFileSync, readlinkSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {HaClient} from '../../lib/client/ha-client.ts';
import {allProcesses, mentions} from '../../lib/guardian/proc.ts';
import {eventually} from '../support/eventually.ts';
import {buildRoot, repoRoot} from '../support/paths.ts';
import {makeTempDir, removeTempDir} from '../support/temp-dir.ts';

const SCRIPT = join(buildRoot, 'scripts', 'cluster.js');
const LIMIT_MS = 60_000;
const NOBODY = 65_534;

interface Start {
  readonly child: ChildProcess;
  /** Everything it has printed. */
  readonly text: () => string;
  readonly ended: Promise<number | NodeJS.Signals | null>;
}

interface Shown {
  readonly nodeId: string;
  readonly url: string;
  readonly serviceUrl: string;
  readonly folder: string;
  readonly killLine: string;
}

describe('npm start', function () {
  this.timeout(180_000);
  let directory: string;
  const starts: Start[] = [];

  beforeEach(async () => {
    directory = await makeTempDir();
  });
  afterEach(async () => {
    for (const {child, ended} of starts.splice(0)) {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
      await ended;
    }
    for (const pid of [...scriptsOf(directory), ...ours(directory)]) process.kill(pid, 'SIGKILL');
    await removeTempDir(directory);
  });

  const start = (asUser?: number): Start => {
    const begun = startScript(directory, asUser);
    starts.push(begun);
    return begun;
  };

  it('serves on one of three nodes, on another after the line that kills it, and again on Enter; Ctrl-C leaves nothing', async () => {
    const user = await ordinaryUser(directory);
    const first = start(user);
    const nodes = await eventually(() => readShown(first.text()), LIMIT_MS, 'three nodes are shown');
    const master = await eventually(() => findMaster(nodes), LIMIT_MS, `a node is MASTER; it said ${first.text()}`);
    expect(await askService(master)).to.include({node: master.nodeId, epoch: 1});
    expect(await fs.readFile(join(master.folder, 'pid.txt'), 'utf8')).to.match(/^\d+\n$/);
    expect(await askByWayOf(nodes)).to.include({node: master.nodeId});

    const second = start(user);
    expect(await second.ended).to.equal(3);
    expect(second.text())
      .to.contain(`as process ${first.child.pid ?? 0}`)
      .and.to.contain(master.url);
    expect(await findMaster(nodes)).to.deep.equal(master);

    await runLine(master.killLine, user);
    const others = nodes.filter(({nodeId}) => nodeId !== master.nodeId);
    const next = await eventually(() => findMaster(others), LIMIT_MS, `another node is MASTER; it said ${first.text()}`);
    await eventually(
      () => new RegExp(`${next.nodeId} is master .*: the service was away for \\d+\\.\\d\\d s`).test(first.text()),
      LIMIT_MS,
    );
    expect(first.text()).to.contain(`${master.nodeId} was killed`).and.not.to.contain('AT ONCE');
    expect(await isUp(master)).to.equal(false);

    first.child.stdin?.write('\n');
    await eventually(() => isUp(master), LIMIT_MS, 'Enter restarts the dead node');
    expect(ours(directory)).to.have.length.greaterThanOrEqual(5);

    first.child.kill('SIGINT');
    expect(await first.ended).to.equal(0);
    expect(first.text()).to.contain('nothing is left running').and.not.to.contain('AT ONCE');
    expect(ours(directory).map(commandLine)).to.deep.equal([]);
  });

  it('ends what an earlier one left that was killed, and begins anew', async () => {
    const crashed = start();
    const old = await eventually(() => readShown(crashed.text()), LIMIT_MS);
    await eventually(() => findMaster(old), LIMIT_MS, 'a node is MASTER');
    crashed.child.kill('SIGKILL');
    await crashed.ended;
    const left = ours(directory);
    expect(left).to.have.length.greaterThanOrEqual(5);

    const fresh = start();
    const nodes = await eventually(() => readShown(fresh.text()), LIMIT_MS, `nodes are shown; it said ${fresh.text()}`);
    expect(ours(directory).filter((pid) => left.includes(pid))).to.deep.equal([]);
    expect(fresh.text()).to.contain('left by an earlier npm start');
    const master = await eventually(() => findMaster(nodes), LIMIT_MS, 'a node is MASTER again');
    expect(await askService(master)).to.include({epoch: 1});

    fresh.child.kill('SIGTERM');
    expect(await fresh.ended).to.equal(0);
    expect(ours(directory).map(commandLine)).to.deep.equal([]);
  });

  it('ends also nodes that are only just starting', async () => {
    const first = start();
    await eventually(() => ours(directory).length >= 1, LIMIT_MS, 'an agent has been started');
    first.child.kill('SIGINT');
    expect(await first.ended).to.equal(0);
    expect(ours(directory).map(commandLine)).to.deep.equal([]);
  });

  it('ends with npm, which does not pass SIGTERM on', async () => {
    const words = [process.execPath, SCRIPT, '--directory', directory];
    const npm = spawn('sh', ['-c', '"$@" & wait', 'sh', ...words], {
      stdio: 'ignore',
      env: {...process.env, npm_lifecycle_event: 'start'},
    });
    await eventually(() => ours(directory).length >= 3, LIMIT_MS, 'agents have been started');
    npm.kill('SIGTERM');
    await eventually(() => scriptsOf(directory).length === 0, LIMIT_MS, 'it has ended');
    expect(ours(directory).map(commandLine)).to.deep.equal([]);
  });

  it('does not wait for a clean end after a second Ctrl-C, and leaves nothing either', async () => {
    const first = start();
    const nodes = await eventually(() => readShown(first.text()), LIMIT_MS);
    const master = await eventually(() => findMaster(nodes), LIMIT_MS, 'a node is MASTER');
    // A stopped agent ends on no signal but SIGKILL.
    process.kill(Number(await fs.readFile(join(master.folder, 'pid.txt'), 'utf8')), 'SIGSTOP');
    first.child.kill('SIGINT');
    await eventually(() => first.text().includes('stopping the nodes'), LIMIT_MS);
    // Not while it ends: then a signal finds nobody who listens.
    const again = setInterval(() => ours(directory).length > 0 && first.child.kill('SIGINT'), 1_000);
    try {
      expect(await first.ended).to.equal(0);
    } finally {
      clearInterval(again);
    }
    expect(ours(directory).map(commandLine)).to.deep.equal([]);
  });
});

function startScript(directory: string, asUser: number | undefined): Start {
  const child = spawn(process.execPath, [SCRIPT, '--directory', directory], {
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(asUser !== undefined && {uid: asUser, gid: asUser}),
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (piece: string) => (text += piece));
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) =>
    child.once('close', (code, name) => resolve(name ?? code)),
  );
  return {child, text: () => text, ended};
}

/** `npm start` is for people who are not root: as root, the test becomes one where that user can read the build. */
async function ordinaryUser(directory: string): Promise<number | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const readable = await runsAs(NOBODY, [
    'test',
    '-r',
    SCRIPT,
    '-a',
    '-r',
    join(repoRoot, 'node_modules'),
    '-a',
    '-x',
    process.execPath,
  ]);
  if (!readable) {
    console.log(`      this runs as root, because ${buildRoot} or ${process.execPath} is not readable for others`);
    return undefined;
  }
  await fs.chown(directory, NOBODY, NOBODY);
  return NOBODY;
}

function runsAs(user: number, [program = '', ...rest]: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(program, rest, {stdio: 'ignore', uid: user, gid: user});
    child.once('error', () => resolve(false));
    child.once('exit', (code) => resolve(code === 0));
  });
}

/** In a shell, as it would be pasted. */
async function runLine(line: string, user: number | undefined): Promise<void> {
  const child = spawn('sh', ['-c', line], {stdio: 'inherit', ...(user !== undefined && {uid: user, gid: user})});
  const code = await new Promise((resolve) => child.once('exit', resolve));
  expect(code, line).to.equal(0);
}

/** @returns undefined until all three are there. */
function readShown(text: string): readonly Shown[] | undefined {
  const pattern = /^ {2}(n\d) {2}(\S+) .*: (http:\S+)\n +folder +(.+)\n +kill +(.+)$/gm;
  const nodes = [...text.matchAll(pattern)].map(([, nodeId = '', url = '', serviceUrl = '', folder = '', killLine = '']) => {
    return {nodeId, url, serviceUrl, folder, killLine};
  });
  return nodes.length === 3 ? nodes : undefined;
}

async function findMaster(nodes: readonly Shown[]): Promise<Shown | undefined> {
  for (const node of nodes) if ((await fetchOrNone(`${node.url}master`))?.status === 200) return node;
  return undefined;
}

const isUp = async (node: Shown): Promise<boolean> => (await fetchOrNone(`${node.url}health`))?.status === 200;

async function askService(node: Shown): Promise<unknown> {
  const response = await fetchOrNone(node.serviceUrl);
  return response?.json();
}

/** As examples/client does: the agents say where the service is. */
async function askByWayOf(nodes: readonly Shown[]): Promise<unknown> {
  const client = new HaClient({nodes: nodes.map(({url}) => url)});
  try {
    return await (await client.fetch('/')).json();
  } finally {
    client.close();
  }
}

/** Nobody listening is an answer too. */
async function fetchOrNone(url: string): Promise<Response | undefined> {
  try {
    return await fetch(url, {signal: AbortSignal.timeout(5_000)});
  } catch (error) {
    if (error instanceof TypeError || (error instanceof DOMException && error.name === 'TimeoutError')) return undefined;
    throw error;
  }
}

/** Agents, guardians and services of this directory: whatever names it, or works in it. */
function ours(directory: string): number[] {
  return allProcesses()
    .filter(
      ({pid}) =>
        pid !== process.pid && !isScript(pid) && (mentions(pid, directory) || workingDirectory(pid).startsWith(directory)),
    )
    .map(({pid}) => pid);
}

/** Every `npm start` with this directory. */
const scriptsOf = (directory: string): number[] =>
  allProcesses()
    .filter(({pid}) => mentions(pid, `${SCRIPT}\0--directory\0${directory}\0`))
    .map(({pid}) => pid);

const isScript = (pid: number): boolean => mentions(pid, `${SCRIPT}\0--directory`);

const commandLine = (pid: number): string => readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');

function workingDirectory(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch (error) {
    if (error instanceof Error && 'code' in error) return '';
    throw error;
  }
}

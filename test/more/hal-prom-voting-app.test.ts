// End to end: examples/voting-app as its page tells it. One node is started by hand, the others by the restart commands of its config.json.
import {mkdirSync, readFileSync} from 'node:fs';
import {createServer} from 'node:net';
import {join} from 'node:path';
import {execFile} from 'node:child_process';
import {promisify} from 'node:util';
import {expect} from 'chai';
import {signal} from '../../lib/guardian/proc.ts';
import {eventually} from '../support/eventually.ts';
import {repoRoot} from '../support/paths.ts';
import {useTempDir} from '../support/temp-dir.ts';
import {ask, type Answer} from '../e2e/support/ask.ts';
import {CLI} from '../e2e/support/command.ts';
import {killAll, processesOf} from '../e2e/support/processes.ts';

const EXAMPLE = join(repoRoot, 'examples/voting-app');
const LIMIT_MS = 60_000;
const IDS = [0, 1, 2] as const;
const execute = promisify(execFile);

interface Shown {
  readonly nodes: readonly {readonly nodeId: string; readonly state: string}[];
}

describe("HAL's voting app", function () {
  this.timeout(300_000);
  // Before the one that removes the directory.
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') {
      for (const id of IDS) process.stderr.write(readFileSync(join(dir(), `hal${id}.out`), {encoding: 'utf8', flag: 'a+'}));
    }
    await killAll(dir());
  });
  const dir = useTempDir();
  let ports = 0;
  const run = async (program: string, ...args: readonly string[]): Promise<string> => {
    const env = {
      PATH: process.env['PATH'],
      HOME: dir(),
      VOTING_RUN: dir(),
      VOTING_PORT: String(ports),
      HA_AGENT: `${process.execPath} ${CLI}`,
    };
    return (await execute(program, args, {cwd: EXAMPLE, env, timeout: LIMIT_MS})).stdout;
  };
  const agent = (...args: readonly string[]): Promise<string> =>
    run(process.execPath, CLI, ...args, '--persistenceDir', join(dir(), 'store'));
  const states = async (): Promise<readonly string[]> => {
    const {nodes} = JSON.parse(await agent('status', '--json', '--config', 'config.json')) as Shown;
    return IDS.map((id) => nodes.find(({nodeId}) => nodeId === String(id))?.state ?? 'unknown');
  };
  const untilStates = (what: string, ...wanted: readonly (readonly string[])[]): Promise<readonly string[]> =>
    eventually(
      async () => {
        const found = await states();
        return wanted.some((each) => each.join() === found.join()) && found;
      },
      LIMIT_MS,
      what,
    );
  const at = (id: number, path: string): Promise<Answer> => ask(`http://127.0.0.1:${ports + id}${path}`);
  const vote = (id: number): Promise<Response> =>
    fetch(`http://127.0.0.1:${ports + id}/vote`, {method: 'POST', body: 'candidate=apple', redirect: 'manual'});

  before(async () => {
    while (!(await areFree((ports = 20_000 + Math.floor(Math.random() * 11_000)))));
  });
  it('P6, P7: is taken over when its agent is killed; the new master restarts that agent, which joins as a standby', async () => {
    mkdirSync(join(dir(), 'store'));
    await agent('init', '--app', 'votingApp');
    expect(await run('./restartHalIfDead.sh', '0')).to.match(/^\d+\n$/);
    await untilStates('node 0 does not start the others', ['MASTER', 'STANDBY', 'STANDBY']);
    expect((await vote(0)).status).to.equal(303);
    for (const id of [1, 2]) await eventually(async () => (await at(id, '/')).status === 503, LIMIT_MS, `${id} is not passive`);

    const killed = Number(readFileSync(join(dir(), 'agent-0.pid'), 'utf8'));
    const [before] = processesOf(dir()).filter(({pid}) => pid === killed);
    expect(before && signal(before, 'SIGKILL')).to.not.equal(undefined);
    const after = await untilStates(
      'node 0 is not a standby again',
      ['STANDBY', 'MASTER', 'STANDBY'],
      ['STANDBY', 'STANDBY', 'MASTER'],
    );
    const master = after.indexOf('MASTER');
    expect(Number(readFileSync(join(dir(), 'agent-0.pid'), 'utf8'))).to.not.equal(killed);
    expect(JSON.parse((await at(master, '/tally')).text)).to.deep.include({
      node: String(master),
      votes: {apple: 1, banana: 0, cherry: 0},
    });
    expect((await at(0, '/')).status).to.equal(503);
    expect(readFileSync(join(dir(), `hal${master}.out`), 'utf8')).to.contain('node 0 is silent: running its restart command');

    await run('./killHalAndCore.sh');
    await eventually(() => processesOf(dir()).length === 0, LIMIT_MS, 'something is left behind');
  });
});

/** For the voting apps of all nodes. */
async function areFree(first: number): Promise<boolean> {
  const found = await Promise.all(IDS.map((id) => isFree(first + id)));
  return !found.includes(false);
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });

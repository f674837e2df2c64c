// End to end: every command once, as a user types it, and as a script reads it.
import {spawn} from 'node:child_process';
import {existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {rootOf} from '../e2e/store-support/places.ts';
import {together} from '../e2e/store-support/together.ts';
import {CALM, withCluster, type Cluster} from '../e2e/support/cluster.ts';
import {CLI, type CommandResult} from '../e2e/support/command.ts';
import type {TestNode} from '../e2e/support/node.ts';

const LIMIT_MS = 45_000;
/** Commands that look for signs of life look for two and a half heartbeats: a busy machine may delay one of them. Nobody waits for a silence. */
const OPTIONS = [...Object.entries(CALM).flatMap(([key, value]) => [`--${key}`, value]), '--stopTimeout', '500ms'];
const MARGIN = ['--safetyMargin', '500ms'];

describe('the command line', () => {
  together({
    'without a store or an agent: each command says what is missing, with the exit status for it': async () => {
      await withCluster({nodes: ['n1']}, async (cluster) => {
        const run = runner(cluster);
        const missing = await run('status');
        expect(missing.code).to.equal(2);
        expect(missing.stderr).to.match(
          /no store at \S+ yet: .*\n.*what to do: is the share mounted\? create it once with "ha-agent init/,
        );
        const others = ['history', 'pause', 'resume', 'clear', 'switchover'].map(async (command) => {
          const {code, stderr} = await run(command);
          expect({command, code, said: stderr.includes('no store at')}).to.deep.equal({command, code: 2, said: true});
        });
        await Promise.all(others);
        expect(JSON.parse((await run('status', '--json')).stdout)).to.have.nested.property('error.code', 'store.missing');

        const created = await run('init');
        expect(created).to.deep.include({code: 0, stderr: ''});
        expect(created.stdout).to.match(
          /^created the store [0-9a-f]{16} at \S+\nnext, on each host: ha-agent launch --persistenceDir/,
        );
        const again = await run('init');
        expect(again.code).to.equal(3);
        expect(again.stderr).to.match(/it holds the store [0-9a-f]{16}\n.*--app/);
        const other = await cluster.cli('init', '--persistence-dir', cluster.persistenceDir, '--app', 'other', '--json');
        expect(JSON.parse(other.stdout)).to.include.keys('storeId', 'root');

        const file = join(cluster.root, 'ha.yaml');
        const third = ['--persistenceDir', 'store', '--app', 'third', '--config', file];
        expect(await cluster.cli('init', ...third)).to.deep.include({code: 0, stderr: ''});
        expect(readFileSync(file, 'utf8')).to.match(new RegExp(`^persistenceDir: ${cluster.persistenceDir}$`, 'm'));
        const held = await cluster.cli('status', '--config', file);
        expect(held).to.deep.include({code: 0, stderr: ''});
        expect(existsSync(join(cluster.persistenceDir, 'third', 'store.json'))).to.equal(true);
        const bad = await cluster.cli('init', '--app', 'a b', '--config', join(cluster.root, 'bad.yaml'));
        expect(bad.code).to.equal(3);
        expect(existsSync(join(cluster.root, 'bad.yaml'))).to.equal(false);

        expect((await run('status')).stdout).to.contain('epoch 0 is free');
        expect(await json(run('history', '--json'))).to.deep.equal([]);
        const cases: readonly (readonly [code: number, says: string, command: string, ...words: string[]])[] = [
          [3, 'nobody holds the lease', 'switchover'],
          [2, 'there is no record of node n9', 'remove', 'n9'],
          [2, '"no node" is no node id', 'remove', 'no node'],
          [2, 'none runs here', 'state', '--nodeId', 'n1', '--stateDir', cluster.node('n1').stateDir],
          [0, 'no agent of node n1 runs here', 'stop', '--nodeId', 'n1', '--stateDir', cluster.node('n1').stateDir],
          [3, 'only your word that the owner is dead can replace the wait', 'promote', 'n1'],
          [3, 'n1 is not alive and eligible: it has no record here', 'promote', 'n1', '--iHaveFenced', 'n2'],
          [0, 'no node is dead', 'clear'],
          [0, 'it was not paused', 'resume'],
        ];
        const tried = cases.map(async ([code, says, command, ...words]) => {
          const result = await run(command, ...words, '--heartbeatInterval', '50ms');
          const what = [command, ...words].join(' ');
          expect(`${result.stdout}${result.stderr}`, what).to.contain(says);
          expect(result.code, what).to.equal(code);
        });
        await Promise.all(tried);
      });
    },

    'shows a cluster, moves the master, and drops the records of the dead': async () => {
      await withCluster({nodes: ['n1', 'n2', 'n3'], timings: CALM}, async (cluster) => {
        await cluster.init();
        for (const id of ['n1', 'n2', 'n3']) await cluster.launch(id);
        const first = await cluster.untilMaster();
        for (const node of cluster.others(first)) await node.untilState('STANDBY');
        const run = runner(cluster);
        await showsTheCluster(run, cluster, first);
        const [second] = cluster.others(first) as [TestNode];
        for (const {id} of cluster.others(first)) await cluster.untilCounted(first, id);
        await refusesBadSwitchovers(run, cluster, first);

        const moved = await run('switchover', '--to', second.id);
        expect(moved.code).to.equal(0);
        expect(moved.stdout).to.match(
          new RegExp(`^asked ${first.id} to give epoch 1 to ${second.id}\n(.*\n)*${second.id} is MASTER\n$`),
        );
        expect(await second.isMaster()).to.equal(true);
        expect((await run('switchover', '--to', second.id)).stderr).to.contain(`${second.id} is the owner already`);
        await cluster.untilCounted(second, first.id);
        const back = await json(run('switchover', '--json'));
        expect(back).to.deep.equal({from: second.id, to: (await cluster.untilMaster()).id, epoch: 3});

        await cluster.untilTold((records) => {
          expect(records.map(({epoch, from, to}) => [epoch, from.nodeId, to.nodeId])).to.deep.equal([
            [1, null, first.id],
            [3, first.id, second.id],
            [5, second.id, back['to']],
          ]);
          // A lock that was released may be claimed as soon as it is seen.
          expect(records.map(({phasesMs}) => phasesMs.detected)).to.deep.equal([0, 0, 0]);
          for (const {phasesMs} of records) expect(phasesMs.ready).to.be.at.least(phasesMs.started ?? Infinity);
          expect(records[0]?.ended?.because).to.equal(`switchover to ${second.id}`);
        });
        expect((await run('history')).stdout).to.match(
          /epoch +from +to +claimed +why +detected +claimed after +started +ready +ended/,
        );

        await dropsTheDead(run, cluster);
      });
    },

    'status --watch draws again until it is interrupted, and status works with no agent running': async () => {
      await withCluster({nodes: ['n1'], timings: CALM}, async (cluster) => {
        const master = await cluster.up();
        const watch = spawn(process.execPath, [
          CLI,
          'status',
          '--watch',
          '--persistenceDir',
          cluster.persistenceDir,
          ...OPTIONS,
          ...MARGIN,
        ]);
        let text = '';
        watch.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece));
        const ended = new Promise((resolve) => watch.once('close', resolve));
        await eventually(() => (text.match(/^n1 +MASTER/gm) ?? []).length >= 3, LIMIT_MS, 'the table is not drawn again');
        await master.terminate();
        await eventually(() => /^n1 +TERMINATED/m.test(text), LIMIT_MS, `the end of the node is not shown: ${text}`);
        watch.kill('SIGINT');
        expect(await ended).to.equal(0);
        const {code, stdout} = await runner(cluster)('status');
        expect(code).to.equal(0);
        expect(stdout)
          .to.contain('epoch 2 is free')
          .and.to.match(/^n1 +TERMINATED +2 /m);
        expect((await runner(cluster)('clear')).stdout).to.equal('removed the records of n1\n');
      });
    },

    'stop --keepService leaves the service to the next launch': async () => {
      await withCluster({nodes: ['n1'], timings: {leaseTimeout: '60s'}}, async (cluster) => {
        const node = await cluster.up();
        const before = await node.served();
        const own = ['--nodeId', 'n1', '--stateDir', node.stateDir, '--persistenceDir', cluster.persistenceDir];
        const {code, stdout} = await cluster.cli('stop', '--keep-service', ...own);
        expect(code).to.equal(0);
        expect(stdout).to.contain('its service is kept for the next launch');
        expect(await node.exit()).to.deep.equal({code: 0, signal: null});
        expect(existsSync(node.pidFile)).to.equal(false);
        await node.launch();
        await cluster.untilMaster('n1');
        expect(await node.served()).to.deep.equal(before);
      });
    },
  });
});

type Run = (command: string, ...words: string[]) => Promise<CommandResult>;

const runner =
  (cluster: Cluster): Run =>
  (command, ...words) => {
    const timings = ['init', 'state', 'stop'].includes(command) ? [] : [...OPTIONS, ...MARGIN];
    return cluster.cli(command, ...words, '--persistenceDir', cluster.persistenceDir, ...timings);
  };

async function json(result: Promise<CommandResult>): Promise<Record<string, unknown>> {
  const {code, stdout, stderr} = await result;
  expect({code, stderr}).to.deep.equal({code: 0, stderr: ''});
  return JSON.parse(stdout) as Record<string, unknown>;
}

async function showsTheCluster(run: Run, cluster: Cluster, master: TestNode): Promise<void> {
  const status = await json(run('status', '--json'));
  expect(status).to.deep.include({owner: master.id, epoch: 1, held: true, paused: false, faults: []});
  expect(status['nodes']).to.have.length(3);
  // A node whose heartbeat was late is alive in the next table.
  await eventually(
    async () => {
      const table = (await run('status')).stdout;
      expect(table).to.match(/node +state +epoch +priority +eligible +last seen +uri +why/);
      for (const {id} of cluster.nodes) {
        const state = id === master.id ? 'MASTER' : 'STANDBY';
        expect(table).to.match(new RegExp(`^${id} +${state} +1 +0 +yes +now +http://127\\.0\\.0\\.1:\\d+/ `, 'm'));
      }
      return true;
    },
    LIMIT_MS,
    'the table does not show all nodes',
  );
  const states = cluster.nodes.map(async ({id, stateDir}) => {
    const {stdout} = await run('state', '--nodeId', id, '--stateDir', stateDir);
    expect(stdout).to.equal(id === master.id ? 'MASTER\n' : 'STANDBY\n');
  });
  await Promise.all(states);
}

async function refusesBadSwitchovers(run: Run, cluster: Cluster, master: TestNode): Promise<void> {
  const before = await master.served();
  const unknown = await run('switchover', '--to', 'n9');
  expect(unknown.code).to.equal(3);
  expect(unknown.stderr).to.match(/n9 is not alive and eligible: it has no record here\n.*eligible are: n\d, n\d/);
  expect((await run('switchover', '--to', master.id)).code).to.equal(3);
  // Wishes of an epoch that is over, and of one that has not come, as a late or a wrong script leaves them.
  mkdirSync(join(rootOf(cluster), 'control'), {recursive: true});
  const stale = ['switchover.0000000000.n2', 'dead.0000000000.n1'].map((name) => join(rootOf(cluster), 'control', name));
  for (const wish of [...stale, join(rootOf(cluster), 'control', 'switchover.0000000777.n2')]) writeFileSync(wish, '{}');
  await eventually(() => !stale.some(existsSync), LIMIT_MS, 'stale wishes are not cleared away');
  expect(await master.served()).to.deep.equal(before);
}

async function dropsTheDead(run: Run, cluster: Cluster): Promise<void> {
  const master = await cluster.untilMaster();
  const [dead] = cluster.others(master) as [TestNode];
  const [alive, nobody] = await Promise.all([run('remove', dead.id), json(run('clear', '--json'))]);
  expect(alive).to.deep.include({code: 3, stdout: ''});
  expect(alive.stderr).to.contain(`${dead.id} is alive: its heartbeat changes`);
  expect(nobody).to.deep.equal({removed: [], alive: ['n1', 'n2', 'n3']});
  await dead.kill('agent');
  const [hopeless, status] = await Promise.all([run('switchover', '--to', dead.id), run('status')]);
  expect(hopeless.code).to.equal(3);
  expect(hopeless.stderr).to.contain('its heartbeat does not change');
  expect(status.stdout).to.match(new RegExp(`^${dead.id} +FAILED .* its heartbeat does not change`, 'm'));
  expect(await json(run('remove', dead.id, '--json'))).to.deep.equal({removed: [dead.id]});
  expect((await json(run('status', '--json')))['nodes']).to.have.length(2);
  await eventually(async () => !(dead.id in (await master.state()).nodes), LIMIT_MS, 'the agents do not forget it');
}

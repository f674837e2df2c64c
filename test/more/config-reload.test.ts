// End to end: a configuration that changes under a running node, by its file and by SIGHUP, and one that comes from everywhere.
import {readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {together} from '../e2e/store-support/together.ts';
import {CALM, freePort, withCluster, type Cluster} from '../e2e/support/cluster.ts';
import {runCommand, type CommandResult} from '../e2e/support/command.ts';
import type {TestNode} from '../e2e/support/node.ts';
import {witness, type ServiceOf} from '../e2e/support/witness.ts';

const LIMIT_MS = 45_000;

describe('the configuration', () => {
  together({
    'is taken over when its file changes: a new priority decides the next election': async () => {
      await withCluster({nodes: ['n1', 'n2', 'n3'], timings: CALM}, async (cluster) => {
        const master = await cluster.up();
        const [, last] = cluster.others(master);
        change(last!, {priority: 7});
        await eventually(
          async () => (await last!.get('/v1/server/ha/priority')).text === '7',
          LIMIT_MS,
          'the change is not seen',
        );
        await untilLogged(last!, /the configuration has changed applied=priority/);
        await eventually(async () => (await master.state()).nodes[last!.id]?.priority === 7, LIMIT_MS, 'nobody hears of it');
        await master.kill('agent');
        await cluster.untilMaster(last!.id);
      });
    },

    'stays the last good one when a bad one comes, which is reported in full; SIGHUP reads it at once': async () => {
      await withCluster({nodes: ['n1'], timings: {leaseTimeout: '60s'}}, async (cluster) => {
        const node = await cluster.up();
        const before = await node.served();
        change(node, {priority: 'high', leaseTimeout: '3', nodeIdd: 'n1'});
        node.signal('SIGHUP', 'agent');
        const refused = 'the configuration was read again and is refused: the last good one stays';
        await eventually(() => node.log().includes(refused), LIMIT_MS, 'it is not refused');
        // Each fault is a line of its own, this one the last.
        await eventually(() => node.log().includes('found "3"'), LIMIT_MS, 'not every fault is told');
        expect(node.log()).to.contain('nodeIdd');
        expect(node.log()).to.match(/priority \(\S*config\.json:\d+\): found "high", expected a whole number/);
        expect(node.log()).to.match(/leaseTimeout \(\S*config\.json:\d+\): found "3", expected a duration with a unit/);
        expect((await node.get('/v1/server/ha/priority')).text).to.equal('0');

        // One key takes effect now, the other at the next start.
        change(node, {priority: -3, leaseTimeout: undefined, nodeIdd: undefined, app: 'other'});
        node.signal('SIGHUP', 'agent');
        await eventually(async () => (await node.get('/v1/server/ha/priority')).text === '-3', LIMIT_MS, 'it is not taken over');
        await untilLogged(node, /this change needs a restart: app: default -> other/);
        expect(await node.served()).to.deep.equal(before);
      });
    },

    'is taken over also with highAvailability disabled: checks, back-off, priority, level; the rest is said to need a restart':
      async () => {
        const service: ServiceOf = (place) => {
          const {config, ...rest} = witness()(place);
          return {...rest, config: {...config, service: {backoff: '1h'}}};
        };
        await withCluster({nodes: ['n1'], service}, async (cluster) => {
          const node = cluster.node('n1');
          await node.launch('--highAvailability', 'disabled');
          await node.untilState('MASTER');
          const before = await node.served();
          const {health} = JSON.parse(readFileSync(join(node.stateDir, 'config.json'), 'utf8')) as {health: object[]};
          const none = `http://127.0.0.1:${await freePort()}/`;
          change(node, {priority: 7, app: 'other', logLevel: 'debug', health: [{http: none, period: '100ms', failures: 0}]});
          await eventually(
            async () => (await node.get('/v1/server/ha/priority')).text === '7',
            LIMIT_MS,
            'the file is not watched',
          );
          await untilLogged(node, /this change needs a restart: app: default -> other/);
          await node.untilState('INITIALIZING');
          expect(await node.served()).to.deep.equal(before);

          change(node, {health, service: {backoff: '100ms'}});
          node.signal('SIGHUP', 'agent');
          await node.untilState('MASTER');
          expect(await node.served()).to.deep.equal(before);
          for (const pid of node.servicePids) process.kill(pid, 'SIGKILL');
          await eventually(async () => (await node.served()).family !== before.family, LIMIT_MS, 'it is not started again');
          await node.untilState('MASTER');
          await untilLogged(node, /debug the service is held by/);
        });
      },

    'comes from command line, environment and file, in this order; every fault is told at once with exit 3': async () => {
      await withCluster({nodes: ['n1']}, async (cluster) => {
        await cluster.init();
        const file = join(cluster.root, 'ha.yaml');
        const lines = [
          `persistenceDir: ${cluster.persistenceDir}`,
          'nodeId: fromfile',
          `stateDir: ${cluster.node('n1').stateDir}`,
        ];
        writeFileSync(file, lines.join('\n'));
        const state = (env: Readonly<Record<string, string>>, ...words: string[]): Promise<CommandResult> =>
          run(cluster, ['state', '--config', file, ...words], env);
        const both = {HA_AGENT_NODE_ID: 'fromenv', HA_AGENT_NO_SUCH_OPTION: 'ignored'};
        const [byFile, byEnvironment, byCamel, byKebab] = await Promise.all([
          state({}),
          state(both),
          state(both, '--nodeId', 'fromcamel'),
          state(both, '--node-id=fromkebab'),
        ]);
        expect(byFile.stderr).to.contain('of node fromfile cannot be asked');
        expect(byEnvironment.stderr).to.contain('of node fromenv cannot be asked');
        expect(byCamel.stderr).to.contain('of node fromcamel cannot be asked');
        expect(byKebab.stderr).to.contain('of node fromkebab cannot be asked');

        writeFileSync(file, 'leaseTimeout: 30\nprioritty: 3\n');
        const bad = await run(cluster, ['launch', '--config', file, '--port', 'abc', '--node-id', 'a.b'], {
          HA_AGENT_STOP_TIMEOUT: 'soon',
        });
        expect(bad.code).to.equal(3);
        const faults = bad.stderr.split('\n').filter((line) => line.startsWith('  '));
        for (const fault of [
          /prioritty \(.*ha\.yaml:2\)/,
          /leaseTimeout \(.*ha\.yaml:1\): found 30, expected a duration with a unit/,
          /stopTimeout \(environment variable HA_AGENT_STOP_TIMEOUT\): found "soon"/,
          /port \(option --port\): found "abc", expected a whole number/,
          /nodeId \(option --nodeId\): found "a\.b"/,
          /what to do: correct what is listed/,
        ])
          expect(
            faults.some((line) => fault.test(line)),
            `${String(fault)} in ${bad.stderr}`,
          ).to.equal(true);
      });
    },

    'S10: is explained: each command has its help, with defaults and one example, and says 1 to what it cannot parse':
      async () => {
        await withCluster({nodes: ['n1']}, async (cluster) => {
          const {stdout} = await run(cluster, ['--help']);
          const commands = [...stdout.matchAll(/^ {2}ha-agent (\w+)/gm)].map(([, command = '']) => command);
          expect(commands).to.include.members(['launch', 'init', 'status', 'state', 'history', 'stop', 'switchover', 'promote']);
          expect(commands).to.include.members(['pause', 'resume', 'remove', 'clear', 'accept']);
          for (const half of [commands.slice(0, 7), commands.slice(7)])
            await Promise.all(half.map((command) => isExplained(cluster, command)));
          for (const words of [[], ['nonsense'], ['status', '--no-such-option'], ['launch', '--port']]) {
            const {code, stderr} = await run(cluster, words);
            expect({words, code}).to.deep.equal({words, code: 1});
            expect(stderr).to.match(/\nha-agent: \S/);
          }
        });
      },
  });
});

/** What is done is to be seen a moment before it is told. */
const untilLogged = (node: TestNode, pattern: RegExp): Promise<unknown> =>
  eventually(() => pattern.test(node.log()), LIMIT_MS, `${node.id} does not say ${String(pattern)}`);

async function isExplained(cluster: Cluster, command: string): Promise<void> {
  const {code, stdout} = await run(cluster, [command, '--help']);
  expect({command, code}).to.deep.equal({command, code: 0});
  expect(stdout, command).to.match(/--persistenceDir .*the shared directory/);
  expect(stdout, command).to.match(/\[default: \S+/);
  expect(stdout.match(new RegExp(`Examples:\\n +ha-agent ${command}`)), command).to.have.length(1);
}

function run(cluster: Cluster, words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CommandResult> {
  return runCommand(words, {cwd: cluster.root, env: {PATH: process.env['PATH'], HOME: cluster.root, ...env}});
}

/** Rewrites some keys of the config file that the node was launched with; undefined removes one. */
function change(node: TestNode, keys: Readonly<Record<string, unknown>>): void {
  const file = join(node.stateDir, 'config.json');
  const before = JSON.parse(readFileSync(file, 'utf8')) as object;
  writeFileSync(file, JSON.stringify({...before, ...keys}, null, 2));
}

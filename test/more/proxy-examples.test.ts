// End to end: the examples for HAProxy, NGINX and Monit, with the real ones; only addresses, ports and paths are put in their place.
import {execFileSync} from 'node:child_process';
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {skipAloud} from '../store/temp-store.ts';
import {eventually} from '../support/eventually.ts';
import {repoRoot} from '../support/paths.ts';
import {Daemon} from './proxy-support/daemon.ts';
import {startProxy, whyWithout} from './proxy-support/proxies.ts';
import {together} from '../e2e/store-support/together.ts';
import {ask} from '../e2e/support/ask.ts';
import {freePort, withCluster, type Cluster} from '../e2e/support/cluster.ts';
import {CLI} from '../e2e/support/command.ts';
import type {TestNode} from '../e2e/support/node.ts';
import {published} from '../e2e/support/witness.ts';

const LIMIT_MS = 45_000;

/** An example with other words in the place of some of its own, each of which has to be there. */
function example(name: string, ...changes: readonly (readonly [string, string])[]): string {
  return changes.reduce(
    (text, [from, to]) => {
      if (!text.includes(from)) throw new Error(`${name} does not hold ${from}`);
      return text.replaceAll(from, to);
    },
    readFileSync(join(repoRoot, 'examples', name), 'utf8'),
  );
}

const agentPort = (node: TestNode): string => new URL(node.url()).port;

describe('the examples', () => {
  before(function () {
    const why = whyWithout('nginx', 'haproxy', 'monit', 'openssl');
    if (why !== undefined) skipAloud(this, why);
  });

  together({
    'lead HAProxy to whoever answers /master with 200, and to its page while nobody does': async () => {
      await withCluster({nodes: ['n1', 'n2'], service: published, timings: {leaseTimeout: '60s'}}, async (cluster) => {
        const {master, other} = await cluster.upAsPair();
        const [n1, n2] = cluster.nodes as [TestNode, TestNode];
        const port = await freePort();
        const text = example(
          'haproxy/haproxy.cfg',
          ['bind *:80', `bind 127.0.0.1:${port}`],
          ['check port 8081', 'check'],
          ['10.0.0.11:8080', `127.0.0.1:${n1.plan.place.port} port ${agentPort(n1)}`],
          ['10.0.0.12:8080', `127.0.0.1:${n2.plan.place.port} port ${agentPort(n2)}`],
        );
        const file = join(cluster.root, 'haproxy.cfg');
        writeFileSync(file, text);
        const haproxy = new Daemon(cluster, 'haproxy', ['haproxy', '-db', '-f', file]);
        const answer = async (): Promise<string> => {
          haproxy.assertRuns();
          return (await ask(`http://127.0.0.1:${port}/`)).text;
        };
        const leadsTo = (id: string): Promise<unknown> =>
          eventually(async () => (await answer()).includes(`"node":"${id}"`), LIMIT_MS, `HAProxy does not lead to ${id}`);
        await leadsTo(master.id);
        await master.kill('agent');
        await leadsTo(other.id);
        await other.terminate();
        await eventually(async () => (await answer()) === '<h1>Unavailable</h1>', LIMIT_MS, 'there is no page');
      });
    },

    'let NGINX have a template of its own, and keep the old configuration when it is broken': async () => {
      await withCluster({nodes: ['n1'], service: published, timings: {leaseTimeout: '60s'}}, async (cluster) => {
        const node = await cluster.up();
        const tls = join(cluster.root, 'tls');
        mkdirSync(tls);
        const names = ['-subj', '/CN=shop', '-keyout', join(tls, 'key.pem'), '-out', join(tls, 'cert.pem')];
        execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...names], {stdio: 'pipe'});
        const template = join(cluster.root, 'tls.mustache');
        const text = example(
          'nginx/tls.mustache',
          ['/etc/ssl/shop', tls],
          ['{{listen}} ssl', '{{listen}}'],
          ['  ssl_', '  # ssl_'],
        );
        writeFileSync(template, text);
        const proxy = await startProxy(cluster, 'nginx', ['--persistenceDir', cluster.persistenceDir], template);
        const leader = async (): Promise<string> => (await proxy.get('who-leads')).text;
        await proxy.untilServedBy(node.id);
        expect(await leader()).to.equal(`${node.id}\n`);

        writeFileSync(template, `${text}\nnonsense;\n`);
        const before = readFileSync(proxy.output, 'utf8');
        proxy.follower.child.kill('SIGHUP');
        await eventually(() => proxy.follower.log().includes('is refused: the old one stays'), LIMIT_MS, 'it is not refused');
        // It is tried again and again, in its place.
        await eventually(() => readFileSync(proxy.output, 'utf8') === before, LIMIT_MS, 'the old one is not there');
        expect(readFileSync(`${proxy.output}.rejected`, 'utf8')).to.contain('nonsense;');
        expect(proxy.follower.log()).to.match(/--check failed: .*unknown directive "nonsense"/);
        expect(await leader()).to.equal(`${node.id}\n`);

        // The example itself, with TLS, is fine for NGINX as well.
        writeFileSync(template, example('nginx/tls.mustache', ['/etc/ssl/shop', tls]));
        proxy.follower.child.kill('SIGHUP');
        await eventually(() => readFileSync(proxy.output, 'utf8').includes('ssl;'), LIMIT_MS);
      });
    },

    'make Monit start the agent, again when it is gone, and anew when it does not answer': async () => {
      await withCluster({nodes: ['n1']}, async (cluster) => {
        await cluster.init();
        const node = await monitored(cluster);
        const first = await node.untilHealthy();
        process.kill(first, 'SIGKILL');
        const second = await node.untilHealthy(first);
        process.kill(second, 'SIGSTOP');
        await node.untilHealthy(second);
      });
    },
  });
});

interface Monitored {
  /** Resolves with the process id of an agent that answers and is not `not`. */
  untilHealthy(not?: number): Promise<number>;
}

/** An agent that Monit alone starts. */
async function monitored(cluster: Cluster): Promise<Monitored> {
  const dir = join(cluster.root, 'monit');
  mkdirSync(dir);
  const port = await freePort();
  const [config, pidFile, monitrc] = ['n9.yaml', 'pid.txt', 'monitrc'].map((name) => join(dir, name)) as [string, string, string];
  const timings = 'leaseTimeout: 3s\nstopTimeout: 500ms\nsafetyMargin: 500ms\nheartbeatInterval: 200ms\npollInterval: 200ms\n';
  writeFileSync(
    config,
    `persistenceDir: ${cluster.persistenceDir}\nnodeId: n9\nstateDir: ${dir}/state\nport: ${port}\n${timings}`,
  );
  const text = example(
    'monit/monitrc',
    ['set daemon 5', `set daemon 1\nset idfile ${dir}/id\nset statefile ${dir}/monit.state\nset pidfile ${dir}/monit.pid`],
    ['/var/log/monit.log', `${dir}/monit.log`],
    ['/var/log/ha-agent.log', `${dir}/agent.log`],
    ['/etc/ha-agent/n1.yaml', config],
    ['/run/ha-agent/pid.txt', pidFile],
    [' ha-agent launch', ` ${process.execPath} ${CLI} launch`],
    ["'ha-agent stop", `'${process.execPath} ${CLI} stop`],
    ['port 8081', `port ${port}`],
    ['with timeout 30 seconds', 'with timeout 2 seconds'],
    ['with timeout 3 seconds for 3 cycles', 'with timeout 1 seconds for 2 cycles'],
  );
  writeFileSync(monitrc, text, {mode: 0o600});
  cluster.atEnd(async () => {
    await cluster.cli('stop', '--config', config, '--pidFile', pidFile);
  });
  const monit = new Daemon(cluster, 'monit', ['monit', '-I', '-c', monitrc]);
  return {
    untilHealthy: (not) =>
      eventually(
        async () => {
          monit.assertRuns();
          const pid = Number(readFileSync(pidFile, 'utf8'));
          return pid !== not && (await ask(`http://127.0.0.1:${port}/health`)).status === 200 && pid;
        },
        LIMIT_MS,
        'Monit does not bring a healthy agent',
      ),
  };
}

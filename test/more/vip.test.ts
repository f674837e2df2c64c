// End to end: a floating address follows the service, and the neighbours follow the address, between hosts that are network namespaces.
import {execFile, execFileSync, spawn} from 'node:child_process';
import {closeSync, openSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {parse} from 'yaml';
import {eventually} from '../support/eventually.ts';
import {networkFault, TestNetwork} from '../support/network.ts';
import {repoRoot} from '../support/paths.ts';
import type {Answer} from '../e2e/support/ask.ts';
import {CALM, withCluster, type Cluster, type ClusterOptions} from '../e2e/support/cluster.ts';
import {NOBODY} from '../e2e/support/command.ts';
import type {TestNode, Within} from '../e2e/support/node.ts';
import {processesOf} from '../e2e/support/processes.ts';
import type {ServiceOf} from '../e2e/support/witness.ts';

const [V4, V6] = ['192.0.2.10', '2001:db8::10'];
const BOTH = [`${V4}/24`, `${V6}/64`];
const VIP = ['--vip', BOTH.map((each) => `${each}@eth0`).join()];
const PORT = 8_080;

/** The example as it is, but for the service, which says who serves, and listens on the floating addresses alone. */
const example: ServiceOf = () => {
  const text = readFileSync(join(repoRoot, 'examples/floating-address/ha-agent.yaml'), 'utf8');
  const {vip, health, watchdog} = parse(text) as Readonly<Record<string, unknown>>;
  const script = `for (const host of ['${V4}', '${V6}'])
    require('node:http').createServer((_, answer) => answer.end(process.env.HA_NODE_ID)).listen(${PORT}, host)`;
  return {command: [process.execPath, '-e', script], config: {vip, health, watchdog}};
};

describe('a floating address', () => {
  let network: TestNetwork;

  before(function () {
    const fault = networkFault();
    if (fault === undefined) return;
    console.log(`    SKIPPED: ${fault}`);
    this.skip();
  });
  beforeEach(async () => {
    network = await TestNetwork.create(['n1', 'n2', 'neighbour']);
  });
  afterEach(() => network.remove());

  const within = (id: string): Within => ({
    prefix: network.host(id).prefix,
    ask: (url, options) => askFrom(network.host(id).prefix, url, options?.method),
  });
  const pair = (other: Partial<ClusterOptions> = {}): ClusterOptions => ({
    nodes: ['n1', 'n2'],
    within,
    args: VIP,
    timings: CALM,
    ...other,
  });
  const floating = async ({id}: {readonly id: string}): Promise<string[]> =>
    (await network.addresses(id)).filter((each) => BOTH.includes(each));

  /** The neighbour has sent something to both addresses once, and sends nothing after that. */
  async function meet(): Promise<void> {
    for (const address of [V4, V6]) await network.meet('neighbour', address);
  }

  async function untilNeighbourKnows({id}: TestNode): Promise<void> {
    const {mac} = network.host(id);
    for (const address of [V4, V6])
      await eventually(
        async () => (await network.neighbour('neighbour', address)) === mac,
        45_000,
        `the neighbour does not know that ${address} is at ${id} (${mac})`,
      );
  }

  async function switchTo(cluster: Cluster, {id}: TestNode): Promise<void> {
    const {code, stderr} = await cluster.cli('switchover', '--to', id, '--persistenceDir', cluster.persistenceDir);
    expect(code, stderr).to.equal(0);
  }

  it("is where the master is, and in the neighbours' tables, after a switchover and after kill -9 of the master's agent", async () => {
    await withCluster(pair(), async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      expect(await floating(master)).to.deep.equal(BOTH);
      expect(await floating(other)).to.deep.equal([]);
      await meet();
      await untilNeighbourKnows(master);

      await switchTo(cluster, other);
      expect(await floating(master)).to.deep.equal([]);
      await untilNeighbourKnows(other);

      await other.kill('agent');
      await cluster.untilMaster(master.id, 45_000);
      expect(await floating(other)).to.deep.equal([]);
      expect(await floating(master)).to.deep.equal(BOTH);
      await untilNeighbourKnows(master);
    });
  });

  it('serves a service that listens on it alone, wherever that is, as in the example', async () => {
    await withCluster(pair({service: example, args: []}), async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      const served = async (): Promise<string[]> =>
        Promise.all(
          [`http://${V4}:${PORT}/`, `http://[${V6}]:${PORT}/`].map(async (url) => (await within('neighbour').ask(url)).text),
        );
      expect(await served()).to.deep.equal([master.id, master.id]);
      await switchTo(cluster, other);
      expect(await served()).to.deep.equal([other.id, other.id]);
    });
  });

  it('is all that a node without a service moves', async () => {
    await withCluster(pair({service: () => ({})}), async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      expect(await floating(master)).to.deep.equal(BOTH);
      await master.terminate();
      expect(await floating(master)).to.deep.equal([]);
      await cluster.untilMaster(other.id);
      expect(await floating(other)).to.deep.equal(BOTH);
    });
  });

  it('goes when agent and guardian are killed together, long before another node may take over', async () => {
    await withCluster(pair({timings: {leaseTimeout: '6s'}}), async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      await meet();
      await master.kill('agent', 'guardian');
      await eventually(async () => (await floating(master)).length === 0, 45_000, 'the addresses are left');
      await cluster.untilMaster(other.id);
      await untilNeighbourKnows(other);
    });
  });

  /** Kills agent and guardian, and what holds their addresses, so that these stay. */
  async function killAllOf(cluster: Cluster, node: TestNode): Promise<void> {
    const holders = processesOf(cluster.root).filter(({words}) => words.includes('ha-agent-address'));
    expect(holders).to.have.length(1);
    for (const {pid} of holders) process.kill(pid, 'SIGSTOP');
    await node.kill('agent', 'guardian');
    for (const {pid} of holders) process.kill(pid, 'SIGKILL');
    expect(await floating(node)).to.deep.equal(BOTH);
  }

  for (const [title, ...args] of [
    ['also of a standby', ...VIP],
    ['also where another one is configured by now', '--vip', '192.0.2.20/24@eth0'],
  ] as const) {
    it(`that is left because everything was killed at once is removed by the next launch here, ${title}`, async () => {
      await withCluster(pair({nodes: ['n1'], args: []}), async (cluster) => {
        const node = await cluster.up(...VIP);
        await killAllOf(cluster, node);
        await node.launch('--highAvailability', 'hot_backup', ...args);
        await eventually(async () => (await floating(node)).length === 0, 45_000, 'the addresses are left');
        await node.untilState('HOT_BACKUP');
      });
    });
  }

  it('that is left of a node alone is taken over by the next launch here', async () => {
    await withCluster(pair({nodes: ['n1'], args: [...VIP, '--highAvailability', 'disabled']}), async (cluster) => {
      const node = cluster.node('n1');
      await node.launch();
      await node.untilState('MASTER');
      await killAllOf(cluster, node);
      await node.launch();
      await node.untilState('MASTER');
      expect(await floating(node)).to.deep.equal(BOTH);
      // Its guardian lives, and is not waited for.
      await node.kill('agent');
      await node.launch();
      await node.untilState('MASTER');
      expect(await floating(node)).to.deep.equal(BOTH);
      await node.terminate();
      expect(await floating(node)).to.deep.equal([]);
    });
  });

  it('never goes away while another agent adopts the service', async () => {
    await withCluster(pair({nodes: ['n1'], args: [...VIP, '--agentLossGrace', '40s']}), async (cluster) => {
      const node = await cluster.up();
      const changes = join(cluster.root, 'logs', 'addresses');
      const monitor = watchAddresses(network.host(node.id).prefix, changes);
      cluster.atEnd(monitor);
      await node.kill('agent');
      await cluster.launch(node.id);
      await cluster.untilMaster(node.id);
      expect(await floating(node)).to.deep.equal(BOTH);
      expect(readFileSync(changes, 'utf8')).to.not.contain('Deleted');
      await node.terminate();
      await eventually(() => readFileSync(changes, 'utf8').includes('Deleted'), 45_000, 'the monitor saw nothing');
    });
  });

  describe('is refused with exit status 3', () => {
    const refused = async (options: Partial<ClusterOptions>, because: string, hint: string): Promise<void> => {
      await withCluster(pair({nodes: ['n1'], ...options}), async (cluster) => {
        await cluster.init();
        const node = cluster.node('n1');
        node.start();
        expect((await node.exit()).code).to.equal(3);
        expect(node.log()).to.contain(because).and.to.contain(hint);
      });
    };

    it("where it is the host's own, which stays", async () => {
      await network.run('n1', 'ip', 'address', 'add', `${V4}/24`, 'dev', 'eth0');
      await refused(
        {args: ['--vip', `${V4}@eth0`]},
        `${V4}/24 is already up on eth0, and nothing here says that ha-agent has put it up`,
        `ip address delete ${V4}/24 dev eth0`,
      );
      expect(await network.addresses('n1')).to.include(`${V4}/24`);
    });

    it('where its interface is not there', () =>
      refused({args: ['--vip', `${V4}@eth7`]}, 'there is no interface eth7 (there are', 'say the right one under vip'));

    it('where a program that it needs is missing', () => {
      const arping = execFileSync('sh', ['-c', 'command -v arping'], {encoding: 'utf8'}).trim();
      // In a mount namespace of its own, the node finds nothing in its place that could be run.
      const hide = ['unshare', '--mount', 'sh', '-c', `mount --bind /dev/null ${arping} && exec "$@"`, 'sh'];
      return refused(
        {within: () => ({...within('n1'), prefix: hide}), args: ['--vip', `${V4}@lo`]},
        'no program "arping"',
        'iputils-arping',
      );
    });

    it('for a user who may not change addresses', () =>
      refused(
        {user: NOBODY, within: () => ({...within('n1'), prefix: []}), args: ['--vip', `${V4}@lo`]},
        'CAP_NET_ADMIN',
        'run the agent as root',
      ));
  });
});

/** `ip monitor`, into a file. @returns what ends it. */
function watchAddresses([program = '', ...prefix]: readonly string[], file: string): () => Promise<void> {
  const out = openSync(file, 'a');
  const child = spawn(program, [...prefix, 'ip', 'monitor', 'address'], {stdio: ['ignore', out, 'inherit']});
  closeSync(out);
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return () => {
    child.kill('SIGKILL');
    return gone;
  };
}

function askFrom([program = '', ...prefix]: readonly string[], url: string, method = 'GET'): Promise<Answer> {
  const argv = [
    ...prefix,
    'curl',
    '-sS',
    '-g',
    '-m',
    '15',
    ...(method === 'HEAD' ? ['-I'] : ['-X', method]),
    '-w',
    '\n%{http_code}',
    url,
  ];
  return new Promise((resolve, reject) => {
    execFile(program, argv, (error, stdout, stderr) => {
      if (error) return reject(new Error(stderr.trim() || error.message));
      const end = stdout.lastIndexOf('\n');
      resolve({status: Number(stdout.slice(end + 1)), text: stdout.slice(0, end)});
    });
  });
}

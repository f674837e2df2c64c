// End to end: what users of Alien4Cloud's high availability know, by the numbers of its scenarios; others of these numbers stand in the
// titles of other tests (A1, A2: proxy-follows; A3, A5, A17: store-hang; A13: service-failing; A15: process-freeze; A16: process-kill;
// A21: process-signal; A22: modes-start; A23: service-stubborn; A11, A20: test/service).
import {readFileSync, readdirSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {usersFileLine} from '../../lib/http/users-file.ts';
import {parseLockName} from '../../lib/protocol/lock-name.ts';
import {eventually} from '../support/eventually.ts';
import {skipAloud} from '../store/temp-store.ts';
import {HangingMount, upWithMounts, whyNoFuse} from '../e2e/store-support/mounts.ts';
import {together} from '../e2e/store-support/together.ts';
import {CALM, withCluster, type Cluster} from '../e2e/support/cluster.ts';
import type {TestNode} from '../e2e/support/node.ts';
import {processesOf} from '../e2e/support/processes.ts';
import {witness, type ServiceOf} from '../e2e/support/witness.ts';

const LIMIT_MS = 60_000;
/** Nobody waits for a silence. */
const LONG = {leaseTimeout: '60s'};
const PACE = {period: '100ms', timeout: '2s', failures: 1};

/** A witness with more checks beside its own. */
const checked =
  (...checks: object[]): ServiceOf =>
  (place) => {
    const {config, ...rest} = witness()(place);
    const own = (config?.['health'] ?? []) as readonly object[];
    return {...rest, config: {...config, health: [...own, ...checks.map((check) => ({...PACE, ...check}))]}};
  };

/** Fails on a node while there is a file of this name in its directory, and notes each time that it is asked. */
const unlessThere = (name: string): object => ({
  command: ['sh', '-c', 'echo >>"$0.asked"; if test -e "$0"; then echo "there is $0"; exit 1; fi', name],
  on: 'always',
});

const put = (node: TestNode, name: string): void => writeFileSync(join(node.stateDir, name), '');
const take = (node: TestNode, name: string): void => rmSync(join(node.stateDir, name));
const timesAsked = (node: TestNode, name: string): number => readFileSync(join(node.stateDir, `${name}.asked`), 'utf8').length;

/** Waits until a node says that it may not be elected, and why. */
async function untilUnfit(node: TestNode, why: RegExp): Promise<void> {
  await eventually(
    async () => {
      const {eligible, because} = await node.state();
      return !eligible && why.test(because);
    },
    LIMIT_MS,
    `${node.id} does not say that it may not be elected because ${String(why)}`,
  );
}

const untilFit = (node: TestNode): Promise<unknown> =>
  eventually(async () => (await node.state()).eligible, LIMIT_MS, `${node.id} may not be elected again`);

describe('Alien4Cloud: a node', () => {
  together({
    'A6, A7: that is a backup closes its service and answers for its health and state without a login, also in maintenance':
      async () => {
        await withCluster({nodes: ['n1', 'n2'], timings: LONG}, async (cluster) => {
          const users = join(cluster.root, 'users');
          writeFileSync(users, `${await usersFileLine('ada', 'admin', 'secret')}\n`, {mode: 0o600});
          await cluster.init();
          await Promise.all(cluster.nodes.map((node) => node.launch('--usersFile', users)));
          const master = await cluster.untilMaster();
          const [backup] = cluster.others(master);
          const statusOf = async (node: TestNode, path: string): Promise<number> => (await node.get(path)).status;
          await eventually(async () => (await statusOf(backup!, '/standby')) === 200, LIMIT_MS);
          for (const maintenance of ['pause', 'resume']) {
            expect((await cluster.cli(maintenance, '--persistenceDir', cluster.persistenceDir)).code).to.equal(0);
            expect(await statusOf(backup!, '/health')).to.equal(200);
            expect(await statusOf(backup!, '/standby')).to.equal(200);
            const closed = await backup!.get('/master');
            expect(closed.status).to.equal(503);
            expect(JSON.parse(closed.text)).to.include({state: 'STANDBY', masterId: master.id});
            expect([await statusOf(master, '/health'), await statusOf(master, '/master')]).to.deep.equal([200, 200]);
            expect(await backup!.served().catch((error: unknown) => String(error))).to.contain('ECONNREFUSED');
            expect(backup!.servicePids).to.deep.equal([]);
          }
          expect(await statusOf(backup!, '/v1/server/ha/states'), 'what is more than health and state').to.equal(401);
        });
      },

    'A8: short of space steps down as the leader, its service stopped first, is not elected as a backup, and says why everywhere':
      async () => {
        await withCluster({nodes: ['n1', 'n2'], service: checked({disk: '/tmp', free: '1B'}), timings: CALM}, async (cluster) => {
          const {master, other} = await cluster.upAsPair();
          setSpace(master, '8000000GiB');
          await cluster.untilMaster(other.id);
          const why = /health: disk \/tmp has [\d.]+ \w+ free, less than [\d.e+]+ PiB/;
          await untilUnfit(master, why);
          await eventually(async () => why.test((await other.state()).nodes[master.id]?.because ?? ''), LIMIT_MS);
          const {stdout} = await cluster.cli('status', '--persistenceDir', cluster.persistenceDir);
          expect(stdout).to.match(new RegExp(`${master.id} .*STANDBY.* no .*not eligible: ${why.source}`));
          await cluster.untilTold((records) => expect(records.find(({epoch}) => epoch === 1)?.ended?.because).to.match(why));
          expect(master.log()).to.match(new RegExp(`giving the lease away: ${why.source}`));
          const refused = await cluster.cli('switchover', '--to', master.id, '--persistenceDir', cluster.persistenceDir);
          expect([refused.code, refused.stderr]).to.satisfy(([code, text]: [number, string]) => code === 3 && why.test(text));

          setSpace(master, '1B');
          await untilFit(master);
          await cluster.untilCounted(other, master.id);
          expect((await cluster.cli('switchover', '--to', master.id, '--persistenceDir', cluster.persistenceDir)).code).to.equal(
            0,
          );
          await cluster.untilMaster(master.id);
        });
      },

    'A10, A24: gives way to a marker file; with one on every node none is elected, nobody flaps, and one leads when they are gone':
      async () => {
        await withCluster({nodes: ['n1', 'n2'], service: checked(unlessThere('slave')), timings: LONG}, async (cluster) => {
          const {master, other} = await cluster.upAsPair();
          put(master, 'slave');
          await cluster.untilMaster(other.id);
          await untilUnfit(master, /health: .*there is slave/);
          take(master, 'slave');
          await untilFit(master);
          await cluster.node(other.id).untilState('MASTER');

          for (const node of cluster.nodes) put(node, 'slave');
          for (const node of cluster.nodes) await untilUnfit(node, /not eligible: health: .*there is slave/);
          for (const node of cluster.nodes)
            await eventually(async () => (await node.state()).masterId === null, LIMIT_MS, `${node.id} still sees a master`);
          const {epoch} = await master.state();
          const asked = cluster.nodes.map((node) => timesAsked(node, 'slave'));
          await eventually(() => cluster.nodes.every((node, i) => timesAsked(node, 'slave') > asked[i]! + 20), LIMIT_MS);
          for (const node of cluster.nodes) {
            expect(await node.state()).to.include({epoch, masterId: null, state: 'STANDBY', eligible: false});
            expect(node.servicePids).to.deep.equal([]);
          }
          for (const node of cluster.nodes) take(node, 'slave');
          await cluster.untilMaster();
        });
      },

    'A12: whose activation takes longer than a lease stays the only leader': async () => {
      const service = checked({command: ['sh', '-c', 'test -e ready || test -e ../n2/ready']});
      await withCluster({nodes: ['n1', 'n2'], service, timings: {leaseTimeout: '6s'}}, async (cluster) => {
        await cluster.init();
        await Promise.all(cluster.nodes.map((node) => node.launch()));
        const starting = await eventually(async () => {
          for (const node of cluster.nodes) if ((await node.state()).phase === 'starting') return node;
          return undefined;
        }, LIMIT_MS);
        // More renewals than fit into two leases.
        await eventually(() => renewals(cluster) > 2 * (6_000 / 200), LIMIT_MS);
        expect(await starting.state()).to.include({state: 'INITIALIZING', masterId: starting.id, epoch: 1});
        expect((await cluster.others(starting)[0]!.state()).state).to.equal('STANDBY');
        for (const node of cluster.nodes) put(node, 'ready');
        await cluster.untilMaster(starting.id);
        await cluster.untilTold((records) => expect(records).to.have.length(1));
      });
    },

    'A18: of a cluster that grows leads in its turn, and a dead one is forgotten when it is dropped': async () => {
      await withCluster({nodes: ['n1', 'n2', 'n3'], timings: {...CALM, leaseTimeout: '10s'}}, async (cluster) => {
        await cluster.init();
        for (const id of ['n1', 'n2']) await cluster.launch(id);
        const first = await cluster.untilMaster();
        await cluster.launch('n3');
        await cluster.node('n3').untilState('STANDBY');
        const second = cluster.nodes.find((node) => node !== first && node.id !== 'n3')!;
        await cluster.untilCounted(cluster.node('n3'), second.id);
        await first.kill('agent');
        await cluster.untilMaster(second.id);
        await second.kill('agent');
        await cluster.untilMaster('n3');
        for (const {id} of [first, second]) {
          await eventually(async () => (await cluster.node('n3').state()).nodes[id]?.status === 'FAILED', LIMIT_MS);
          expect((await cluster.cli('remove', id, '--persistenceDir', cluster.persistenceDir)).code).to.equal(0);
          await eventually(async () => !(id in (await cluster.node('n3').state()).nodes), LIMIT_MS, `${id} is still shown`);
        }
      });
    },
  });
});

describe('Alien4Cloud: a file system that hangs', () => {
  before(function () {
    const why = whyNoFuse();
    if (why !== undefined) skipAloud(this, why);
  });

  together({
    'A4: under the store of a backup changes nothing for the leader': async () => {
      await withCluster({nodes: ['n1', 'n2'], timings: {leaseTimeout: '8s'}}, async (cluster) => {
        const {master, others, mountOf} = await upWithMounts(cluster);
        const before = await master.served();
        mountOf(others[0]!).hang();
        await eventually(async () => (await master.state()).nodes[others[0]!.id]?.status === 'FAILED', LIMIT_MS);
        expect(await master.isMaster()).to.equal(true);
        mountOf(others[0]!).heal();
        await others[0]!.untilState('STANDBY');
        expect(await master.served()).to.deep.equal(before);
      });
    },

    'A9: under the data of the leader makes it step down, holds up nothing else, and never has two checks waiting': async () => {
      const mounted = (place: Parameters<ServiceOf>[0]): string => join(place.logFile, '../../mount-data');
      const service: ServiceOf = (place) =>
        place.nodeId === 'n1' ? checked({writable: mounted(place), timeout: '400ms', failures: 2})(place) : witness()(place);
      await withCluster({nodes: ['n1', 'n2'], service, timings: LONG}, async (cluster) => {
        const data = await HangingMount.create(cluster, 'data');
        const {master, other} = await lead(cluster, 'n1');
        data.hang();
        await cluster.untilMaster(other.id);
        await untilUnfit(master, /health: writable \S+(: an earlier check has not ended| took longer than 400 ms)/);
        const renewed = (await other.state()).nodes[master.id]?.localTimestamp ?? 0;
        await eventually(async () => ((await other.state()).nodes[master.id]?.localTimestamp ?? 0) > renewed + 1_000, LIMIT_MS);
        expect((await master.get('/health')).status).to.equal(200);
        const waiting = processesOf(data.point).filter(({words}) => words.some((word) => word.includes('.ha-agent-writable.')));
        // None between two of them.
        expect(waiting.length, 'one check, and what it runs').to.be.at.most(2);
        data.heal();
        await untilFit(master);
        expect(readdirSync(data.point).filter((name) => name.startsWith('.ha-agent-writable'))).to.have.length.at.most(1);
      });
    },
  });
});

/** `upAsPair` with this very node as master. */
async function lead(cluster: Cluster, id: string): Promise<{master: TestNode; other: TestNode}> {
  await cluster.init();
  await cluster.launch(id);
  const master = await cluster.untilMaster(id);
  const other = cluster.others(master)[0]!;
  await other.launch();
  await other.untilState('STANDBY');
  return {master, other};
}

/** How much space the check of a running node wants. */
function setSpace(node: TestNode, free: string): void {
  const file = join(node.stateDir, 'config.json');
  const config = JSON.parse(readFileSync(file, 'utf8')) as {health: object[]};
  const health = config.health.map((check) => ('disk' in check ? {...check, free} : check));
  writeFileSync(file, JSON.stringify({...config, health}));
  node.signal('SIGHUP', 'agent');
}

/** Attempts of any kind of the owner of the present lock. */
function renewals({persistenceDir}: Cluster): number {
  const root = join(persistenceDir, 'default');
  const dir = readdirSync(root).find((name) => name.startsWith('lock.')) ?? '';
  return Math.max(0, ...readdirSync(join(root, dir)).map((name) => parseLockName(name)?.attempt ?? 0));
}

// End to end: a store that is taken away under a running cluster and brought back, in each of the ways in which that happens.
import {chmodSync, mkdirSync, renameSync, rmdirSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {skipAloud} from '../store/temp-store.ts';
import {lockDirIn, locksIn, rootOf} from './store-support/places.ts';
import {withCluster, type Cluster} from './support/cluster.ts';
import {NOBODY} from './support/command.ts';

const LIMIT_MS = 45_000;
const LONG = process.env['HA_AGENT_LONG'] === '1';
const WHY_LONG = 'it takes long: HA_AGENT_LONG=1 runs it';

interface Loss {
  readonly name: string;
  /** What a node says then. */
  readonly says: RegExp;
  /** @returns what brings the store back. */
  readonly happen: (cluster: Cluster) => () => void;
}

const LOSSES: readonly Loss[] = [
  {
    name: 'its directory is gone (renamed away)',
    says: /not the store we knew: the directory .* does not exist/,
    happen: ({persistenceDir}) => moveAway(persistenceDir),
  },
  {
    name: 'an empty directory is in its place (the share is not mounted)',
    says: /not the store we knew: the directory .* does not exist/,
    happen: ({persistenceDir}) => {
      const back = moveAway(persistenceDir);
      mkdirSync(persistenceDir);
      return () => {
        rmdirSync(persistenceDir);
        back();
      };
    },
  },
  {
    name: 'its lock directory is gone',
    says: /store\.json is there, but its lock directory is missing/,
    happen: (cluster) => moveAway(lockDirIn(cluster)),
  },
  {
    name: 'it may not be read',
    says: /cannot be read: cannot (list|refresh what this host knows of) .* EACCES, permission denied/,
    happen: (cluster) => {
      chmodSync(rootOf(cluster), 0);
      return () => chmodSync(rootOf(cluster), 0o700);
    },
  },
];

/** Root reads everything, so as root the cluster belongs to somebody else. */
const ordinary = process.getuid?.() === 0 ? {user: NOBODY} : {};

describe('a store that is lost', () => {
  it('stops the master in time, is explained by everybody, and leads to one master again when it is back', async () => {
    await withCluster({nodes: ['n1', 'n2'], timings: {leaseTimeout: '3s'}, ...ordinary}, async (cluster) => {
      await cluster.up();
      for (const loss of LOSSES) await loseAndRecover(cluster, loss);
    });
  });

  it('for longer than a lease makes the owner let go when it is back, and another node takes over', async function () {
    if (!LONG) return skipAloud(this, WHY_LONG);
    await withCluster({nodes: ['n1', 'n2']}, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      const back = moveAway(cluster.persistenceDir);
      await eventually(async () => (await master.state()).phase === 'releasing', LIMIT_MS, 'the owner does not let go');
      expect(await cluster.master()).to.equal(undefined);
      back();
      await cluster.untilMaster(other.id);
      const last = (await cluster.history()).at(-1);
      expect(last?.epoch).to.be.greaterThan(1);
      expect(last?.why).to.match(/^(free|silence)$/);
    });
  });

  it('to a second lock file: everybody says so, the master goes on, nobody takes over before the file is gone', async () => {
    await withCluster({nodes: ['n1', 'n2'], timings: {leaseTimeout: '60s'}}, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      const before = await master.served();
      const second = join(lockDirIn(cluster), '0000000009.free.n2.aabbccdd.1');
      writeFileSync(second, '');
      for (const node of cluster.nodes) {
        await eventually(async () => (await node.state()).because.includes('the lock directory holds 2 locks'), LIMIT_MS);
      }
      const {stdout} = await cluster.cli('status', '--persistenceDir', cluster.persistenceDir);
      expect(stdout).to.contain('holds 2 locks: ').and.to.contain('where there should be one');
      expect(await master.served()).to.deep.equal(before);

      await master.kill('agent');
      await eventually(() => locksIn(cluster).some(({kind, epoch}) => kind === 'free' && epoch === 2), LIMIT_MS);
      expect(await other.isMaster()).to.equal(false);
      expect((await other.state()).because).to.contain('the lock directory holds 2 locks');
      rmSync(second);
      await cluster.untilMaster(other.id);
    });
  });

  it('to a second lock file for more than a minute: nothing extends the lease any more, until the file is gone', async function () {
    this.timeout(200_000);
    if (!LONG) return skipAloud(this, WHY_LONG);
    await withCluster({nodes: ['n1', 'n2']}, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      const second = join(lockDirIn(cluster), '0000000009.free.n2.aabbccdd.1');
      writeFileSync(second, '');
      const {because} = await master.untilState('FAILED', 100_000);
      expect(because).to.match(/holds 2 locks; bring the right one back, or decide with "ha-agent accept"/);
      await eventually(() => master.servicePids.length === 0, LIMIT_MS);
      await other.untilState('FAILED');
      rmSync(second);
      await cluster.untilMaster();
    });
  });
});

async function loseAndRecover(cluster: Cluster, {name, says, happen}: Loss): Promise<void> {
  const back = happen(cluster);
  const of = (what: string): string => `${name}: ${what}`;
  for (const node of cluster.nodes) {
    await eventually(async () => says.test((await node.state()).because), LIMIT_MS, of(`${node.id} does not say why`)).catch(
      async (error: unknown) => {
        throw new Error(`${node.id} says ${(await node.state()).because}`, {cause: error});
      },
    );
  }
  await eventually(() => cluster.nodes.every(({servicePids}) => servicePids.length === 0), LIMIT_MS, of('the service runs on'));
  expect(await cluster.master(), of('nobody is master')).to.equal(undefined);
  for (const node of cluster.nodes) expect((await node.get('/health')).status, of('/health')).to.equal(200);
  back();
  const master = await cluster.untilMaster();
  const told = await cluster.untilTold((records) =>
    expect(records.at(-1)?.to.nodeId, of('the owner of the last epoch is the master')).to.equal(master.id),
  );
  // A machine that stands still may cost the service another start.
  const served = await eventually(() => master.served(), LIMIT_MS, of('it does not serve'));
  expect(served.epoch, of('its service has that epoch')).to.equal(String(told.at(-1)?.epoch));
  for (const node of cluster.others(master)) await node.untilFollows(master);
}

/** @returns what moves it back. */
function moveAway(directory: string): () => void {
  renameSync(directory, `${directory}.away`);
  return () => renameSync(`${directory}.away`, directory);
}

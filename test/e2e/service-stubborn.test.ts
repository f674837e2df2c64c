// End to end: services that do not want to go, that leave everything behind, or that print without end.
import fs from 'node:fs';
import {createInterface} from 'node:readline';
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {withCluster} from './support/cluster.ts';
import type {TestNode} from './support/node.ts';
import {witness} from './support/witness.ts';

describe('a service that ignores SIGTERM', () => {
  const options = {nodes: ['n1', 'n2'], service: witness('--ignore-term')};

  it('A23: gets SIGKILL after stopTimeout, and only then the lock is released', async () => {
    await withCluster({...options, timings: {leaseTimeout: '60s', stopTimeout: '1s'}}, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      expect(await master.terminate()).to.deep.equal({code: 0, signal: null});
      expect(master.servicePids).to.deep.equal([]);
      await cluster.untilMaster(other.id, 45_000);
      await cluster.untilTold((records) => expect(records.at(-1)).to.include({epoch: 3, why: 'free'}));
    });
  });

  it('is gone in time when its agent is frozen: SIGKILL comes a safety margin before the lease ends', async () => {
    await withCluster({...options, timings: {safetyMargin: '1s'}}, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      master.freeze('agent');
      await cluster.untilMaster(other.id);
      master.thaw('agent');
      await master.untilState('STANDBY');
    });
  });
});

describe('a service that forks away, calls setsid, empties its environment and ignores SIGTERM', () => {
  const escape = {nodes: ['n1', 'n2'], service: witness('--escape', '--ignore-term'), containment: 'namespace'} as const;

  before(function () {
    if (process.getuid?.() === 0) return;
    console.log('    SKIPPED: a PID namespace without user namespaces needs root');
    this.skip();
  });

  it('leaves nothing running after kill -9 of agent and guardian together', async () => {
    await withCluster(escape, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      await untilEscaped(master);
      await master.kill('agent', 'guardian');
      await eventually(() => master.servicePids.length === 0, 20_000, 'processes of the service are left');
      await cluster.untilMaster(other.id);
    });
  });

  it('leaves nothing running after kill -9 of the agent, and after a clean end', async () => {
    await withCluster({...escape, timings: {leaseTimeout: '60s'}}, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      await untilEscaped(master);
      await master.kill('agent');
      await cluster.untilMaster(other.id, 45_000);
      expect(master.servicePids).to.deep.equal([]);
      await untilEscaped(other);
      await other.terminate();
      expect(other.servicePids).to.deep.equal([]);
    });
  });
});

describe('a service that prints 100 MB', () => {
  it('is heard to the end, while its agent stays small and answers', async () => {
    await withCluster({nodes: ['n1'], service: witness('--print=100'), timings: {leaseTimeout: '60s'}}, async (cluster) => {
      const master = await cluster.up();
      await eventually(
        async () => {
          const {status} = await master.get('/health');
          expect(status).to.equal(200);
          return (await master.served()).printed;
        },
        60_000,
        'it cannot print all of it',
      );
      expect(await master.isMaster()).to.equal(true);
      expect(cluster.witnessed().runs, 'the service was never restarted').to.have.length(1);
      for (const pid of [master.agentPid, master.guardianPid]) {
        expect(peakMiB(pid), `peak memory of process ${pid} in MiB`).to.be.lessThan(250);
      }
      // What did not get into the log is counted there.
      await eventually(async () => (await heardBytes(master)) >= 100 * 1_024 ** 2, 30_000, 'output has vanished without a word');
    });
  });
});

/** The main process and the one that has left. */
const untilEscaped = (node: TestNode): Promise<unknown> =>
  eventually(() => node.servicePids.length === 2, 20_000, `${node.id} should have two witnesses`);

/** Bytes of output in the log of the agent, and those of which it says that they were dropped. */
async function heardBytes(node: TestNode): Promise<number> {
  let bytes = 0;
  for await (const line of createInterface({input: fs.createReadStream(node.logFile('log'))})) {
    const [, dropped] = /(\d+) bytes of the service's output were dropped/.exec(line) ?? [];
    if (dropped !== undefined) bytes += Number(dropped);
    else if (/x{1000}/.test(line)) bytes += (/x+/.exec(line.slice(line.indexOf('xxx')))?.[0].length ?? 0) + 1;
  }
  return bytes;
}

function peakMiB(pid: number): number {
  const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) / 1_024;
}

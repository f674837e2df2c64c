// End to end: the signals and commands by which an agent is told to end, and what it leaves: nothing.
import fs from 'node:fs';
import {expect} from 'chai';
import {storePaths} from '../../lib/store/paths.ts';
import {eventually} from '../support/eventually.ts';
import {withCluster, type Cluster} from './support/cluster.ts';
import {untilGone} from './support/processes.ts';
import {witness} from './support/witness.ts';

describe('an agent that is told to end', () => {
  it('by SIGTERM stops the service, releases the lock, removes pid.txt, exits with 0 and leaves no process', async () => {
    await withCluster({nodes: ['n1'], timings: {leaseTimeout: '60s'}}, async (cluster) => {
      const master = await cluster.up();
      expect(fs.readFileSync(master.pidFile, 'utf8')).to.equal(`${master.agentPid}\n`);
      const {guardian} = master;
      expect(await master.terminate()).to.deep.equal({code: 0, signal: null});
      await untilGone(guardian, 'the guardian');
      expect(fs.existsSync(master.pidFile)).to.equal(false);
      expect(lockNames(cluster)).to.have.length(1);
      expect(lockNames(cluster)[0]).to.match(/^0{9}2\.free\.n1\./);
      expect(master.servicePids).to.deep.equal([]);
      cluster.assertNothingLeft();
    });
  });

  it('A21, S15, W13: by SIGTERM as the master hands over at once; as a standby it disturbs nobody', async () => {
    await withCluster({nodes: ['n1', 'n2'], timings: {leaseTimeout: '60s'}}, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      await master.terminate();
      await cluster.untilMaster(other.id, 45_000);
      const before = await other.served();
      await cluster.launch(master.id);
      await master.untilState('STANDBY');
      await master.terminate();
      expect(await other.served()).to.deep.equal(before);
    });
  });

  it('by "stop" is gone when the command returns', async () => {
    await withCluster({nodes: ['n1']}, async (cluster) => {
      const master = await cluster.up();
      const {code, stdout} = await cluster.cli(
        'stop',
        '--persistenceDir',
        cluster.persistenceDir,
        '--nodeId',
        'n1',
        '--stateDir',
        master.stateDir,
      );
      expect(code).to.equal(0);
      expect(stdout).to.contain(String(master.agentPid));
      expect(master.isRunning()).to.equal(false);
      expect(await master.exit()).to.deep.equal({code: 0, signal: null});
    });
  });

  it('by a second SIGINT dies at once, and its guardian stops the service and releases the lock', async () => {
    const slow = {service: witness('--ignore-term'), timings: {stopTimeout: '2500ms', leaseTimeout: '60s'}};
    await withCluster({nodes: ['n1'], ...slow}, async (cluster) => {
      const master = await cluster.up();
      const {guardian} = master;
      master.signal('SIGINT', 'agent');
      await eventually(() => master.log().includes('SIGINT'), 20_000, 'the first SIGINT is not heard');
      master.signal('SIGINT', 'agent');
      expect(await master.exit()).to.deep.equal({code: null, signal: 'SIGKILL'});
      await untilGone(guardian, 'the guardian');
      expect(lockNames(cluster)[0]).to.match(/^0{9}2\.free\.n1\./);
    });
  });

  it('by SIGHUP only reads its configuration again; the pid file of one that was killed is replaced at the next start', async () => {
    await withCluster({nodes: ['n1'], timings: {leaseTimeout: '60s'}}, async (cluster) => {
      const master = await cluster.up();
      const before = await master.served();
      master.signal('SIGHUP', 'agent');
      await eventually(() => master.log().includes('read again'), 20_000, 'the configuration is not read again');
      expect(await master.served()).to.deep.equal(before);
      const killed = master.agentPid;
      await master.kill('agent');
      expect(fs.readFileSync(master.pidFile, 'utf8')).to.equal(`${killed}\n`);
      await cluster.launch('n1');
      expect(fs.readFileSync(master.pidFile, 'utf8')).to.equal(`${master.agentPid}\n`);
      await cluster.untilMaster('n1');
    });
  });
});

function lockNames(cluster: Cluster): string[] {
  const {root} = storePaths(cluster.persistenceDir, 'default');
  const [lock] = fs.readdirSync(root).filter((name) => name.startsWith('lock.'));
  return fs.readdirSync(`${root}/${lock}`);
}

// End to end: an agent as a unit of a real systemd, made by `ha-agent service install`.
import fs from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {useTempDir} from '../support/temp-dir.ts';
import {ask} from '../e2e/support/ask.ts';
import {NOBODY} from '../e2e/support/command.ts';
import {useMachine} from './systemd-support/machine.ts';
import {withUnitNodes, type UnitNode} from './systemd-support/nodes.ts';

const PAIR = {nodes: ['n1', 'n2']} as const;
const ALONE = {nodes: ['n1']} as const;

describe('an agent as a systemd unit', () => {
  const machine = useMachine();
  const dir = useTempDir();

  it('is ready when it listens, says what it does, is enabled, and stops in order: service gone, lock released', async () => {
    await withUnitNodes(machine(), PAIR, async (nodes) => {
      const [master, other] = [nodes.node('n1'), nodes.node('n2')];
      await machine().must(nodes.install(master));
      expect(await machine().show(master.unit, 'UnitFileState')).to.equal('enabled');
      await machine().must(machine().systemctl('start', master.unit));
      expect((await ask(`http://127.0.0.1:${master.port}/health`)).status).to.equal(200);
      await nodes.untilMaster(master);
      await untilStatus(master, /^MASTER: /);
      await machine().must(machine().systemctl('reload', master.unit));
      await machine().must(nodes.install(other));
      await machine().must(machine().systemctl('start', other.unit));
      await untilStatus(other, /^STANDBY: following n1/);
      await machine().must(machine().systemctl('stop', master.unit));
      expect(nodes.witnesses(master)).to.deep.equal([]);
      expect(await machine().show(master.unit, 'Result')).to.equal('success');
      await nodes.untilMaster(other);
      await nodes.untilTold((records) => expect(records.at(-1)).to.include({epoch: 3, why: 'free'}));
      await machine().must(machine().systemctl('restart', other.unit));
      await nodes.untilMaster(other);
      await nodes.untilTold((records) => expect(records.at(-1)).to.include({epoch: 5, why: 'free'}));
    });
  });

  it('that is killed leaves its guardian its work, and is started again', async () => {
    await withUnitNodes(machine(), PAIR, async (nodes) => {
      const [master, other] = await nodes.up();
      await machine().kill(master.unit, 'SIGKILL');
      await nodes.untilMaster(other);
      await nodes.untilTold((records) => expect(records.at(-1)).to.include({epoch: 3, why: 'free'}));
      await master.untilState('STANDBY');
      expect(await machine().show(master.unit, 'NRestarts')).to.equal('1');
    });
  });

  it('that is killed and finds its service kept (--agentLossGrace) goes on with it', async () => {
    await withUnitNodes(machine(), {...ALONE, args: ['--agentLossGrace=40s']}, async (nodes) => {
      const [master] = await nodes.up();
      const before = await master.served();
      await machine().kill(master.unit, 'SIGKILL');
      await eventually(async () => (await machine().show(master.unit, 'NRestarts')) === '1', 30_000, 'it is not started again');
      await nodes.untilMaster(master);
      expect(await master.served()).to.deep.equal(before);
    });
  });

  it('that is stopped with --keepService leaves the service to the one that is started next', async () => {
    await withUnitNodes(machine(), ALONE, async (nodes) => {
      const [master] = await nodes.up();
      const before = await master.served();
      const own = ['--persistenceDir', nodes.store, '--nodeId', master.id, '--stateDir', master.directory];
      await machine().must(machine().cli('stop', '--keepService', ...own));
      await machine().untilActive(master.unit, 'inactive');
      expect(await master.served()).to.deep.equal(before);
      await machine().must(machine().systemctl('start', master.unit));
      await nodes.untilMaster(master);
      expect(await master.served()).to.deep.equal(before);
    });
  });

  it('that is frozen is killed by the watchdog and started again', async () => {
    await withUnitNodes(machine(), {...ALONE, timings: {leaseTimeout: '8s', stopTimeout: '1s'}}, async (nodes) => {
      const [master] = await nodes.up();
      expect(await machine().show(master.unit, 'WatchdogUSec')).to.equal('10s');
      const pid = await machine().show(master.unit, 'MainPID');
      await machine().kill(master.unit, 'SIGSTOP');
      await eventually(async () => (await machine().show(master.unit, 'NRestarts')) === '1', 60_000, 'the watchdog does nothing');
      await machine().untilActive(master.unit);
      expect(await machine().show(master.unit, 'MainPID')).not.to.equal(pid);
      await nodes.untilMaster(master);
      expect(machine().story()).to.contain('Watchdog timeout');
    });
  });

  it('waits for its store without being ended, and says so', async () => {
    await withUnitNodes(machine(), ALONE, async (nodes) => {
      const node = nodes.node('n1');
      fs.rmSync(nodes.store, {recursive: true});
      await machine().must(nodes.install(node));
      await machine().must(machine().systemctl('start', node.unit));
      await untilStatus(node, /no store at .* yet/);
      expect(await machine().show(node.unit, 'ActiveState')).to.equal('active');
    });
  });

  it('runs as another user, with a state directory of his', async () => {
    await withUnitNodes(machine(), ALONE, async (nodes) => {
      const node = nodes.node('n1');
      fs.chmodSync(nodes.root, 0o777);
      fs.rmSync(node.directory, {recursive: true});
      for (const name of fs.readdirSync(nodes.store, {recursive: true, encoding: 'utf8'}))
        fs.chownSync(join(nodes.store, name), NOBODY.uid, NOBODY.gid);
      fs.chownSync(nodes.store, NOBODY.uid, NOBODY.gid);
      const own = ['--persistenceDir', nodes.store, '--port', String(node.port), '--user', 'nobody', '--unit', node.unit];
      await machine().must(machine().cli('service', 'install', ...own, '--highAvailability', 'auto', '--', 'sleep', '1000'));
      await machine().must(machine().systemctl('start', node.unit));
      await nodes.untilMaster(node);
      await untilStatus(node, /^MASTER: /);
      const [state] = fs.readdirSync(machine().path('/var/lib/ha-agent'));
      expect(fs.statSync(machine().path(`/var/lib/ha-agent/${state ?? ''}/agent.json`)).uid).to.equal(NOBODY.uid);
    });
  });

  it('is what systemd takes without a complaint', async () => {
    await withUnitNodes(machine(), ALONE, async (nodes) => {
      const node = nodes.node('n1');
      await machine().must(nodes.install(node));
      const {code, stderr} = await machine().run('systemd-analyze', 'verify', node.unit);
      expect({code, about: stderr.split('\n').filter((line) => line.includes(node.unit))}).to.deep.equal({code: 0, about: []});
    });
  });

  it('is written by --dryRun to standard output alone', async () => {
    await withUnitNodes(machine(), ALONE, async (nodes) => {
      const node = nodes.node('n1');
      const text = await machine().must(nodes.install(node, '--dryRun'));
      expect(text).to.contain('KillMode=process').and.to.contain('--nodeId=n1');
      expect(fs.existsSync(fileOf(node))).to.equal(false);
    });
  });

  it('replaces what it has made itself, and never a unit of somebody else', async () => {
    await withUnitNodes(machine(), ALONE, async (nodes) => {
      const node = nodes.node('n1');
      await machine().must(nodes.install(node));
      await machine().must(nodes.install(node, '--priority=7'));
      expect(fs.readFileSync(fileOf(node), 'utf8')).to.contain('--priority=7');
      const foreign = '[Service]\nExecStart=/bin/sleep 1000\n';
      await machine().addUnit(node.unit, foreign);
      for (const action of ['install', 'uninstall']) {
        const {code, stderr} = await machine().cli('service', action, '--unit', node.unit, '--persistenceDir', nodes.store);
        expect(code, stderr).to.equal(3);
        expect(stderr).to.contain(node.unit);
      }
      expect(fs.readFileSync(fileOf(node), 'utf8')).to.equal(foreign);
      fs.writeFileSync(machine().path('/run/systemd/system/elsewhere.service'), foreign);
      await machine().must(machine().systemctl('daemon-reload'));
      const {code, stderr} = await machine().cli('service', 'install', '--unit', 'elsewhere', '--persistenceDir', nodes.store);
      expect({code, stderr}).to.have.property('code', 3);
    });
  });

  it('is stopped in order and removed by uninstall', async () => {
    await withUnitNodes(machine(), ALONE, async (nodes) => {
      const [master] = await nodes.up();
      await machine().must(machine().cli('service', 'uninstall', '--unit', master.unit));
      expect(nodes.witnesses(master)).to.deep.equal([]);
      expect(fs.existsSync(fileOf(master))).to.equal(false);
      expect(await machine().show(master.unit, 'LoadState')).to.equal('not-found');
      expect(fs.readdirSync(join(nodes.store, 'default')).filter((name) => name.startsWith('lock.'))).to.have.length(1);
      await nodes.untilTold((records) => expect(records[0]?.ended?.because).to.contain('SIGTERM'));
    });
  });

  it('that is refused is not started again and again', async () => {
    await withUnitNodes(machine(), ALONE, async (nodes) => {
      const node = nodes.node('n1');
      const file = join(dir(), 'ha-agent.yaml');
      fs.writeFileSync(file, 'priority: 1\n');
      await machine().must(nodes.install(node, '--config', file));
      fs.writeFileSync(file, 'priority: many\n');
      expect((await machine().systemctl('start', node.unit)).code).not.to.equal(0);
      await machine().untilActive(node.unit, 'failed');
      expect(await machine().show(node.unit, 'ExecMainStatus')).to.equal('3');
      expect(await machine().show(node.unit, 'NRestarts')).to.equal('0');
    });
  });

  const fileOf = ({unit}: UnitNode): string => machine().path(`/etc/systemd/system/${unit}`);

  async function untilStatus({unit}: UnitNode, expected: RegExp): Promise<void> {
    await eventually(
      async () => {
        const text = await machine().show(unit, 'StatusText');
        if (!expected.test(text)) throw new Error(text);
        return true;
      },
      30_000,
      `the status of ${unit} is not ${String(expected)}`,
    );
  }
});

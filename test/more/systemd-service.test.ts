// End to end: a unit of a real systemd as the service. It runs under the lease or not at all.
import fs from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {signal} from '../../lib/guardian/proc.ts';
import {eventually} from '../support/eventually.ts';
import {repoRoot} from '../support/paths.ts';
import {useTempDir} from '../support/temp-dir.ts';
import {useMachine} from './systemd-support/machine.ts';
import {withUnitNodes, type UnitNode} from './systemd-support/nodes.ts';

const PAIR = {nodes: ['n1', 'n2'], kind: 'systemd'} as const;

describe('a systemd service', () => {
  const dir = useTempDir();
  const machine = useMachine();

  it('runs where the lease is held, with its epoch, and moves when the agent is killed: stopped here before it starts there', async () => {
    await withUnitNodes(machine(), PAIR, async (nodes) => {
      const [master, other] = await nodes.up();
      expect(await master.served()).to.include({node: master.id, epoch: '1'});
      expect(await machine().show(other.serviceUnit, 'ActiveState')).to.equal('inactive');
      await machine().kill(master.unit, 'SIGKILL');
      await nodes.untilMaster(other);
      expect(await machine().show(master.serviceUnit, 'ActiveState')).to.equal('inactive');
      expect(await other.served()).to.include({node: other.id, epoch: '3'});
      await nodes.untilTold((records) => expect(records.at(-1)).to.include({epoch: 3, why: 'free'}));
      await master.untilState('STANDBY');
    });
  });

  it('cannot be started by anybody else, neither on a standby nor after its stop', async () => {
    await withUnitNodes(machine(), PAIR, async (nodes) => {
      const [master, other] = await nodes.up();
      await refusesToStart(other);
      await machine().must(machine().systemctl('stop', master.unit));
      await nodes.untilMaster(other);
      await refusesToStart(master);
    });
  });

  it('that ran already where it must not is stopped before the node may be elected', async () => {
    await withUnitNodes(machine(), PAIR, async (nodes) => {
      const n2 = nodes.node('n2');
      await machine().must(nodes.install(n2));
      await machine().must(machine().systemctl('set-environment', 'HA_EPOCH=0'));
      await machine().must(machine().systemctl('start', n2.serviceUnit));
      expect(await n2.served()).to.include({epoch: '0'});
      await machine().must(machine().systemctl('start', n2.unit));
      await nodes.untilMaster(n2);
      expect((await n2.served()).epoch).to.equal('1');
      expect(nodes.witnessed().runs).to.have.length(2);
    });
  });

  it('that ends is started again, and given up where it keeps ending', async () => {
    const args = ['--config', join(dir(), 'tries.yaml')];
    fs.writeFileSync(join(dir(), 'tries.yaml'), 'service: {attempts: 2, backoff: 100ms}\n');
    await withUnitNodes(machine(), {...PAIR, args}, async (nodes) => {
      const [master, other] = await nodes.up();
      const before = await master.served();
      await machine().kill(master.serviceUnit, 'SIGKILL');
      await eventually(async () => (await master.served()).family !== before.family, 30_000, 'it is not started again');
      await nodes.untilMaster(master);
      await machine().kill(master.serviceUnit, 'SIGKILL');
      await nodes.untilMaster(other);
      await nodes.untilTold((records) => expect(records[0]?.ended?.because).to.contain('failed (failed, signal)'));
    });
  });

  it('is stopped by systemd when agent and guardian are killed together, and its node proves that and goes on', async () => {
    await withUnitNodes(machine(), {...PAIR, nodes: ['n1']}, async (nodes) => {
      const [master] = await nodes.up();
      expect(nodes.witnesses(master)).to.have.length(1);
      await killForGood(master);
      await untilInactive(master);
      expect(nodes.witnesses(master)).to.deep.equal([]);
      await machine().must(machine().systemctl('start', master.unit));
      await nodes.untilMaster(master);
      await nodes.untilTold((records) => expect(records.at(-1)).to.include({why: 'local'}));
    });
  });

  it('that is still being started then is stopped as well', async () => {
    const options = {...PAIR, nodes: ['n1'], unitLines: ['Type=notify', 'TimeoutStartSec=300']};
    await withUnitNodes(machine(), options, async (nodes) => {
      const node = nodes.node('n1');
      await machine().must(nodes.install(node));
      await machine().must(machine().systemctl('start', node.unit));
      await machine().untilActive(node.serviceUnit, 'activating');
      await killForGood(node);
      await untilInactive(node);
      expect(nodes.witnesses(node)).to.deep.equal([]);
    });
  });

  it('is stopped by systemd when its guardian is killed, proven gone, and started again under the same epoch', async () => {
    await withUnitNodes(machine(), {...PAIR, nodes: ['n1']}, async (nodes) => {
      const [master] = await nodes.up();
      const before = await master.served();
      await machine().must(machine().run('kill', '-9', String(guardianOf(master))));
      await eventually(async () => (await master.served()).family !== before.family, 40_000, 'it is not started again');
      await nodes.untilMaster(master);
      expect(await master.served()).to.include({epoch: before.epoch});
    });
  });

  it('that leaves processes behind (KillMode=process) is not proven stopped: nothing is released before they have ended', async () => {
    const options = {...PAIR, witness: ['--escape'], unitLines: ['KillMode=process'], timings: {stopTimeout: '40s'}} as const;
    await withUnitNodes(machine(), options, async (nodes) => {
      const [master, other] = await nodes.up();
      await eventually(() => nodes.witnesses(master).length === 2, 20_000, 'there should be two witnesses');
      await machine().kill(master.unit, 'SIGKILL');
      await untilInactive(master);
      await saysLeft(master);
      expect(nodes.witnesses(master)).to.deep.equal(nodes.escapees(master));
      await nodes.untilTold((records) => expect(records.at(-1)).to.include({epoch: 1}));
      expect(await other.isMaster()).to.equal(false);
      for (const escapee of nodes.escapees(master)) expect(signal(escapee, 'SIGKILL')).to.equal(true);
      await nodes.untilMaster(other);
      await nodes.untilTold((records) => expect(records.at(-1)).to.include({epoch: 3, why: 'free'}));
      await eventually(() => nodes.escapees(other).length === 1, 20_000, 'there should be one here too');
      for (const escapee of nodes.escapees(other)) signal(escapee, 'SIGKILL');
    });
  });

  it('and what it has left behind is killed when stopTimeout is over', async () => {
    const options = {...PAIR, witness: ['--escape'], unitLines: ['KillMode=process'], timings: {stopTimeout: '2s'}} as const;
    await withUnitNodes(machine(), options, async (nodes) => {
      const [master, other] = await nodes.up();
      await eventually(() => nodes.witnesses(master).length === 2, 20_000, 'there should be two witnesses');
      await machine().kill(master.unit, 'SIGKILL');
      await nodes.untilMaster(other);
      expect(nodes.witnesses(master)).to.deep.equal([]);
      await nodes.untilTold((records) => expect(records.at(-1)).to.include({epoch: 3, why: 'free'}));
    });
  });

  it('that is enabled is refused, and the agent not started again and again', async () => {
    const options = {...PAIR, nodes: ['n1'], unitLines: ['[Install]', 'WantedBy=multi-user.target']};
    await withUnitNodes(machine(), options, async (nodes) => {
      const n1 = nodes.node('n1');
      await machine().must(nodes.install(n1));
      await machine().must(machine().systemctl('enable', n1.serviceUnit));
      expect((await machine().systemctl('start', n1.unit)).code).not.to.equal(0);
      await machine().untilActive(n1.unit, 'failed');
      expect(await machine().show(n1.unit, 'ExecMainStatus')).to.equal('3');
      expect(await machine().show(n1.unit, 'NRestarts')).to.equal('0');
      expect(n1.log()).to.contain(`systemctl disable ${n1.serviceUnit}`);
    });
  });

  it('is set up as in examples/systemd', async () => {
    await withUnitNodes(machine(), {...PAIR, nodes: ['n1']}, async (nodes) => {
      const {unit, port, servicePort} = nodes.node('n1');
      const example = (name: string): string =>
        fs.readFileSync(join(repoRoot, 'examples', name), 'utf8').replaceAll('8090', String(servicePort));
      const server = join(repoRoot, 'examples/http-service/server.mjs');
      const text = example('systemd/shop.service').replace('/usr/bin/node /srv/shop/server.mjs', `${process.execPath} ${server}`);
      await machine().addUnit('shop.service', text);
      const file = join(dir(), 'ha-agent.yaml');
      fs.writeFileSync(file, example('systemd/ha-agent.yaml').replace('/mnt/ha', nodes.store));
      await machine().must(
        machine().cli('init', '--config', join(dir(), 'unused.yaml'), '--persistenceDir', nodes.store, '--app', 'shop'),
      );
      const own = ['--config', file, '--nodeId', 'n1', '--port', String(port), '--unit', unit];
      await machine().must(machine().cli('service', 'install', ...own));
      await machine().must(machine().systemctl('start', unit));
      await nodes.untilMaster();
      expect(await nodes.node('n1').served()).to.include({node: 'n1', app: 'shop', epoch: 1});
      await machine().must(machine().systemctl('stop', unit));
      expect(await machine().show('shop.service', 'ActiveState')).to.equal('inactive');
    });
  });

  /** Agent and guardian at once, and systemd does not start the agent again: nobody is left to see to the unit. */
  async function killForGood(node: UnitNode): Promise<void> {
    const directory = machine().path(`/run/systemd/system/${node.unit}.d`);
    fs.mkdirSync(directory, {recursive: true});
    fs.writeFileSync(join(directory, 'no-restart.conf'), '[Service]\nRestart=no\n');
    await machine().must(machine().systemctl('daemon-reload'));
    const agent = await machine().show(node.unit, 'MainPID');
    await machine().must(machine().run('kill', '-9', agent, String(guardianOf(node))));
  }

  async function refusesToStart({serviceUnit}: UnitNode): Promise<void> {
    expect((await machine().systemctl('start', serviceUnit)).code).not.to.equal(0);
    expect(await machine().show(serviceUnit, 'ActiveState')).to.equal('inactive');
  }

  async function untilInactive({serviceUnit}: UnitNode): Promise<void> {
    await eventually(
      async () => (await machine().show(serviceUnit, 'ActiveState')) === 'inactive',
      30_000,
      `${serviceUnit} still runs`,
    );
  }

  const saysLeft = ({directory}: UnitNode): Promise<unknown> =>
    eventually(
      () => fs.readFileSync(join(directory, 'guardian.log'), 'utf8').includes('are left'),
      30_000,
      'the guardian does not say what is left',
    );
});

/** As the machine numbers it. */
function guardianOf({directory}: UnitNode): number {
  const {record} = JSON.parse(fs.readFileSync(join(directory, 'guardian.json'), 'utf8')) as {record: {guardian: {pid: number}}};
  return record.guardian.pid;
}

// Floating addresses around the runs of a real guardian, on a network of their own: up before, down before anybody hears that it is gone.
import {expect} from 'chai';
import {chmodSync, existsSync, mkdirSync, rmSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import type {FloatingAddress} from '../../lib/guardian/address.ts';
import {probeContainment} from '../../lib/guardian/containment-probe.ts';
import {allProcesses, mentions} from '../../lib/guardian/proc.ts';
import type {GuardianRecord} from '../../lib/guardian/record.ts';
import type {ServiceSpec} from '../../lib/guardian/wire.ts';
import {epoch} from '../../lib/protocol/words.ts';
import {eventually} from '../support/eventually.ts';
import {networkFault, TestNetwork} from '../support/network.ts';
import {useTempDir} from '../support/temp-dir.ts';
import {Driver, execOf, setupFor, textOf} from './driver.ts';

const ONE = epoch(1);
const V4: FloatingAddress = {address: '192.0.2.10', prefixLength: 24, interface: 'eth0'};
const V6: FloatingAddress = {address: '2001:db8::10', prefixLength: 64, interface: 'eth0'};
const BOTH = ['192.0.2.10/24', '2001:db8::10/64'];

describe('floating addresses around a run', () => {
  const dir = useTempDir();
  let network: TestNetwork;
  let driver: Driver;
  let bin: string;

  before(function () {
    const fault = networkFault();
    if (fault === undefined) return;
    console.log(`      SKIPPED: ${fault}`);
    this.skip();
  });
  beforeEach(async () => {
    network = await TestNetwork.create(['n1', 'neighbour']);
    // What stands before the system's own programs can be made to fail.
    bin = file('bin');
    mkdirSync(bin);
    driver = new Driver(['env', `PATH=${bin}:${process.env['PATH'] ?? ''}`, ...network.host('n1').prefix]);
  });
  afterEach(async () => {
    await driver.end();
    await eventually(() => holders().length === 0, 30_000, 'a holder of addresses is left');
    await network.remove();
  });

  const file = (name: string): string => path.join(dir(), name);
  const floating = async (): Promise<string[]> => (await network.addresses('n1')).filter((each) => BOTH.includes(each));
  const holders = (): number[] =>
    allProcesses()
      .filter(({pid}) => mentions(pid, bin) && mentions(pid, 'ha-agent-address'))
      .map(({pid}) => pid);

  const spawnFor = (service: ServiceSpec = {kind: 'none'}, addresses = [V4, V6], other = {}): Promise<GuardianRecord> =>
    driver.spawnGuardian(dir(), {...setupFor(service, other), around: {addresses, watchdog: undefined}});

  /** An `ip` that does what `script` says first. */
  function wrapIp(script: string): void {
    writeFileSync(path.join(bin, 'ip'), `#!/bin/sh\n${script}\nPATH=\${PATH#*:}\nexec ip "$@"\n`);
    chmodSync(path.join(bin, 'ip'), 0o755);
  }

  it('are there when the service starts, and gone when it is told gone', async () => {
    const containment = await probeContainment('namespace');
    const look = `ip -o address show dev eth0 >"$1.new" && mv "$1.new" "$1"; exec sleep 600`;
    await spawnFor(execOf(containment, 'sh', '-c', look, 'sh', file('seen')));
    await driver.startRun(1, 60_000);
    await eventually(() => textOf(file('seen')) !== '');
    const seen = textOf(file('seen'));
    expect(BOTH.filter((address) => seen.includes(address))).to.deep.equal(BOTH);
    // They can be used at once, and connections of the host itself do not begin at the one of IPv6.
    expect(seen.split('\n').find((line) => line.includes(V6.address)))
      .to.contain('deprecated')
      .and.not.to.contain('tentative');
    driver.order({type: 'stop', run: 1});
    expect(await driver.report('gone', 1)).to.include({proven: true});
    expect(await floating()).to.deep.equal([]);
    await driver.startRun(2, 60_000);
    expect(await floating()).to.deep.equal(BOTH);
  });

  it('are told to the neighbours, who had them elsewhere', async () => {
    const elsewhere = ['lladdr', '02:00:00:00:00:01', 'dev', 'eth0', 'nud', 'stale'];
    for (const {address} of [V4, V6]) await network.run('neighbour', 'ip', 'neigh', 'replace', address, ...elsewhere);
    await spawnFor();
    await driver.startRun(1, 60_000);
    const {mac} = network.host('n1');
    for (const {address} of [V4, V6])
      await eventually(
        async () => (await network.neighbour('neighbour', address)) === mac,
        30_000,
        `${address} is not known anew`,
      );
  });

  it('that cannot be put up keep the service from being started, and nothing is left', async () => {
    const containment = await probeContainment('namespace');
    await spawnFor(execOf(containment, 'touch', file('started')), [V4, {...V6, interface: 'nowhere0'}]);
    driver.tell({do: 'lease', epoch: ONE, attempt: 1, leftMs: 60_000});
    driver.order({type: 'start', run: 1, epoch: ONE});
    const stopping = await driver.report('stopping', 1);
    expect(stopping).to.have.property('because').that.contains('could not be started').and.contains('nowhere0');
    expect(await driver.report('gone', 1)).to.include({proven: true});
    expect(await floating()).to.deep.equal([]);
    expect(textOf(file('started'))).to.equal('');
  });

  it('go when agent and guardian are killed together', async () => {
    const record = await spawnFor();
    await driver.startRun(1, 60_000);
    expect(await floating()).to.deep.equal(BOTH);
    driver.killGroup();
    process.kill(record.guardian.pid, 'SIGKILL');
    await eventually(async () => (await floating()).length === 0, 30_000, 'the addresses are left');
  });

  it('stay when their holder is killed, are put up again if need be, and still go with the run', async () => {
    await spawnFor();
    await driver.startRun(1, 60_000);
    const [holder = 0] = holders();
    await network.run('n1', 'ip', 'address', 'delete', BOTH[0]!, 'dev', 'eth0');
    process.kill(holder, 'SIGKILL');
    await eventually(async () => (await floating()).length === 2, 30_000, 'the address that was taken away is not back');
    expect(holders()).to.not.include(holder);
    driver.order({type: 'stop', run: 1});
    await driver.report('gone', 1);
    expect(await floating()).to.deep.equal([]);
  });

  it('that can no longer be kept up are the end of the run', async () => {
    await spawnFor();
    await driver.startRun(1, 60_000);
    await network.run('n1', 'ip', 'link', 'delete', 'eth0');
    process.kill(holders()[0] ?? 0, 'SIGKILL');
    expect(await driver.report('stopping', 1))
      .to.have.property('because')
      .that.contains('the floating address cannot be kept up');
    expect(await driver.report('gone', 1)).to.include({proven: true});
  });

  it('that cannot be taken down keep the run from being proven gone, until they are down at last', async () => {
    wrapIp(`[ "$2" != delete ] || [ ! -e ${file('stuck')} ] || { echo "it is stuck" >&2; echo >>${file('tried')}; exit 2; }`);
    const {guardian} = await spawnFor({kind: 'none'}, [V4], {stopTimeoutMs: 200});
    await driver.startRun(1, 60_000);
    writeFileSync(file('stuck'), '');
    driver.order({type: 'stop', run: 1});
    // The lease is not renewed for it: it ends by its silence.
    expect(await driver.report('gone', 1)).to.include({proven: false});
    await eventually(() => textOf(file('tried')).length >= 4, 30_000, 'it is not tried again and again');
    expect(textOf(file('guardian.log'))).to.contain('is still there: ip: it is stuck');
    driver.tell({do: 'passive'});
    expect((await driver.hear('passive')).value).to.deep.equal({ok: false, because: 'a run of the service is not over'});
    rmSync(file('stuck'));
    await eventually(() => driver.reports().some((each) => each.type === 'gone' && each.proven), 30_000, 'it is not gone');
    expect(await floating()).to.deep.equal([]);
    expect(driver.record?.guardian).to.deep.equal(guardian);
  });

  it('are taken down where their interface has another name by now', async () => {
    await spawnFor({kind: 'none'}, [V4]);
    await driver.startRun(1, 60_000);
    await network.run('n1', 'sh', '-c', 'ip link set eth0 down && ip link set eth0 name lan0 && ip link set lan0 up');
    expect(await network.addresses('n1', 'lan0')).to.include(BOTH[0]);
    driver.order({type: 'stop', run: 1});
    expect(await driver.report('gone', 1)).to.include({proven: true});
    expect(await network.addresses('n1', 'lan0')).to.not.include(BOTH[0]);
  });

  it('stay when their holder is killed while it makes sure of them', async function () {
    // It does so every 10 s.
    this.timeout(60_000);
    wrapIp(
      `[ "$3" != replace ] || [ ! -e ${file('slow')} ] || { : >${file('putting')}; while [ -e ${file('slow')} ]; do sleep 0.02; done; }`,
    );
    await spawnFor();
    await driver.startRun(1, 60_000);
    const [holder = 0] = holders();
    writeFileSync(file('slow'), '');
    await eventually(() => existsSync(file('putting')), 30_000, 'it does not make sure of them');
    process.kill(holder, 'SIGKILL');
    rmSync(file('slow'));
    await eventually(() => holders().some((pid) => pid !== holder), 30_000, 'nobody takes its place');
    driver.order({type: 'stop', run: 1});
    expect(await driver.report('stopping', 1)).to.include({cause: 'ordered'});
    expect(await driver.report('gone', 1)).to.include({proven: true});
    expect(await floating()).to.deep.equal([]);
  });

  it('are never up when the run is ordered to end while they are being put up', async () => {
    wrapIp(`[ "$3" != replace ] || { : >${file('putting')}; while [ ! -e ${file('go')} ]; do sleep 0.02; done; }`);
    await spawnFor();
    driver.tell({do: 'lease', epoch: ONE, attempt: 1, leftMs: 60_000});
    driver.order({type: 'start', run: 1, epoch: ONE});
    await eventually(() => existsSync(file('putting')), 30_000, 'nothing is put up');
    driver.order({type: 'stop', run: 1});
    await driver.report('stopping', 1);
    writeFileSync(file('go'), '');
    expect(await driver.report('gone', 1)).to.include({proven: true});
    expect(await floating()).to.deep.equal([]);
    expect(driver.reports().map(({type}) => type)).to.not.include('started');
  });

  it('of a guardian that was killed are taken down before it is called gone, also without their holder', async () => {
    await spawnFor();
    await driver.startRun(1, 60_000);
    process.kill(holders()[0] ?? 0, 'SIGSTOP');
    const [holder = 0] = holders();
    try {
      driver.tell({do: 'kill'});
      expect((await driver.hear('killed')).value).to.include({proven: true});
      expect(await floating()).to.deep.equal([]);
    } finally {
      process.kill(holder, 'SIGKILL');
    }
  });
});

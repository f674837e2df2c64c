// Floating addresses as they are written: in a file, in the environment, on the command line; and every fault with its place.
import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {expect} from 'chai';
import type {Config} from '../../lib/config/config.ts';
import {loadConfig} from '../../lib/config/load.ts';
import {describeError} from '../../lib/errors.ts';
import {describeAddress} from '../../lib/guardian/address.ts';
import {repoRoot} from '../support/paths.ts';
import {useTempDir} from '../support/temp-dir.ts';

const around = {env: {HOME: '/h'}, cwd: '/', hostname: 'h', uid: 1_000};
const argv = {persistenceDir: '/mnt/ha'};
const V4 = {address: '192.0.2.10', prefixLength: 24, interface: 'eth0'};
const V6 = {address: '2001:db8::10', prefixLength: 64, interface: 'bond0.7'};

describe('vip and watchdog in the configuration', () => {
  const dir = useTempDir();

  async function fromFile(text: string): Promise<Config> {
    const file = join(dir(), 'ha.yaml');
    await writeFile(file, text);
    return loadConfig({...around, argv: {...argv, config: file}});
  }
  const faultOf = (loading: Promise<Config>): Promise<string> =>
    loading.then(
      () => 'none',
      (error: unknown) => describeError(error),
    );

  it('are none and off, and a node without a service then runs nothing', async () => {
    const config = await loadConfig({...around, argv});
    expect(config.vip).to.deep.equal([]);
    expect(config.watchdog).to.deep.equal({mode: 'off', device: '/dev/watchdog', timeoutMs: undefined});
    expect(config.runs).to.equal(false);
  });

  it('read one address, or a list, as a map or as text', async () => {
    expect((await fromFile('vip: {address: 192.0.2.10/24, interface: eth0}\n')).vip).to.deep.equal([V4]);
    expect((await fromFile('vip: 192.0.2.10/24@eth0\n')).vip).to.deep.equal([V4]);
    const list = 'vip:\n  - {address: 192.0.2.10/24, interface: eth0}\n  - 2001:DB8:0::10/64@bond0.7\n';
    expect((await fromFile(list)).vip).to.deep.equal([V4, V6]);
  });

  it('are given on the command line and in the environment too', async () => {
    const vip = '192.0.2.10/24@eth0, 2001:db8::10/64@bond0.7';
    const config = await loadConfig({...around, argv: {...argv, vip, watchdog: 'required', watchdogTimeout: '15s'}});
    expect(config.vip).to.deep.equal([V4, V6]);
    expect(config.watchdog).to.deep.equal({mode: 'required', device: '/dev/watchdog', timeoutMs: 15_000});
    expect(config.runs).to.equal(true);
    const env = {...around.env, HA_AGENT_VIP: '192.0.2.10/24@eth0', HA_AGENT_WATCHDOG_DEVICE: '/dev/watchdog1'};
    const other = await loadConfig({...around, argv, env});
    expect([other.vip, other.watchdog.device, other.runs]).to.deep.equal([[V4], '/dev/watchdog1', true]);
  });

  it('stand in the example as they are read', async () => {
    const file = join(repoRoot, 'examples/floating-address/ha-agent.yaml');
    const {vip, watchdog} = await loadConfig({...around, argv: {config: file}});
    expect(vip.map(describeAddress)).to.deep.equal(['192.0.2.10/24 on eth0', '2001:db8::10/64 on eth0']);
    expect(watchdog.mode).to.equal('automatic');
  });

  it('take an address without a prefix length for the whole of it', async () => {
    const {vip} = await loadConfig({...around, argv: {...argv, vip: '192.0.2.10@eth0,2001:db8::10@eth0'}});
    expect(vip.map(({prefixLength}) => prefixLength)).to.deep.equal([32, 128]);
  });

  const faults: readonly [yaml: string, expected: string][] = [
    ['vip: 192.0.2.10/24', 'expected an address with its interface'],
    ['vip: 192.0.2.10/33@eth0', 'expected an IPv4 or IPv6 address of one host'],
    ['vip: 192.0.2.10/24@eth 0', 'expected the name of an interface'],
    ['vip: {address: 127.0.0.1, interface: lo}', 'vip.address (FILE:1): found "127.0.0.1", expected an IPv4 or IPv6 address'],
    ['vip: {address: "fe80::1%eth0", interface: eth0}', 'vip.address (FILE:1)'],
    ['vip: {address: 192.0.2.10}', 'expected the name of an interface'],
    ['vip: {address: 192.0.2.10, interface: -eth0}', 'vip.interface (FILE:1): found "-eth0"'],
    [
      'vip: {address: 192.0.2.10, interface: eth0, label: x}',
      'vip.label (FILE:1): found "x", expected nothing but address and interface',
    ],
    [
      'vip:\n  - 192.0.2.10@eth0\n  - 192.0.2.10/24@eth1',
      'vip[1] (FILE:3): found "192.0.2.10/24@eth1", expected each address once',
    ],
    ['watchdog: on', 'expected one of off, automatic, required'],
    ['watchdogTimeout: 15', 'expected a duration with a unit'],
  ];
  for (const [yaml, expected] of faults) {
    it(`refuse ${yaml.replaceAll('\n', ' ')}`, async () => {
      const text = await faultOf(fromFile(`${yaml}\n`));
      expect(text.replaceAll(join(dir(), 'ha.yaml'), 'FILE')).to.contain(expected);
    });
  }
});

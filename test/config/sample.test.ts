// The sample file that init writes is accepted as it is, and with every key switched on; help and sample come from one table.
import {readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {expect} from 'chai';
import {commandLineOptions} from '../../lib/config/command-line.ts';
import {givenValues} from '../../lib/config/given-sample.ts';
import {loadConfig} from '../../lib/config/load.ts';
import {KEYS} from '../../lib/config/options.ts';
import {sampleConfig, writeSampleConfig} from '../../lib/config/sample.ts';
import {useTempDir} from '../support/temp-dir.ts';

const around = {env: {HOME: '/h'}, cwd: '/', hostname: 'h', uid: 1_000};

describe('the sample config file', () => {
  const dir = useTempDir();

  it('changes nothing as it is', async () => {
    const file = join(dir(), 'ha.yaml');
    await writeSampleConfig(file, {persistenceDir: '/mnt/ha', 'service.command': '[/bin/svc, x]'});
    const config = await loadConfig({...around, argv: {config: file}});
    const plain = await loadConfig({...around, argv: {persistenceDir: '/mnt/ha'}, command: ['/bin/svc', 'x']});
    expect({...config, file: undefined}).to.deep.equal(plain);
  });

  it('has what was given on the command line and in the environment, paths made absolute', async () => {
    const file = join(dir(), 'ha.yaml');
    const given = {
      argv: {app: 'true', persistenceDir: 'my share: 1', nodeId: 'n7'},
      env: {HA_AGENT_LEASE_TIMEOUT: '60s'},
      cwd: '/mnt',
    };
    const values = await givenValues(['persistenceDir', 'app', 'leaseTimeout', 'stopTimeout'], given);
    await writeSampleConfig(file, values);
    const config = await loadConfig({...around, argv: {config: file}});
    const {persistenceDir, app, leaseTimeout, stopTimeout, nodeId} = config.values;
    expect({persistenceDir, app, leaseTimeout, stopTimeout, nodeId}).to.deep.equal({
      persistenceDir: '/mnt/my share: 1',
      app: 'true',
      leaseTimeout: 60_000,
      stopTimeout: 10_000,
      nodeId: undefined,
    });
  });

  it('is not made of what has a fault', async () => {
    const given = {argv: {app: 'a b', port: 'x'}, env: {}, cwd: '/mnt'};
    const error: unknown = await givenValues(['app'], given).catch((thrown: unknown) => thrown);
    expect(error).to.have.nested.property('details.problems').with.length(1);
    expect(error).to.have.nested.property('details.problems[0].key', 'app');
  });

  it('never overwrites', async () => {
    const file = join(dir(), 'ha.yaml');
    await writeFile(file, 'mine');
    const error: unknown = await writeSampleConfig(file).catch((thrown: unknown) => thrown);
    expect(error).to.have.property('code', 'config.unwritable');
    expect(await readFile(file, 'utf8')).to.equal('mine');
  });

  for (const key of KEYS) {
    it(`has ${key}, which can be switched on`, async () => {
      const name = key.slice(key.indexOf('.') + 1);
      const lines = sampleConfig().split('\n');
      const index = lines.findIndex((line) => line.startsWith(key.includes('.') ? `#   ${name}:` : `# ${name}:`));
      expect(index, key).to.be.greaterThan(0);
      const line = lines[index] ?? '';
      const value = line.slice(line.indexOf(':') + 1).trim();
      expect(value).not.to.be.oneOf(['', 'undefined', 'none']);
      const others: Partial<Record<string, string>> = {
        tlsCert: 'tlsKey: k',
        tlsKey: 'tlsCert: c',
        tlsCa: 'tlsCert: c\ntlsKey: k',
      };
      const group = key.slice(0, key.indexOf('.'));
      const text = key.includes('.') ? `${group}:\n  ${name}: ${value}\n` : `${name}: ${value}\n${others[key] ?? ''}\n`;
      const partner: Partial<Record<string, object>> = {
        'service.kind': {command: ['/c']},
        'service.standbyExec': {command: ['/c']},
        'service.active': {argv: {ensurePassive: '/p'}},
        'service.passive': {argv: {ensureActive: '/a'}},
      };
      const file = join(dir(), 'one.yaml');
      await writeFile(file, text);
      const extra = partner[key] ?? {};
      const argv = {
        config: file,
        ...(key !== 'persistenceDir' && {persistenceDir: '/mnt/ha'}),
        ...('argv' in extra ? (extra.argv as object) : {}),
      };
      await loadConfig({...around, argv, ...('command' in extra && {command: ['/c']})});
    });
  }
});

describe('commandLineOptions', () => {
  it('holds what launch takes, with help', () => {
    const options = commandLineOptions();
    for (const name of 'config highAvailability persist persistenceLocation persistenceDir app nodeId priority pidFile stateDir bindAddress port uri usersFile tlsCert tlsKey tlsCa leaseTimeout pollInterval heartbeatInterval stopTimeout safetyMargin agentLossGrace ensureActive ensurePassive containment replace passive logLevel logFile logFormat insecure'.split(
      ' ',
    )) {
      expect(options, name).to.have.property(name);
      expect(options[name]?.describe, name).to.have.length.greaterThan(10);
    }
    expect(options['leaseTimeout']).to.deep.include({type: 'string', defaultDescription: '30s', requiresArg: true});
    expect(options['nodeId']?.alias).to.deep.equal(['id', 'i']);
    expect(options['passive']).to.deep.include({type: 'boolean', alias: ['p']});
    expect(options).not.to.have.property('health');
    expect(Object.keys(commandLineOptions(['app']))).to.deep.equal(['config', 'app']);
  });
});

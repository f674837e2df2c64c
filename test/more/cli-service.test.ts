// End to end: what `service install --dryRun` makes of the options of a launch. Needs neither root nor systemd.
import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {useTempDir} from '../support/temp-dir.ts';
import {NOBODY, runCommand, type CommandResult} from '../e2e/support/command.ts';

describe('service install --dryRun', () => {
  const dir = useTempDir();
  const call = (words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<CommandResult> =>
    runCommand(['service', ...words], {cwd: dir(), env: {PATH: process.env['PATH'], LANG: 'C', HOME: dir(), ...env}});
  const installed = async (words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> => {
    const {code, stdout, stderr} = await call(['install', '--dryRun', ...words], env);
    expect(code, stderr).to.equal(0);
    return stdout;
  };

  it('gives each start what was given here, with paths that lead to the same from anywhere', async () => {
    writeFileSync(join(dir(), 'ha.yaml'), 'priority: 3\n');
    mkdirSync(join(dir(), 'store'));
    const text = await installed(
      [
        '--persistenceDir',
        'store',
        '-c',
        'ha.yaml',
        '-i',
        'n7',
        '--leaseTimeout',
        '20s',
        '--insecure',
        '--',
        '/bin/svc',
        '--x',
        'a b',
      ],
      {HA_AGENT_SERVICE_ATTEMPTS: '7', HA_AGENT_STOP_TIMEOUT: '2s'},
    );
    const exec = text.split('\n').find((line) => line.startsWith('ExecStart=')) ?? '';
    for (const word of [
      `--persistenceDir=${dir()}/store`,
      `--config=${dir()}/ha.yaml`,
      '--nodeId=n7',
      '--leaseTimeout=20s',
      '--insecure=true',
    ])
      expect(exec).to.contain(` ${word} `);
    expect(exec).to.match(/--pidFile=\/var\/lib\/ha-agent\/store\.default\.n7\.[0-9a-f]+\/pid\.txt /);
    expect(exec).to.match(/ -- \/bin\/svc --x "a b"$/);
    expect(exec).not.to.contain('priority');
    expect(text).to.contain('Environment=HA_AGENT_SERVICE_ATTEMPTS=7\n').and.to.contain('Environment=HA_AGENT_STOP_TIMEOUT=2s\n');
    expect(text).to.match(/StateDirectory=ha-agent\/store\.default\.n7\./);
    expect(text).to.contain('WatchdogSec=20s').and.to.contain('TimeoutStopSec=32s');
  });

  it('names the unit by the app, and prints JSON', async () => {
    const own = ['--persistenceDir', dir(), '--json'];
    expect(JSON.parse(await installed(own))).to.include({unit: 'ha-agent.service', written: false});
    expect(JSON.parse(await installed([...own, '--app', 'shop']))).to.include({unit: 'ha-agent-shop.service'});
    expect(JSON.parse(await installed([...own, '--unit', 'mine']))).to.include({file: '/etc/systemd/system/mine.service'});
  });

  it('refuses what the unit would not find', async () => {
    const own = ['install', '--dryRun', '--persistenceDir', dir()];
    for (const program of ['./svc', 'no-such-program-anywhere']) {
      const {code, stderr} = await call([...own, '--', program]);
      expect(code).to.equal(3);
      expect(stderr).to.contain(program).and.to.contain('absolute path');
    }
    expect((await call([...own, '--workingDirectory', '/srv', '--', './svc'])).code).to.equal(0);
    expect((await call([...own, '--', 'sleep', '1'])).code).to.equal(0);
  });

  it('refuses a configuration with a fault, an unknown action, and a name that is none', async () => {
    expect((await call(['install', '--dryRun'])).code).to.equal(3);
    expect((await call(['disinstall'])).code).to.equal(1);
    expect((await call(['install', '--dryRun', '--persistenceDir', dir(), '--unit', 'a b'])).code).to.equal(3);
  });

  it('changes nothing as an ordinary user, and says who may', async () => {
    const words = ['service', 'install', '--persistenceDir', dir(), '--unit', 'ha-agent-test-never'];
    const user = process.getuid?.() === 0 ? NOBODY : undefined;
    const {code, stderr} = await runCommand(words, {cwd: '/', env: {PATH: process.env['PATH'], HOME: '/'}, user});
    expect(code).to.equal(3);
    expect(stderr).to.contain('only root');
  });
});

describe('service uninstall', () => {
  const dir = useTempDir();
  const app = `shop${process.pid}`;
  const uninstall = (words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<CommandResult> =>
    runCommand(['service', 'uninstall', '--dryRun', ...words], {
      cwd: dir(),
      env: {PATH: process.env['PATH'], LANG: 'C', HOME: dir(), ...env},
    });

  it('finds the unit by what install was given: --app, the environment, the config file, --unit', async () => {
    // The rest of the configuration may be wrong by now, and need not be given.
    writeFileSync(join(dir(), 'ha.yaml'), `app: ${app}\npriority: many\n`);
    for (const [words, env, unit] of [
      [['--app', app], {}, `ha-agent-${app}`],
      [[], {HA_AGENT_APP: app}, `ha-agent-${app}`],
      [['--config', 'ha.yaml'], {}, `ha-agent-${app}`],
      [[], {HA_AGENT_CONFIG: 'ha.yaml'}, `ha-agent-${app}`],
      [['--config', 'ha.yaml', '--app', `${app}b`], {}, `ha-agent-${app}b`],
      [['--config', 'gone.yaml', '--unit', `mine-${app}`], {}, `mine-${app}`],
    ] as const) {
      const {code, stderr} = await uninstall(words, env);
      expect({code, stderr}).to.have.property('code', 3);
      expect(stderr).to.contain(`there is no /etc/systemd/system/${unit}.service`);
    }
  });

  it('does not take another unit where the config file cannot be read', async () => {
    const {code, stderr} = await uninstall(['--config', 'gone.yaml']);
    expect({code, stderr}).to.have.property('code', 3);
    expect(stderr).to.contain('config (gone.yaml): found no usable file');
  });
});

// "command line over environment over file over default", "validated with all errors at once, each with its key, the value found and what would be right".
import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {expect} from 'chai';
import {loadConfig, type ConfigInput} from '../../lib/config/load.ts';
import {describeError, describeProblem, exitStatus, isHaError} from '../../lib/errors.ts';
import {useTempDir} from '../support/temp-dir.ts';

const around = {env: {HOME: '/home/u'}, cwd: '/work', hostname: 'db1.example.com', uid: 1_000};
const argv = {persistenceDir: '/mnt/ha'};

/** @returns the problems as text; fails if there are none. */
async function problemsOf(input: Partial<ConfigInput>): Promise<string[]> {
  try {
    await loadConfig({...around, argv, ...input});
  } catch (error) {
    if (isHaError(error, 'config.invalid')) return error.details.problems.map(describeProblem);
    throw error;
  }
  throw new Error('expected problems, found none');
}

describe('loadConfig', () => {
  const dir = useTempDir();
  const load = (input: Partial<ConfigInput> = {}): ReturnType<typeof loadConfig> => loadConfig({...around, argv, ...input});
  const write = async (text: string, name = 'ha.yaml'): Promise<string> => {
    const file = join(dir(), name);
    await writeFile(file, text);
    return file;
  };

  it('has the defaults of interface.md', async () => {
    const config = await load();
    expect(config.timing).to.deep.equal({
      heartbeatIntervalMs: 1_000,
      pollIntervalMs: 1_000,
      leaseTimeoutMs: 30_000,
      stopTimeoutMs: 10_000,
      safetyMarginMs: 2_000,
    });
    expect(config).to.deep.include({
      highAvailability: 'auto',
      app: 'default',
      nodeId: 'db1-example-com',
      priority: 0,
      pidFile: '/work/pid.txt',
      persistenceDir: '/mnt/ha',
      agentLossGraceMs: 0,
      replace: false,
      containment: undefined,
      file: undefined,
    });
    expect(config.http).to.deep.include({bindAddress: '127.0.0.1', port: 8_081, portAsked: false, insecure: false});
    expect(config.service).to.deep.equal({
      kind: 'none',
      attempts: 3,
      backoffMs: 1_000,
      startTimeoutMs: 60_000,
      coolDownMs: 30_000,
    });
    expect(config.log).to.deep.include({level: 'info', file: undefined, format: 'text', maxSizeBytes: 10_485_760});
  });

  it('takes the command line over the environment over the file over the default', async () => {
    const config = await write('leaseTimeout: 40s\nstopTimeout: 11s\npollInterval: 2s\n');
    const env = {
      ...around.env,
      HA_AGENT_LEASE_TIMEOUT: '50s',
      HA_AGENT_STOP_TIMEOUT: '12s',
      HA_AGENT_NO_SUCH_THING: 'x',
      HA_AGENT_PORT: '',
    };
    const {timing, http} = await load({argv: {...argv, config, leaseTimeout: '60s'}, env});
    expect(timing).to.deep.include({leaseTimeoutMs: 60_000, stopTimeoutMs: 12_000, pollIntervalMs: 2_000, safetyMarginMs: 2_000});
    expect(http.portAsked).to.equal(false);
  });

  it('finds the config file in the environment too, and reads JSON', async () => {
    const file = await write(
      '{\n\t"nodeId": 7,\n\t"service": {"command": ["/bin/svc", "-x"], "attempts": 5},\n\t"health": [{"tcp": "[::1]:80", "failures": 0}]\n}\n',
      'ha.json',
    );
    const config = await load({env: {...around.env, HA_AGENT_CONFIG: file}});
    expect(config.nodeId).to.equal('7');
    expect(config.file).to.equal(file);
    expect(config.service).to.deep.include({kind: 'exec', command: ['/bin/svc', '-x'], attempts: 5});
    expect(config.health).to.deep.include.members([
      {kind: 'tcp', host: '::1', port: 80, on: 'active', periodMs: 5_000, timeoutMs: 3_000, failures: 0},
    ]);
  });

  it('reads text in a file as it is written there: 007 stays 007, no stays no', async () => {
    const config = await load({argv: {...argv, config: await write('nodeId: 007\napp: no\n')}});
    expect([config.nodeId, config.app]).to.deep.equal(['007', 'no']);
  });

  it('starts relative paths in a file from its directory, others from the working directory', async () => {
    const config = await load({
      argv: {persistenceDir: 'share', config: await write('pidFile: run/pid.txt\nlogFile: /var/log/ha.log\n')},
    });
    expect([config.pidFile, config.log.file, config.persistenceDir]).to.deep.equal([
      join(dir(), 'run/pid.txt'),
      '/var/log/ha.log',
      '/work/share',
    ]);
  });

  it('takes other names: id, i, p, ensureActive', async () => {
    expect((await load({argv: {...argv, i: 'n7'}})).nodeId).to.equal('n7');
    expect((await load({argv: {...argv, id: 'n7', nodeId: 'n7', i: 'n7'}})).nodeId).to.equal('n7');
    expect((await load({argv: {...argv, p: true}})).highAvailability).to.equal('standby');
    const config = await load({
      argv: {...argv, config: await write('id: n8\nensureActive: /a --b "c d"\nensurePassive: [/p]\n')},
    });
    expect(config.nodeId).to.equal('n8');
    expect(config.service).to.deep.include({
      kind: 'ensure',
      active: ['/a', '--b', 'c d'],
      passive: ['/p'],
      monitorIntervalMs: 10_000,
    });
  });

  it('lets a service on the command line override the form that the file chose', async () => {
    const config = await write('service:\n  kind: ensure\n  active: /a\n  passive: /p\n');
    expect((await load({argv: {...argv, config}, command: ['/bin/svc', '1']})).service).to.deep.include({
      kind: 'exec',
      command: ['/bin/svc', '1'],
    });
    expect((await load({argv: {...argv, config}})).service.kind).to.equal('ensure');
    expect((await load({argv: {...argv, config, ensureActive: '/a2'}})).service).to.deep.include({
      kind: 'ensure',
      active: ['/a2'],
      passive: ['/p'],
    });
  });

  it('takes a systemd unit as the service, with its suffix or without', async () => {
    const config = await write('service: {kind: systemd, unit: shop}\n');
    const expected = {kind: 'systemd', unit: 'shop.service', monitorIntervalMs: 10_000};
    expect((await load({argv: {...argv, config}})).service).to.deep.include(expected);
    expect((await load({argv: {...argv, systemdUnit: 'shop.service'}})).service).to.deep.include(expected);
    expect((await load({env: {...around.env, HA_AGENT_SERVICE_UNIT: 'shop'}})).service).to.deep.include(expected);
    expect((await load({argv: {...argv, config}, command: ['/svc']})).service.kind).to.equal('exec');
    const exec = await write('service: {command: /svc}\n', 'exec.yaml');
    expect((await load({argv: {...argv, config: exec, systemdUnit: 'shop'}})).service).to.deep.include(expected);
  });

  it('takes a command for the standby, with exec alone', async () => {
    const config = await write('service: {command: /svc, standbyExec: "/svc --replica"}\n');
    const expected = {kind: 'exec', command: ['/svc'], standby: ['/svc', '--replica']};
    expect((await load({argv: {...argv, config}})).service).to.deep.include(expected);
    expect((await load({argv: {...argv, standbyExec: '/svc --replica'}, command: ['/svc']})).service).to.deep.include(expected);
    expect((await load({argv: {...argv, config}, command: ['/svc', '1']})).service).to.deep.include({
      ...expected,
      command: ['/svc', '1'],
    });
    expect((await load({argv: {...argv, config, systemdUnit: 'shop'}})).service.kind).to.equal('systemd');
    for (const other of [{}, {systemdUnit: 'shop'}, {ensureActive: '/a', ensurePassive: '/p'}]) {
      const problems = await problemsOf({argv: {...argv, ...other, standbyExec: '/svc'}});
      expect(problems.join()).to.include('service.standbyExec').and.include('only exec has one');
    }
  });

  it('needs no directory with persist or highAvailability disabled', async () => {
    expect((await load({argv: {persist: 'disabled'}})).highAvailability).to.equal('disabled');
    expect((await load({argv: {highAvailability: 'disabled'}})).persistenceDir).to.equal(undefined);
  });

  it('derives a readable state directory, another for each directory, app and node', async () => {
    const dirs = await Promise.all([
      load(),
      load({argv: {persistenceDir: '/mnt/other/ha'}}),
      load({argv: {...argv, app: 'b'}}),
      load({argv: {...argv, nodeId: 'n2'}}),
    ]);
    expect(new Set(dirs.map((config) => config.stateDir)).size).to.equal(4);
    expect(dirs[0].stateDir).to.match(/^\/home\/u\/\.local\/state\/ha-agent\/ha\.default\.db1-example-com\.[0-9a-f]{12}$/);
    expect((await load({env: {XDG_STATE_HOME: '/xdg', HOME: '/h'}})).stateDir).to.match(/^\/xdg\/ha-agent\//);
    expect((await load({env: {XDG_STATE_HOME: 'relative', HOME: '/h'}})).stateDir).to.match(/^\/h\/\.local\/state\//);
    expect((await load({uid: 0})).stateDir).to.match(/^\/var\/lib\/ha-agent\/ha\.default\./);
    expect((await load()).stateDir).to.equal(dirs[0].stateDir);
  });

  it('is frozen to the bottom', async () => {
    const config = await load({command: ['/bin/svc']});
    expect(() => Object.assign(config.timing, {leaseTimeoutMs: 1})).to.throw(TypeError);
    expect(() => Object.assign(config.values, {priority: 1})).to.throw(TypeError);
  });

  it('reports every fault at once, with place, value and what would be right', async () => {
    const config = await write(
      'leaseTimeout: 30\nleasetimout: 5s\nservice:\n  attempts: 0\n  comand: x\nhealth:\n  - http: "http://h/"\n  - tcp: nowhere\n    period: 5\n',
    );
    const problems = await problemsOf({
      argv: {config, port: '99999', nodeId: 'a b', highAvailability: 'boss'},
      env: {...around.env, HA_AGENT_STOP_TIMEOUT: '10', HA_AGENT_REPLACE: 'maybe'},
    });
    for (const expected of [
      `leaseTimeout (${config}:1): found 30, expected a duration with a unit`,
      `leasetimout (${config}:2): found an unknown key, expected a known key: leaseTimeout?`,
      `service.attempts (${config}:4): found 0, expected a whole number from 1 to 1000`,
      `service.comand (${config}:5): found an unknown key, expected a known key: service.command?`,
      `health[1].tcp (${config}:8): found "nowhere", expected host:port`,
      `health[1].period (${config}:9): found 5, expected a duration with a unit`,
      'port (option --port): found "99999", expected a whole number from 0 to 65535',
      'nodeId (option --nodeId): found "a b", expected a name of letters',
      'highAvailability (option --highAvailability): found "boss", expected one of auto, master',
      'stopTimeout (environment variable HA_AGENT_STOP_TIMEOUT): found "10", expected a duration',
      'replace (environment variable HA_AGENT_REPLACE): found "maybe", expected true or false',
    ])
      expect(
        problems.some((problem) => problem.startsWith(expected)),
        `${expected}\nin\n${problems.join('\n')}`,
      ).to.equal(true);
    expect(problems).to.have.length(11);
  });

  it('does not judge the whole by a file that cannot be read or parsed', async () => {
    const config = await write('persistenceDir: [\nnodeId: x\n');
    expect(await problemsOf({argv: {config, port: 'x'}})).to.satisfy(
      (all: string[]) => all.length >= 2 && !all.some((one) => one.startsWith('persistenceDir')),
    );
  });

  const together: readonly (readonly [string, Partial<ConfigInput>, RegExp])[] = [
    ['no directory', {argv: {}}, /^persistenceDir \(default\): found nothing, expected the shared directory/],
    [
      'timings that do not fit',
      {argv: {...argv, leaseTimeout: '10s'}},
      /^leaseTimeout \(option --leaseTimeout\): found "10s", expected timings that fit: stopTimeout 10000 ms \+/,
    ],
    [
      'timings that do not fit by another key',
      {argv: {...argv, stopTimeout: '29s'}},
      /^leaseTimeout \(default\): found 30s, expected timings that fit/,
    ],
    ['a lease of a day and a second', {argv: {...argv, leaseTimeout: '86401s'}}, /^leaseTimeout .*from 1s to 24h/],
    ['an open address without protection', {argv: {...argv, bindAddress: '0.0.0.0'}}, /^bindAddress .*loopback address/],
    ['a certificate without a key', {argv: {...argv, tlsCert: 'c.pem'}}, /^tlsKey .*private key/],
    [
      'a command and ensureActive',
      {argv: {...argv, ensureActive: '/a', ensurePassive: '/p'}, command: ['/svc']},
      /^service.command .*not both/,
    ],
    ['a command and a unit', {argv: {...argv, systemdUnit: 'shop'}, command: ['/svc']}, /^service.unit .*not both/],
    ['a unit that is a timer', {argv: {...argv, systemdUnit: 'shop.timer'}}, /^service.unit .*name of a service unit/],
    ['kind systemd without a unit', {env: {...around.env, HA_AGENT_SERVICE_KIND: 'systemd'}}, /^service.unit .*found nothing/],
    ['ensureActive alone', {argv: {...argv, ensureActive: '/a'}}, /^service.passive \(default\): found nothing/],
    [
      'persist disabled and a mode',
      {argv: {persist: 'disabled', highAvailability: 'master'}},
      /^highAvailability .*auto or disabled/,
    ],
    ['passive and master', {argv: {...argv, passive: true, highAvailability: 'master'}}, /^highAvailability .*standby/],
    ['an option given twice', {argv: {...argv, app: ['a', 'b']}}, /^app \(option --app\): found \["a","b"\], expected one value/],
    ['an app that leaves the directory', {argv: {...argv, app: '../x'}}, /^app /],
    ['a host name that is no node id', {hostname: '-.-'}, /^nodeId \(host name\): found "-.-"/],
    ['a password in a URL', {argv: {...argv, uri: 'http://me:secret@h/'}}, /^uri \(option --uri\): found "http:\/\/\*\*\*@h\/"/],
    [
      'an unclosed quote',
      {argv: {...argv, ensureActive: `/a 'b`, ensurePassive: '/p'}},
      /^service.active \(option --ensureActive\): .*closing '/,
    ],
    ['no home', {env: {}}, /^stateDir \(default\)/],
    [
      'a file that is not there',
      {argv: {...argv, config: '/nonexistent/ha.yaml'}},
      /^config \(\/nonexistent\/ha.yaml\): .*ENOENT/,
    ],
    ['a device as file', {argv: {...argv, config: '/dev/null'}}, /^config \(\/dev\/null\): .*not a regular file/],
    ['a directory without a config.json', {argv: {...argv, config: '/proc'}}, /^config \(\/proc\/config.json\): .*ENOENT/],
  ];
  for (const [name, input, pattern] of together) {
    it(`refuses ${name}`, async () => {
      const problems = await problemsOf(input);
      expect(problems).to.have.length(1);
      expect(problems[0]).to.match(pattern);
    });
  }

  const files: readonly (readonly [string, string, RegExp])[] = [
    ['a list', '- a\n', /^\(file\) .*:1\): found something else/],
    ['a key twice', 'app: a\napp: b\n', /^\(file\) .*:2\): .*unique/],
    ['a key by two names', 'nodeId: a\nid: b\n', /^nodeId .*:2\): found a second value.*:1 has it/],
    ['a key without a value', 'app: x\nlogFile:\n', /^logFile .*:2\): found nothing, expected the path/],
    ['a group that is none', 'service: yes please\n', /^service .*:1\): found "yes please", expected keys/],
    [
      'two kinds of service',
      'service:\n  kind: exec\n  command: /c\n  active: /a\n',
      /^service.active .*:4\): .*service.kind is exec/,
    ],
    [
      'an unquoted number in a command',
      'service:\n  command: [/c, 80]\n',
      /^service.command .*:2\): .*quote what is not a string/,
    ],
    ['two checks in one', 'health:\n  - {http: "http://a/", tcp: "a:1"}\n', /^health\[0\] .*:2\): .*exactly one/],
    [
      'an unknown part of a check',
      'health:\n  - tcp: a:1\n    retries: 2\n',
      /^health\[0\]\.retries .*:3\): found 2, expected no such key/,
    ],
    [
      'an alias bomb',
      `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nhealth: [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n`,
      /^\(file\) .*:4\): found an alias, .*xcessive/m,
    ],
  ];
  for (const [name, text, pattern] of files) {
    it(`refuses a file with ${name}`, async () => {
      const problems = await problemsOf({argv: {...argv, config: await write(text)}});
      if (name !== 'an alias bomb') expect(problems).to.have.length(1);
      expect(problems.join('\n')).to.match(pattern);
    });
  }

  it('accepts an empty file and an empty service', async () => {
    expect((await load({argv: {...argv, config: await write('')}})).service.kind).to.equal('none');
    expect((await load({argv: {...argv, config: await write('# nothing\nservice:\n')}})).service.kind).to.equal('none');
  });

  it('takes a loopback address in every spelling', async () => {
    for (const bindAddress of ['127.0.0.2', '::1', '0:0::1', '::ffff:127.0.0.1', '::FFFF:127.0.0.1', 'LOCALHOST'])
      expect((await load({argv: {...argv, bindAddress}})).http.bindAddress).to.equal(bindAddress);
  });

  it('shows the faults without a stack, and exits with 3', async () => {
    const error: unknown = await load({argv: {port: 'x'}}).catch((thrown: unknown) => thrown);
    expect(exitStatus(error)).to.equal(3);
    expect(describeError(error).split('\n')).to.have.length(4);
    expect(describeError(error)).to.match(
      /^the configuration has 2 faults\n {2}port .*\n {2}persistenceDir .*\n {2}what to do: /,
    );
  });
});

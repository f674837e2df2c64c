// Checks of every kind as they stand in a config file, and what is wrong with those that are not understood.
import {readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {expect} from 'chai';
import {loadConfig, type ConfigInput} from '../../lib/config/load.ts';
import {describeProblem, isHaError} from '../../lib/errors.ts';
import {repoRoot} from '../support/paths.ts';
import {useTempDir} from '../support/temp-dir.ts';

const around = {env: {HOME: '/home/u'}, cwd: '/work', hostname: 'n1', uid: 1_000};
const argv = {persistenceDir: '/mnt/ha'};

describe('the checks of a config file', () => {
  const dir = useTempDir();
  const load = (input: Partial<ConfigInput> = {}): ReturnType<typeof loadConfig> => loadConfig({...around, argv, ...input});
  const write = async (text: string): Promise<string> => {
    const file = join(dir(), 'ha.yaml');
    await writeFile(file, text);
    return file;
  };

  it('reads checks of every kind: the disk from everywhere, the service where it runs, a group as its members', async () => {
    const text = [
      'health:',
      '  - {http: "https://h/", ca: tls/ca.pem}',
      '  - {disk: data, free: 1GiB, period: 30s}',
      '  - {writable: /srv, failures: 0}',
      '  - {command: [/caught-up], on: standby, timeout: 1s}',
      '  - allOf: [{disk: /a}, {anyOf: [{writable: /b, timeout: 5s}]}]',
      '  - anyOf: [{tcp: "db1:5432"}, {disk: /c}]',
      '    on: always',
    ].join('\n');
    const {health} = await load({argv: {...argv, config: await write(text)}});
    const usual = {periodMs: 5_000, failures: 2};
    const timeoutMs = 3_000;
    const disk = (path: string, freeBytes = 10_485_760): object => ({kind: 'disk', path, freeBytes, timeoutMs});
    expect(health).to.deep.equal([
      {kind: 'http', url: 'https://h/', expect: undefined, ca: join(dir(), 'tls/ca.pem'), timeoutMs, on: 'active', ...usual},
      {...disk(join(dir(), 'data'), 1_024 ** 3), on: 'always', ...usual, periodMs: 30_000},
      {kind: 'writable', path: '/srv', timeoutMs, on: 'always', periodMs: 5_000, failures: 0},
      {kind: 'command', command: ['/caught-up'], timeoutMs: 1_000, on: 'standby', ...usual},
      {
        kind: 'allOf',
        of: [disk('/a'), {kind: 'anyOf', of: [{kind: 'writable', path: '/b', timeoutMs: 5_000}]}],
        on: 'always',
        ...usual,
      },
      {kind: 'anyOf', of: [{kind: 'tcp', host: 'db1', port: 5_432, timeoutMs}, disk('/c')], on: 'always', ...usual},
    ]);
  });

  it('reads what the migration page for Alien4Cloud proposes', async () => {
    const page = await readFile(join(repoRoot, 'examples/migration/alien4cloud.md'), 'utf8');
    const text = /```yaml\n([^]*?)```/.exec(page)?.[1] ?? '';
    const config = await load({argv: {config: await write(text)}});
    expect(config.health.map(({kind, on}) => `${kind} ${on}`)).to.deep.equal([
      'http active',
      'disk always',
      'writable always',
      'http always',
    ]);
    expect(config).to.deep.include({serviceUri: 'http://10.0.0.11:8088', warnings: []});
  });

  it('warns of checks of a service that there is none of', async () => {
    const file = await write('health: [{tcp: "a:1"}, {disk: /a}]\n');
    expect((await load({argv: {...argv, config: file}})).warnings.join()).to.match(/on: active.* there is no service/);
    expect((await load({argv: {...argv, config: file}, command: ['/bin/svc']})).warnings).to.deep.equal([]);
  });

  const files: readonly (readonly [string, string, RegExp])[] = [
    ['a group of nothing', 'health:\n  - anyOf: []\n', /^health\[0\]\.anyOf .*:2\): .*at least one check/],
    [
      'a pace inside a group',
      'health:\n  - anyOf:\n      - {tcp: "a:1"}\n      - {tcp: "a:2", period: 1s}\n',
      /^health\[0\]\.anyOf\[1\]\.period .*:4\): found "1s", expected no such key/,
    ],
    [
      'a timeout of a group',
      'health:\n  - anyOf: [{tcp: "a:1"}]\n    timeout: 1s\n',
      /^health\[0\]\.timeout .*:3\): .*beside anyOf/,
    ],
    [
      'a check at no time',
      'health: [{disk: /a, on: never}]\n',
      /^health\[0\]\.on .*:1\): found "never", expected active, always or/,
    ],
    [
      'a size without a unit',
      'health: [{disk: /a, free: 10}]\n',
      /^health\[0\]\.free .*:1\): found 10, expected a size with a unit/,
    ],
    [
      'a service that answers nowhere',
      'service: {uri: "http://a b:1/"}\n',
      /^service\.uri .*:1\): .*expected http, https or tcp/,
    ],
  ];
  for (const [name, text, pattern] of files) {
    it(`refuses ${name}`, async () => {
      const error: unknown = await load({argv: {...argv, config: await write(text)}}).catch((thrown: unknown) => thrown);
      if (!isHaError(error, 'config.invalid')) throw error;
      const problems = error.details.problems.map(describeProblem);
      expect(problems).to.have.length(1);
      expect(problems[0]).to.match(pattern);
    });
  }
});

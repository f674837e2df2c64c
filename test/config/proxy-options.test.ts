// The keys of "ha-agent proxy" in the config file that an agent has too.
import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {expect} from 'chai';
import {applyChanges} from '../../lib/config/changes.ts';
import {loadConfig, type ConfigInput} from '../../lib/config/load.ts';
import {describeProblem, isHaError} from '../../lib/errors.ts';
import {useTempDir} from '../support/temp-dir.ts';

const around = {env: {HOME: '/home/u'}, cwd: '/work', hostname: 'h', uid: 1_000};
const argv = {persistenceDir: '/mnt/ha'};
const load = (input: Partial<ConfigInput> = {}): ReturnType<typeof loadConfig> => loadConfig({...around, argv, ...input});

const problemsOf = (input: Partial<ConfigInput>): Promise<string[]> =>
  load(input).then(
    () => [],
    (error: unknown) => (isHaError(error, 'config.invalid') ? error.details.problems.map(describeProblem) : [String(error)]),
  );

describe('the keys of a proxy', () => {
  const dir = useTempDir();
  const write = async (text: string, name = 'ha.yaml'): Promise<string> => {
    const file = join(dir(), name);
    await writeFile(file, text);
    return file;
  };

  it('takes what a proxy needs from the file, the environment and its own command line, and minds it for a proxy only', async () => {
    const config = await write(
      'logFile: agent.log\nproxy:\n  template: mine.mustache\n  output: out.conf\n  hold: 5s\n  from: [http://a:1, http://b:1]\n',
    );
    const purpose = 'proxy';
    const {values, log} = await load({
      argv: {config, hold: '7s', check: 'nginx -t'},
      env: {...around.env, HA_AGENT_PROXY_LISTEN: '*:81'},
      purpose,
    });
    expect(values).to.deep.include({
      'proxy.template': join(dir(), 'mine.mustache'),
      'proxy.output': join(dir(), 'out.conf'),
      'proxy.from': ['http://a:1', 'http://b:1'],
      'proxy.check': ['nginx', '-t'],
      'proxy.reload': undefined,
      'proxy.listen': '*:81',
      'proxy.hold': 7_000,
      'proxy.holdAt': {host: '127.0.0.1', port: 8_099},
      persistenceDir: undefined,
    });
    // The agent's own: two programs must not rotate one file.
    expect(log.file).to.equal(undefined);
    expect((await load({argv: {config, logFile: '/p.log'}, purpose})).log.file).to.equal('/p.log');
    expect((await load({argv: {...argv, config}})).log.file).to.equal(join(dir(), 'agent.log'));
    expect((await load({argv: {persistenceDir: '/mnt/ha', template: 'haproxy', output: '/o'}, purpose})).values).to.include({
      'proxy.template': 'haproxy',
    });
    expect((await problemsOf({argv: {config}})).join()).to.match(/^persistenceDir/);
    expect((await problemsOf({argv, purpose})).join())
      .to.include('proxy.template')
      .and.include('proxy.output');
    const top = await write('template: nginx\n', 'top.yaml');
    expect((await problemsOf({argv: {...argv, config: top}})).join())
      .to.include('template')
      .and.include('an unknown key');
    const {changes} = applyChanges(await load({argv: {...argv, config}}), await load(), around);
    expect(changes.pending.map(({key}) => key)).to.deep.equal(['logFile']);
  });
});

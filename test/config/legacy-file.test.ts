// HAL's and PROM's config.json are config files too: the documented samples as they are, with ours over them, reloaded with the last good one kept.
import {copyFile, mkdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {expect} from 'chai';
import {describeChange} from '../../lib/config/changes.ts';
import type {Config} from '../../lib/config/config.ts';
import {loadConfig, type ConfigInput} from '../../lib/config/load.ts';
import {watchConfig, type ConfigWatch, type ReloadReport} from '../../lib/config/watch.ts';
import {describeProblem, isHaError} from '../../lib/errors.ts';
import {eventually} from '../support/eventually.ts';
import {repoRoot} from '../support/paths.ts';
import {useTempDir} from '../support/temp-dir.ts';

const around = {env: {HOME: '/h'}, cwd: '/work', hostname: 'h.example', uid: 1_000};
const sample = (name: string): string => join(repoRoot, 'test/fixtures/legacy', name);

describe("a config file of HAL's or PROM's", () => {
  const dir = useTempDir();
  const path = (name = 'config.json'): string => join(dir(), name);
  const load = (argv: Record<string, unknown>, rest: Partial<ConfigInput> = {}): Promise<Config> =>
    loadConfig({...around, purpose: 'launch', ...rest, argv: {persistenceDir: '/mnt/ha', ...argv}});
  const loadText = async (text: string, argv: Record<string, unknown> = {id: '0'}): Promise<Config> => {
    await writeFile(path(), text);
    return load({config: path(), ...argv});
  };

  it("P1: is the sample of HAL's documentation, as it is, which no JSON parser takes", async () => {
    const text = await readFile(sample('hal-readme.json'), 'utf8');
    expect(() => void JSON.parse(text)).to.throw(SyntaxError);
    const config = await load({config: sample('hal-readme.json'), id: '2'});
    expect(config).to.deep.include({app: 'votingAppBharath', nodeId: '2', highAvailability: 'auto'});
    expect(config.timing).to.include({
      leaseTimeoutMs: 50_000,
      stopTimeoutMs: 10_000,
      safetyMarginMs: 2_000,
      heartbeatIntervalMs: 1_000,
    });
    expect(config.service).to.deep.include({
      kind: 'ensure',
      active: ['/home/ubuntu/votingapp/ensureVotingAppRunning.sh', '2', 'active'],
      passive: ['/home/ubuntu/votingapp/ensureVotingAppRunning.sh', '2', 'passive'],
      attempts: 3,
      backoffMs: 0,
      monitorIntervalMs: 1_000,
      commandTimeoutMs: 500_000,
    });
    expect(Object.keys(config.restart.commands)).to.deep.equal(['0', '1', '3']);
    expect(config.restart.commands['3']).to.have.length(6).and.include('ubuntu@135.197.226.49');
    expect(config.warnings.join('\n')).to.match(/is read as HAL's\n.*musicLocation: no effect/);
  });

  it("P1: is the sample of PROM's documentation, as it is", async () => {
    const config = await load({config: sample('prom-readme.json'), i: '0'});
    expect(config).to.deep.include({app: 'votingAppBharath', nodeId: '0'});
    expect(config.service).to.deep.include({attempts: 3, backoffMs: 1_000, monitorIntervalMs: 1_000});
    expect(Object.keys(config.restart.commands)).to.deep.equal(['1', '2', '3']);
    expect(config.warnings.join('\n')).to.match(
      /read as PROM's\n.*aid, namespace, userid, password, music-location, music-version: no effect/,
    );
  });

  it('P1: is a file of HAL 2 with a node that begins passive, a quoted remote command and a short timeout', async () => {
    const config = await loadText(`{
      "appName":"sdnc",
      "start-as-active-0": "false",
      "ensure-active-0": "/opt/hal/active.sh", "ensure-active-1": "/opt/hal/active.sh",
      "ensure-passive-0":"/opt/hal/standby.sh", "ensure-passive-1":"/opt/hal/standby.sh",
      "restart-hal-0":"", "restart-hal-1":"ssh -i key me@10.0.0.1 'cd /opt/hal && ./restartHalIfDead.sh 1'",
      "core-monitor-sleep-time":"1000", "hal-timeout":"5000", "noOfRetryAttempts":"3",
      "replicaIdList":["0", "1"], "musicLocation":"10.0.0.9" }`);
    expect(config.highAvailability).to.equal('standby');
    expect(config.timing).to.deep.include({leaseTimeoutMs: 5_000, stopTimeoutMs: 3_333});
    expect(config.restart.commands['1']?.at(-1)).to.equal('cd /opt/hal && ./restartHalIfDead.sh 1');
    expect(config.warnings.join('\n')).to.contain('scaled down to stopTimeout 3333');
  });

  it('P1: is a file of PROM with keys of HAL in it, no app name, and no restarts', async () => {
    const config = await loadText(
      '{"appName":"","ensure-active-0":"./a.sh","ensure-passive-0":"./p.sh","restart-prom-0":"ssh ...","restart-prom-1":"",' +
        '"prom-timeout":"35000","noOfRetryAttempts":"2","restart-backoff-time":15000,"core-monitor-sleep-time":15000,' +
        '"replicaIdList":["0","1"],"musicLocation":"127.0.0.1","musicVersion":2,"music-connection-timeout-ms":1000}',
    );
    expect(config).to.deep.include({app: 'default', restart: {commands: {}, timeoutMs: 60_000, backoffMs: 10_000}});
    expect(config.service).to.deep.include({active: ['./a.sh'], attempts: 2, backoffMs: 15_000, monitorIntervalMs: 15_000});
  });

  it('is given as its directory, too, and its name is config.json then', async () => {
    await copyFile(sample('hal-readme.json'), path());
    const config = await load({config: dir(), c: dir(), id: '0'});
    expect([config.file, config.app]).to.deep.equal([path(), 'votingAppBharath']);
  });

  const needed = '"ensure-active-0":"a","ensure-passive-0":"p","timeout":"20000","noOfRetryAttempts":"3"';

  it('gives way to the command line and the environment', async () => {
    await writeFile(path(), `{"appName":"a","start-active-0":"false",${needed}}`);
    const argv = {config: path(), id: '0', app: 'b', leaseTimeout: '40s', highAvailability: 'master'};
    const config = await load(argv, {env: {...around.env, HA_AGENT_SERVICE_ATTEMPTS: '7'}});
    expect([config.app, config.timing.leaseTimeoutMs, config.highAvailability, config.service.attempts]).to.deep.equal([
      'b',
      40_000,
      'master',
      7,
    ]);
    const exec = await load({config: path(), id: 'elsewhere'}, {command: ['/bin/svc']});
    expect(exec.service).to.deep.include({kind: 'exec', command: ['/bin/svc'], attempts: 3});
  });

  it('may have keys of ours, which those daemons pass over, and which win over theirs', async () => {
    const ours =
      '"nodeId":"0","priority":5,"leaseTimeout":"21s","service":{"coolDown":"5s"},"health":[{"tcp":"h:1"}],"pidFile":"run/p"';
    const config = await loadText(`{"appName":"a",${needed},${ours},"note":"hello"}`, {});
    expect(config).to.deep.include({nodeId: '0', priority: 5, pidFile: path('run/p')});
    expect(config.timing.leaseTimeoutMs).to.equal(21_000);
    expect(config.service).to.deep.include({kind: 'ensure', coolDownMs: 5_000});
    expect(config.health).to.have.length(1);
    expect(config.warnings.join('\n')).to.contain('note: unknown, no effect');
  });

  it('P24: is refused with every fault at once, each with its key and its line', async () => {
    const text = '{"appName":"a",\n"timeout":"soon",\n"noOfRetryAttempts":0,\n"ensure-active-1":"a",\n"priority":"high"}';
    const error: unknown = await loadText(text).catch((thrown: unknown) => thrown);
    if (!isHaError(error, 'config.invalid')) throw error;
    const shown = error.details.problems.map(describeProblem).map((line) => line.replaceAll(dir(), ''));
    expect(shown).to.have.length(5);
    expect(shown).to.include(
      'timeout (/config.json:2): found "soon", expected a whole number of milliseconds from 1 to 86400000',
    );
    expect(shown).to.include('noOfRetryAttempts (/config.json:3): found 0, expected a whole number of attempts from 1 to 1000');
    expect(shown).to.include('priority (/config.json:5): found "high", expected a whole number');
    expect(shown.join()).to.contain('the file has those of 1');
  });

  it('P2: is refused with the line where it cannot be read', async () => {
    const error: unknown = await loadText('{"appName":"a",\n# comment\n"timeout":"1"}').catch((thrown: unknown) => thrown);
    if (!isHaError(error, 'config.invalid')) throw error;
    expect(error.details.problems.map(describeProblem).join()).to.match(/config\.json:2\): found "# comment", expected a key/);
  });

  it('tells other commands which cluster it is, without an id', async () => {
    const config = await load({config: sample('prom-readme.json')}, {purpose: undefined});
    expect([config.app, config.timing.leaseTimeoutMs]).to.deep.equal(['votingAppBharath', 50_000]);
  });

  describe('that changes', () => {
    let watch: ConfigWatch | undefined;
    const reports: ReloadReport[] = [];
    afterEach(async () => watch?.close());

    it('P20: is taken over, each change by name; of a truncated, an empty or an incomplete one nothing is, and the last good one stays', async () => {
      await mkdir(path('etc'));
      const file = path('etc/config.json');
      const good = await readFile(sample('hal-readme.json'), 'utf8');
      await writeFile(file, good);
      const again = (): Promise<Config> => load({config: path('etc'), id: '0'});
      const started = (watch = await watchConfig(await again(), {
        load: again,
        around,
        report: (report) => reports.push(report),
        intervalMs: 40,
      }));
      const activeNow = (): unknown =>
        started.config().service.kind === 'ensure' && Reflect.get(started.config().service, 'active');

      await writeFile(file, good.replace('ensureVotingAppRunning.sh 0 active', 'other.sh 0').replaceAll('50000', '60000'));
      await eventually(() => reports.some(({kind}) => kind === 'changed'));
      expect(activeNow()).to.deep.equal(['/home/ubuntu/votingapp/other.sh', '0']);
      const [changed] = reports.flatMap((report) => (report.kind === 'changed' ? [report.changes] : []));
      expect(changed?.pending.map(describeChange)).to.deep.equal(['leaseTimeout: 50s -> 1m']);

      for (const bad of [
        good.slice(0, 700),
        '',
        good.replace('ensure-passive-0', 'ensure-passive-9'),
        good.replace('"3",', '"0",'),
      ]) {
        const before = reports.length;
        await writeFile(file, bad);
        await eventually(() => reports.slice(before).some(({kind}) => kind === 'refused'));
        expect(activeNow()).to.deep.equal(['/home/ubuntu/votingapp/other.sh', '0']);
      }
      await writeFile(file, good);
      await eventually(() => JSON.stringify(activeNow()).includes('ensureVotingAppRunning'));
    });
  });
});

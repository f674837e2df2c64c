// "a bad one is reported in full and the last good one kept"; "command line over environment over file" holds for reloads too.
import {mkdir, rename, rm, symlink, utimes, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {expect} from 'chai';
import {describeChange} from '../../lib/config/changes.ts';
import {loadConfig} from '../../lib/config/load.ts';
import {watchConfig, type ConfigWatch, type ReloadReport} from '../../lib/config/watch.ts';
import {eventually} from '../support/eventually.ts';
import {useTempDir} from '../support/temp-dir.ts';

const around = {env: {HOME: '/h', HA_AGENT_LOG_LEVEL: 'warn'}, cwd: '/', hostname: 'h', uid: 1_000};

describe('watchConfig', () => {
  const dir = useTempDir();
  let watch: ConfigWatch | undefined;
  let reports: ReloadReport[] = [];
  const path = (name: string): string => join(dir(), name);

  beforeEach(() => {
    reports = [];
  });
  afterEach(async () => {
    await watch?.close();
    watch = undefined;
  });

  async function start(text: string, extra: Record<string, unknown> = {}, before?: () => Promise<void>): Promise<ConfigWatch> {
    if (text !== '') await writeFile(path('ha.yaml'), text);
    const argv = {persistenceDir: '/mnt/ha', config: path('ha.yaml'), ...extra};
    const load = (): ReturnType<typeof loadConfig> => loadConfig({...around, argv});
    const config = await load();
    await before?.();
    watch = await watchConfig(config, {load, around, report: (report) => reports.push(report), intervalMs: 40});
    return watch;
  }

  const changed = (): string[] =>
    reports.flatMap((report) =>
      report.kind === 'changed'
        ? [
            ...report.changes.applied.map(describeChange),
            ...report.changes.pending.map((change) => `later ${describeChange(change)}`),
          ]
        : [],
    );

  it('applies what may change, and names the rest with both values', async () => {
    const {config} = await start('priority: 1\n').then((started) => ({config: () => started.config()}));
    await writeFile(path('ha.yaml'), 'priority: 2\nleaseTimeout: 60s\nservice: {attempts: 9}\nhealth: [{tcp: "a:1"}]\n');
    await eventually(() => config().priority === 2);
    expect(config().timing.leaseTimeoutMs).to.equal(30_000);
    expect(config().service.attempts).to.equal(9);
    expect(config().health).to.have.length(1);
    await eventually(() => changed().length >= 4);
    expect(changed()).to.include.members(['priority: 1 -> 2', 'service.attempts: 3 -> 9', 'later leaseTimeout: 30s -> 1m']);
  });

  it('keeps the last good one and reports a bad one in full, once', async () => {
    const started = await start('priority: 1\n');
    await writeFile(path('ha.yaml'), 'priority: x\nnodeid: n\n');
    const refused = await eventually(() => reports.find((report) => report.kind === 'refused'));
    expect(refused.error.details.problems).to.have.length(2);
    expect(started.config().priority).to.equal(1);
    await writeFile(path('ha.yaml'), 'priority: 3\n');
    await eventually(() => started.config().priority === 3);
    expect(reports.filter((report) => report.kind === 'refused')).to.have.length(1);
  });

  it('lets command line and environment win as before', async () => {
    const started = await start('priority: 1\n', {priority: '7'});
    await writeFile(path('ha.yaml'), 'priority: 2\nlogLevel: debug\nservice: {attempts: 5}\n');
    await eventually(() => started.config().service.attempts === 5);
    expect(started.config().priority).to.equal(7);
    expect(started.config().log.level).to.equal('warn');
  });

  it('sees a file that is replaced by a rename, again and again', async () => {
    const started = await start('priority: 1\n');
    for (const priority of [2, 3, 4]) {
      await writeFile(path('new'), `priority: ${priority}\n`);
      await rename(path('new'), path('ha.yaml'));
      await eventually(() => started.config().priority === priority);
    }
  });

  it('sees a symlink swapped to a file of the same size that is older', async () => {
    await mkdir(path('a'));
    await mkdir(path('b'));
    await writeFile(path('a/ha.yaml'), 'priority: 1\n');
    await writeFile(path('b/ha.yaml'), 'priority: 2\n');
    await utimes(path('b/ha.yaml'), 1_000, 1_000);
    await symlink('a', path('data'));
    await symlink('data/ha.yaml', path('ha.yaml'));
    const started = await start('');
    await symlink('b', path('data.new'));
    await rename(path('data.new'), path('data'));
    await eventually(() => started.config().priority === 2);
  });

  it('says that the file is gone, keeps what it had, and takes it over when it is back', async () => {
    const started = await start('priority: 1\n');
    await rm(path('ha.yaml'));
    await eventually(() => reports.some((report) => report.kind === 'gone'));
    expect(started.config().priority).to.equal(1);
    await writeFile(path('ha.yaml'), 'priority: 5\n');
    await eventually(() => started.config().priority === 5);
    await writeFile(path('ha.yaml'), 'priority: 6\n');
    await eventually(() => started.config().priority === 6);
    expect(reports.filter((report) => report.kind === 'gone')).to.have.length(1);
  });

  it('notices a change made between loading and watching', async () => {
    const started = await start('priority: 1\n', {}, () => writeFile(path('ha.yaml'), 'priority: 2\n'));
    await eventually(() => started.config().priority === 2);
  });

  it('reads on demand, and reports that too', async () => {
    const started = await start('priority: 1\n');
    expect((await started.reload()).kind).to.equal('unchanged');
    await writeFile(path('ha.yaml'), 'priority: 2\n');
    expect(['changed', 'unchanged']).to.include((await started.reload()).kind);
    expect(started.config().priority).to.equal(2);
  });

  it('does not watch a file in the shared directory, but reads it on demand', async () => {
    const started = await start('priority: 1\n', {persistenceDir: dir()});
    expect(reports.map((report) => report.kind)).to.deep.equal(['notWatched']);
    await writeFile(path('ha.yaml'), 'priority: 2\n');
    expect((await started.reload()).kind).to.equal('changed');
  });
});

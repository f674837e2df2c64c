// The local state survives crashes whole, says what is wrong with it, and belongs to one living agent.
import {mkdir, readdir, readFile, stat, symlink, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {expect} from 'chai';
import {openLocalState, readLocalState} from '../../lib/agent/local-state.ts';
import {describeError, exitStatus, HaError} from '../../lib/errors.ts';
import {bootId, identityOf} from '../../lib/guardian/proc.ts';
import {epoch, instanceId} from '../../lib/protocol/words.ts';
import {endAllStandIns, endStandIn, startStandIn} from '../support/agent-stand-in.ts';
import {useTempDir} from '../support/temp-dir.ts';

const ME = instanceId('89abcdef');

describe('openLocalState', () => {
  const dir = useTempDir();
  const stateDir = (): string => join(dir(), 'a/b/state');
  const path = (name: string): string => join(stateDir(), name);
  afterEach(endAllStandIns);

  const refused = async (work: Promise<unknown>): Promise<HaError> => {
    const error: unknown = await work.catch((thrown: unknown) => thrown);
    if (!(error instanceof HaError)) throw new Error(`expected a refusal, got ${String(error)}`);
    return error;
  };

  it('makes a private directory with private files, and leaves nothing else in it', async () => {
    const state = await openLocalState(stateDir());
    await state.claim(ME);
    await state.rememberEpoch('store1', epoch(3));
    await state.setGuardian({pid: 7});
    expect((await stat(stateDir())).mode & 0o777).to.equal(0o700);
    expect((await readdir(stateDir())).sort()).to.deep.equal(['agent.json', 'guardian.json', 'node.json']);
    for (const name of await readdir(stateDir())) expect((await stat(path(name))).mode & 0o777).to.equal(0o600);
  });

  it('makes an open directory private, and clears what a crash left half written', async () => {
    await mkdir(stateDir(), {recursive: true, mode: 0o755});
    await writeFile(path('.node.json.123.0123abcd.new'), '{"sto');
    const state = await openLocalState(stateDir());
    expect((await stat(stateDir())).mode & 0o777).to.equal(0o700);
    await state.claim(ME);
    expect(await readdir(stateDir())).to.deep.equal(['agent.json']);
  });

  it('knows nothing at first', async () => {
    const state = await openLocalState(stateDir());
    expect([await state.knownStore(), await state.agent(), await state.liveAgent(), await state.guardian()]).to.deep.equal([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('remembers the largest epoch, durably, and only when it grew', async () => {
    const state = await openLocalState(stateDir());
    await Promise.all([3, 9, 5, 9, 1].map((n) => state.rememberEpoch('store1', epoch(n))));
    expect(await (await openLocalState(stateDir())).knownStore()).to.deep.equal({storeId: 'store1', epoch: 9});
    const {mtimeNs, ino} = await stat(path('node.json'), {bigint: true});
    for (let i = 0; i < 100; i++) await state.rememberEpoch('store1', epoch(9));
    expect(await stat(path('node.json'), {bigint: true})).to.include({mtimeNs, ino});
    expect(await readFile(path('node.json'), 'utf8')).to.equal('{"storeId":"store1","epoch":9}\n');
  });

  it('does not forget its store for another one, but by decision', async () => {
    const state = await openLocalState(stateDir());
    await state.rememberEpoch('store1', epoch(9));
    const again = await openLocalState(stateDir());
    const error = await refused(again.rememberEpoch('store2', epoch(100)));
    expect(error.code).to.equal('store.notOurs');
    expect(await again.knownStore()).to.deep.equal({storeId: 'store1', epoch: 9});
    await again.adoptStore({storeId: 'store2', epoch: epoch(4)});
    await again.rememberEpoch('store2', epoch(5));
    expect(await (await openLocalState(stateDir())).knownStore()).to.deep.equal({storeId: 'store2', epoch: 5});
  });

  it('can be looked at without being made', async () => {
    const state = readLocalState(stateDir());
    expect([await state.agent(), await state.knownStore(), await state.liveAgent()]).to.deep.equal([
      undefined,
      undefined,
      undefined,
    ]);
    expect(await readdir(dir())).to.deep.equal([]);
  });

  it('keeps the record of the guardian as it was given', async () => {
    const state = await openLocalState(stateDir());
    const record = {pid: 7, nested: {list: [1, 'x', null]}};
    await state.setGuardian(record);
    expect(await (await openLocalState(stateDir())).guardian()).to.deep.equal(record);
    await state.setGuardian(undefined);
    expect(await state.guardian()).to.equal(undefined);
    await state.setGuardian(undefined);
  });

  const damaged: readonly (readonly [string, 'node' | 'agent' | 'guardian', string])[] = [
    ['an empty node.json', 'node', ''],
    ['half a node.json', 'node', '{"storeId":"s","ep'],
    ['an epoch that is none', 'node', '{"storeId":"s","epoch":-1}'],
    ['a fractional epoch', 'node', '{"storeId":"s","epoch":1.5}'],
    ['no store', 'node', '{"epoch":1}'],
    ['a list', 'node', '[]'],
    ['an agent without a pid', 'agent', '{"startTicks":1,"bootId":"b","instanceId":"0123abcd","pidNamespace":"p","url":null}'],
    [
      'an agent whose instance is none',
      'agent',
      '{"pid":1,"startTicks":1,"bootId":"b","instanceId":"x","pidNamespace":"p","url":null}',
    ],
    ['binary nonsense', 'guardian', '\u0000\u0001'],
    ['two megabytes', 'guardian', `"${'x'.repeat(2_000_000)}"`],
  ];
  for (const [name, which, content] of damaged) {
    it(`says what to do about ${name}`, async () => {
      const state = await openLocalState(stateDir());
      await writeFile(path(`${which}.json`), content);
      const error = await refused(which === 'node' ? state.knownStore() : which === 'agent' ? state.claim(ME) : state.guardian());
      expect(error.code).to.equal('state.corrupt');
      expect(describeError(error))
        .to.include(path(`${which}.json`))
        .and.to.include('--stateDir');
      expect(exitStatus(error)).to.equal(3);
      expect(await readFile(path(`${which}.json`), 'utf8')).to.equal(content);
    });
  }

  it('follows no link', async () => {
    const state = await openLocalState(stateDir());
    await writeFile(join(dir(), 'elsewhere'), '{"storeId":"s","epoch":1}');
    await symlink(join(dir(), 'elsewhere'), path('node.json'));
    expect((await refused(state.knownStore())).code).to.equal('state.corrupt');
  });

  it('refuses places where no directory can be', async () => {
    await writeFile(join(dir(), 'file'), '');
    for (const place of [join(dir(), 'file'), join(dir(), 'file/below'), '/proc/nope/state', '/dev/null/x']) {
      const error = await refused(openLocalState(place));
      expect(error.code, place).to.equal('state.unusable');
      expect(error.hint).to.include('--stateDir');
    }
  });

  describe('claim', () => {
    it('notes who this agent is, and hands over who was before', async () => {
      const first = startStandIn('', stateDir());
      expect(await first.outcome).to.equal('ready');
      await endStandIn(first, 'SIGKILL');
      const state = await openLocalState(stateDir());
      const before = await state.claim(ME);
      expect(before).to.deep.include({pid: first.pid, instanceId: '0123abcd', bootId: bootId()});
      expect(await state.agent()).to.deep.include({...identityOf(process.pid), instanceId: ME, url: null});
      await state.setUrl('http://127.0.0.1:8081/');
      expect((await state.agent())?.url).to.equal('http://127.0.0.1:8081/');
      expect(await state.liveAgent()).to.equal(undefined);
    });

    it('notes whether this agent has a cluster', async () => {
      const state = await openLocalState(stateDir());
      await state.claim(ME, 'alone');
      await state.setUrl(null);
      expect(await state.agent()).to.have.property('alone', true);
      await state.claim(ME);
      expect(await state.agent()).not.to.have.property('alone');
    });

    it('is refused while the agent lives, stopped or not', async () => {
      const other = startStandIn('', stateDir());
      await other.outcome;
      const state = await openLocalState(stateDir());
      for (const stopped of [false, true]) {
        if (stopped) other.child.kill('SIGSTOP');
        const error = await refused(state.claim(ME));
        expect(error.code).to.equal('state.live');
        expect(error.details).to.deep.equal({stateDir: stateDir(), pid: other.pid, stopped});
        for (const option of ['--nodeId', '--stateDir', '--replace']) expect(error.hint).to.include(option);
        expect(exitStatus(error)).to.equal(3);
        expect(await state.liveAgent()).to.deep.include({pid: other.pid, stopped});
      }
      await endStandIn(other, 'SIGKILL');
      await state.claim(ME);
    });

    it('is not refused because of a number alone', async () => {
      const other = startStandIn('', '');
      await other.outcome;
      const state = await openLocalState(stateDir());
      const record = {...identityOf(other.pid), startTicks: 1, instanceId: '0123abcd', pidNamespace: 'pid:[1]', url: null};
      await writeFile(path('agent.json'), JSON.stringify(record));
      expect(await state.claim(ME)).to.deep.include({pid: other.pid});
    });

    it('succeeds for exactly one of many at once', async function () {
      this.timeout(60_000);
      const gate = Date.now() + 1_500;
      const rivals = Array.from({length: 5}, () => startStandIn('', stateDir(), gate));
      const outcomes = await Promise.all(rivals.map((rival) => rival.outcome));
      expect([...outcomes].sort()).to.deep.equal(['ready', ...Array.from({length: 4}, () => 'state.live')]);
      const state = await openLocalState(stateDir());
      expect((await state.agent())?.pid).to.equal(rivals[outcomes.indexOf('ready')]?.pid);
      expect(await readdir(stateDir())).to.deep.equal(['agent.json']);
    });
  });
});

// The hooks come at the right moments, one at a time and in order, each with its environment; a slow one delays, it loses nothing.
import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {expect} from 'chai';
import {createHooks, hooksDue, NOTHING_SEEN, type HookName, type Moment, type Seen} from '../../lib/service/hooks.ts';
import {scriptRunner} from '../../lib/service/script.ts';
import {eventually} from '../support/eventually.ts';
import {useTempDir} from '../support/temp-dir.ts';

const moment = (changes: Partial<Moment>): Moment => ({
  state: 'STANDBY',
  masterId: null,
  masterUri: null,
  serviceFailures: 0,
  ...changes,
});
const led = (masterId: string): Partial<Moment> => ({masterId, masterUri: `http://${masterId}/`});

/** @returns the hooks that are due at each of these moments. */
function story(...moments: readonly Partial<Moment>[]): readonly (readonly HookName[])[] {
  let seen: Seen = NOTHING_SEEN;
  return moments.map((each) => {
    const {due, seen: next} = hooksDue(seen, moment(each));
    seen = next;
    return due;
  });
}

describe('the moments of the hooks', () => {
  const table: readonly (readonly [what: string, moments: readonly Partial<Moment>[], due: readonly (readonly HookName[])[]])[] =
    [
      [
        'a node that becomes master and ends',
        [
          {state: 'INITIALIZING'},
          {},
          {state: 'INITIALIZING', ...led('n1')},
          {state: 'MASTER', ...led('n1')},
          {state: 'TERMINATED'},
        ],
        [[], ['onPassive'], ['onLeaderChange'], ['onActive'], ['onPassive', 'onLeaderChange']],
      ],
      [
        'a standby that sees masters come and go',
        [led('n1'), led('n1'), {}, led('n2')],
        [['onPassive', 'onLeaderChange'], [], ['onLeaderChange'], ['onLeaderChange']],
      ],
      [
        'a leader of whom it is not known yet where it answers',
        [{}, {masterId: 'n1'}, led('n1')],
        [['onPassive'], [], ['onLeaderChange']],
      ],
      ['the same state again', [{state: 'MASTER'}, {state: 'MASTER'}], [['onActive'], []]],
      [
        'a service that fails and comes back under the same lease',
        [{state: 'MASTER'}, {state: 'INITIALIZING', serviceFailures: 1}, {state: 'MASTER', serviceFailures: 1}],
        [['onActive'], ['onFault', 'onPassive'], ['onActive']],
      ],
      ['a store that is not the one', [{}, {state: 'FAILED'}, {state: 'FAILED'}, {}], [['onPassive'], ['onFault'], [], []]],
      ['a node that never begins', [{state: 'INITIALIZING'}, {state: 'TERMINATED'}], [[], []]],
    ];
  for (const [what, moments, due] of table) {
    it(what, () => {
      expect(story(...moments)).to.deep.equal(due);
    });
  }
});

describe('hooks', () => {
  const dir = useTempDir();
  const said: string[] = [];
  const log = {info: (text: string) => said.push(text), warn: (text: string) => said.push(text)};
  const none = {onActive: undefined, onPassive: undefined, onLeaderChange: undefined, onFault: undefined, timeoutMs: 10_000};
  const lines = async (): Promise<readonly string[]> => (await readFile(join(dir(), 'log'), 'utf8')).trim().split('\n');
  const writes = (text: string): readonly string[] => ['sh', '-c', `${text}; echo "$HA_BECAUSE" >> log; echo printed`];
  beforeEach(() => (said.length = 0));

  it('run one at a time and in order, and the end of the node waits for them', async () => {
    const hooks = createHooks({...none, onPassive: writes('sleep 0.3'), onActive: writes(':')}, scriptRunner(log, dir()), log);
    hooks.run('onPassive', {...process.env, HA_BECAUSE: 'first'});
    hooks.run('onActive', {...process.env, HA_BECAUSE: 'second'});
    hooks.run('onFault', process.env);
    hooks.run('onPassive', {...process.env, HA_BECAUSE: 'third'});
    await hooks.close();
    expect(await lines()).to.deep.equal(['first', 'second', 'third']);
    await eventually(() => said.filter((text) => text === 'printed').length === 3);
    expect(said).to.include('the hook onActive has run: exit status 0');
  });

  it('that hang or fail are said so, and the next one runs', async () => {
    const hooks = createHooks(
      {...none, timeoutMs: 200, onFault: ['sleep', '60'], onActive: ['/no/such/program'], onPassive: writes(':')},
      scriptRunner(log, dir()),
      log,
    );
    hooks.run('onFault', process.env);
    hooks.run('onActive', process.env);
    hooks.run('onPassive', {...process.env, HA_BECAUSE: 'after all'});
    await eventually(async () => (await lines().catch((): readonly string[] => [])).includes('after all'));
    expect(said.join('\n')).to.match(
      /onFault has failed: still running after 200 ms, killed\n.*onActive has failed: could not be started: .*ENOENT/,
    );
  });

  it('at the end of the node have the time of one hook, and no more', async () => {
    const hooks = createHooks({...none, timeoutMs: 300, onFault: ['sleep', '0.25']}, scriptRunner(log, dir()), log);
    for (let i = 0; i < 20; i++) hooks.run('onFault', process.env);
    await hooks.close();
    expect(said.filter((text) => text.includes('is not run: the agent ends')).length).to.be.greaterThan(15);
  });

  it('are others after a change of the configuration', async () => {
    const hooks = createHooks({...none, onActive: writes('echo before >> log')}, scriptRunner(log, dir()), log);
    hooks.configure({...none, onActive: writes('echo now >> log')});
    hooks.run('onActive', {...process.env, HA_BECAUSE: ''});
    await hooks.close();
    expect((await lines())[0]).to.equal('now');
  });
});

// Beside the service: the master restarts whoever is silent, also after a clean end, but not itself, and nobody under a pause; hooks follow events.
import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {expect} from 'chai';
import {attend, type AttendantsBench} from '../../lib/cli/launch-attendants.ts';
import {loadConfig} from '../../lib/config/load.ts';
import {createLogger} from '../../lib/log/log.ts';
import {handClock} from '../agent/stubs.ts';
import {fakeAgent, node} from '../http/fake-agent.ts';
import {eventually} from '../support/eventually.ts';
import {useTempDir} from '../support/temp-dir.ts';

describe('the attendants of a node', () => {
  const dir = useTempDir();
  const told = async (): Promise<readonly string[]> =>
    (await readFile(join(dir(), 'told'), 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
  const tells = (words: string): readonly string[] => ['sh', '-c', `echo "${words}" >> ${join(dir(), 'told')}`];

  async function bench(keys: object): Promise<AttendantsBench> {
    const around = {env: {HOME: '/h'}, cwd: dir(), hostname: 'n1', uid: 1_000};
    const argv = {persistenceDir: '/mnt/ha', nodeId: 'n1', heartbeatInterval: '10ms'};
    const loaded = await loadConfig({...around, argv});
    const config = {...loaded, ...keys};
    const log = await createLogger({level: 'error', format: 'text', console: 'none'});
    return {config, clock: handClock(), log, closers: []};
  }
  const close = async ({closers}: AttendantsBench): Promise<void> => {
    for (const end of closers) await end();
  };

  it('restart silent peers when this node is master, and nobody else', async () => {
    const commands = Object.fromEntries(['n1', 'n2', 'n3', 'n4'].map((id) => [id, tells(`$HA_PEER_ID $HA_ROLE $HA_MASTER_ID`)]));
    const built = await bench({restart: {commands, timeoutMs: 10_000, backoffMs: 3_600_000}});
    const agent = fakeAgent('STANDBY');
    const silent = 3_600_000;
    agent.set({
      paused: true,
      nodes: [
        node('n1', 'MASTER', {lastSeenMs: silent}),
        node('n2', 'STANDBY', {lastSeenMs: 10}),
        node('n3', 'FAILED', {lastSeenMs: silent}),
        node('n4', 'TERMINATED', {lastSeenMs: silent}),
      ],
    });
    let looks = 0;
    const port = {...agent, status: () => (looks++, agent.status())};
    attend(built, port);
    await eventually(() => looks > 3);
    agent.set({state: 'MASTER', masterId: 'n1'});
    looks = 0;
    await eventually(() => looks > 3);
    expect(await told(), 'while it stands by, and while the cluster is paused').to.deep.equal([]);
    agent.set({paused: false, mode: 'disabled'});
    looks = 0;
    await eventually(() => looks > 3);
    expect(await told(), 'of a node that serves alone').to.deep.equal([]);
    agent.set({mode: 'auto'});
    await eventually(async () => (await told()).length === 2);
    expect([...(await told())].sort()).to.deep.equal(['n3 active n1', 'n4 active n1']);
    await close(built);
  });

  it('run hooks at every event, however quickly one follows another, and take over other ones', async () => {
    const hooks = {onLeaderChange: undefined, onFault: undefined, timeoutMs: 10_000};
    const built = await bench({hooks: {...hooks, onActive: tells('active'), onPassive: tells('passive')}});
    const agent = fakeAgent('STANDBY');
    const attendants = attend(built, agent);
    for (const state of ['STANDBY', 'MASTER', 'INITIALIZING', 'MASTER'] as const) {
      agent.set({state});
      agent.emit('state', state);
    }
    await eventually(async () => (await told()).length === 4);
    attendants.configure({...built.config, hooks: {...hooks, onActive: undefined, onPassive: tells('ended')}});
    agent.set({state: 'TERMINATED'});
    await close(built);
    expect(await told()).to.deep.equal(['passive', 'active', 'passive', 'active', 'ended']);
    expect(agent.listeners()).to.equal(0);
  });
});

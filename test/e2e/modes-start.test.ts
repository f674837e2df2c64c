// End to end: the modes that a node may start in, and the states that it shows, from an empty directory to the last eligible node.
import {spawn} from 'node:child_process';
import {mkdtempSync, readdirSync} from 'node:fs';
import {join} from 'node:path';
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {locksIn} from './store-support/places.ts';
import {together} from './store-support/together.ts';
import {withCluster} from './support/cluster.ts';
import {CLI} from './support/command.ts';

const LIMIT_MS = 45_000;

describe('the modes', () => {
  together({
    'S1, S3, S4, S8: wait in an empty directory and say what for; standbys take no virgin store but follow a first master; a backup never takes over':
      async () => {
        await withCluster({nodes: ['auto', 'standby', 'hot', 'backup'], timings: {leaseTimeout: '60s'}}, async (cluster) => {
          const {persistenceDir} = cluster;
          const [auto, standby, hot, backup] = ['auto', 'standby', 'hot', 'backup'].map((id) => cluster.node(id));
          await standby!.launch('--highAvailability', 'standby');
          await hot!.launch('--highAvailability', 'hot_standby');
          await backup!.launch('--high-availability', 'hot_backup');
          await auto!.launch();
          for (const node of cluster.nodes) {
            const hint = `create it once with "ha-agent init --persistenceDir ${persistenceDir}"`;
            const says = `no store at ${persistenceDir} yet: is the share mounted? ${hint}`;
            await eventually(async () => (await node.state()).because === says, LIMIT_MS, `${node.id} does not say what for`);
            expect((await node.state()).state).to.equal('INITIALIZING');
            expect((await node.get('/health')).status).to.equal(200);
          }
          expect(readdirSync(persistenceDir)).to.deep.equal([]);
          await auto!.terminate();

          await cluster.init();
          for (const [node, state] of [
            [standby!, 'STANDBY'],
            [hot!, 'HOT_STANDBY'],
          ] as const) {
            await node.untilState(state);
            await eventually(async () => (await node.state()).because.startsWith('waiting for a first master: '), LIMIT_MS);
          }
          expect((await backup!.untilState('HOT_BACKUP')).because).to.equal('never elected in mode hot_backup');
          expect(locksIn(cluster)).to.deep.include.members([{kind: 'free', epoch: 0, writer: undefined, attempt: 0}]);

          await auto!.launch();
          await cluster.untilMaster('auto');
          // Each death is the whole of the agent alone: its guardian releases, and the next one is there at once.
          await auto!.kill('agent');
          const next = await cluster.untilMaster();
          expect(['standby', 'hot']).to.include(next.id);
          await next.kill('agent');
          const last = await cluster.untilMaster(next === hot ? 'standby' : 'hot');
          await last.kill('agent');
          await eventually(() => locksIn(cluster)[0]?.kind === 'free', LIMIT_MS, 'the last master is not released');
          await eventually(async () => (await backup!.state()).masterId === null, LIMIT_MS);
          expect((await backup!.state()).state).to.equal('HOT_BACKUP');
          expect(locksIn(cluster)[0]?.kind).to.equal('free');
        });
      },

    'S2: master leaves a live master alone with exit 3, and waits the silence of a dead one out; so does disabled beside live nodes':
      async () => {
        await withCluster({nodes: ['n1', 'n2', 'n3'], timings: {leaseTimeout: '10s'}}, async (cluster) => {
          await cluster.init();
          const master = cluster.node('n1');
          await master.launch();
          await cluster.untilMaster('n1');
          const before = await master.served();
          const insisting = cluster.node('n2');
          insisting.start('--highAvailability', 'master');
          expect((await insisting.exit()).code).to.equal(3);
          expect(insisting.log()).to.contain('n1 is master under epoch 1 and renews its lease: use --highAvailability auto');
          const alone = cluster.node('n3');
          alone.start('--highAvailability', 'disabled');
          expect((await alone.exit()).code).to.equal(3);
          expect(alone.log())
            .to.match(/the store at \S+ has live nodes: n1/)
            .and.to.contain('what to do: use --highAvailability auto');
          expect(await master.served()).to.deep.equal(before);

          await master.kill('agent', 'guardian');
          await insisting.launch('--highAvailability', 'master');
          await cluster.untilMaster('n2');
          const silence = {epoch: 2, why: 'silence', because: 'n1 had been silent for the whole lease'};
          const told = await cluster.untilTold((records) => expect(records.at(-1)).to.deep.include(silence));
          expect(told.at(-1)?.phasesMs.detected).to.equal(10_000);
        });
      },

    'master creates the store where there is none and waits one lease timeout; a node that knew another store refuses':
      async () => {
        await withCluster({nodes: ['n1'], timings: {leaseTimeout: '5s'}}, async (cluster) => {
          const node = cluster.node('n1');
          await node.launch('--highAvailability', 'master');
          await cluster.untilMaster('n1');
          const silence = {epoch: 1, why: 'silence', because: 'the store was new, and one lease timeout was over'};
          const [record] = await cluster.untilTold((records) => expect(records[0]).to.deep.include(silence));
          expect(record?.from.lockName).to.equal('0000000000.held.-.-.5000.0');
          expect(node.log()).to.contain('everybody waits one lease timeout before the first claim');
          await node.terminate();

          const elsewhere = mkdtempSync(join(cluster.root, 'elsewhere-'));
          expect((await cluster.cli('init', '--persistenceDir', elsewhere)).code).to.equal(0);
          node.start('--persistenceDir', elsewhere);
          expect((await node.exit()).code).to.equal(3);
          expect(node.log())
            .to.match(/is the store \w{16}, but this node has known \w{16}/)
            .and.to.contain('--stateDir');
          expect(readdirSync(join(elsewhere, 'default', 'nodes'))).to.deep.equal([]);

          // The same holds for a store that is not there: a node that knew one makes none.
          const empty = mkdtempSync(join(cluster.root, 'empty-'));
          await node.launch('--persistenceDir', empty, '--highAvailability', 'master');
          const says = /the store \w{16} is not at \S+: is the share mounted\?/;
          await eventually(async () => says.test((await node.state()).because), LIMIT_MS, 'it does not say what it waits for');
          expect(readdirSync(empty)).to.deep.equal([]);
        });
      },

    'A22, S9: disabled serves without a store, touches none, and says that nobody takes over': async () => {
      await withCluster({nodes: ['n1']}, async (cluster) => {
        await cluster.init();
        const node = cluster.node('n1');
        await node.launch('--highAvailability', 'disabled');
        await node.untilState('MASTER');
        expect(node.stdout()).to.contain('without a lease nobody else takes over');
        expect((await node.served()).epoch).to.equal('0');
        expect((await node.get('/master')).status).to.equal(200);
        expect((await node.get('/v1/server/ha/state')).text).to.equal('"MASTER"');
        const view = await node.state();
        expect([view.masterId, Object.keys(view.nodes)]).to.deep.equal(['n1', ['n1']]);
        expect(locksIn(cluster)).to.deep.equal([{kind: 'free', epoch: 0, writer: undefined, attempt: 0}]);
        expect(await cluster.history()).to.deep.equal([]);

        // Without a lease nothing would say for how long the service is kept.
        const before = await node.served();
        const own = ['--highAvailability', 'disabled', '--nodeId', 'n1', '--stateDir', node.stateDir];
        const kept = await cluster.cli('stop', '--keepService', ...own);
        expect(kept.code).to.equal(3);
        expect(kept.stderr).to.contain('there is no lease').and.to.contain('leave out --keepService');
        node.signal('SIGUSR2', 'agent');
        await eventually(() => node.log().includes('SIGUSR2 is not followed'), LIMIT_MS, 'the signal is not answered');
        expect(await node.served()).to.deep.equal(before);
        expect(await node.terminate()).to.deep.equal({code: 0, signal: null});
      });
    },

    'disabled without any store is asked and stopped by the options of its launch': async () => {
      await withCluster({nodes: []}, async (cluster) => {
        for (const mode of [
          ['--highAvailability', 'disabled'],
          ['--persist', 'disabled'],
        ]) {
          const own = [...mode, '--nodeId', 'solo', '--stateDir', join(cluster.root, 'solo')];
          const launch = ['launch', ...own, '--port', '0', '--', 'sleep', '1000'];
          const agent = spawn(process.execPath, [CLI, ...launch], {
            cwd: cluster.root,
            env: cluster.environment(),
            stdio: 'ignore',
          });
          const ended = new Promise((resolve) => agent.once('exit', resolve));
          await eventually(async () => (await cluster.cli('state', ...own)).stdout === 'MASTER\n', LIMIT_MS, 'it is not asked');
          expect(await cluster.cli('stop', ...own)).to.deep.include({code: 0, stdout: `stopped process ${agent.pid ?? 0}\n`});
          expect(await ended).to.equal(0);
        }
      });
    },
  });
});

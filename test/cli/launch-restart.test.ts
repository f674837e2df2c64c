// What a restarted node finds: leftovers, a guardian with another setup, a store that was accepted without it.
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {expect} from 'chai';
import {formatKept} from '../../lib/agent/kept-guardians.ts';
import {settleEarlier} from '../../lib/cli/launch-earlier.ts';
import {markerText} from '../../lib/guardian/containment.ts';
import {identityOf} from '../../lib/guardian/proc.ts';
import {placeOfRecord, type GuardianRecord} from '../../lib/guardian/record.ts';
import {instanceId} from '../../lib/protocol/words.ts';
import {quiet} from '../agent/stubs.ts';
import {withCluster} from '../e2e/support/cluster.ts';
import {eventually} from '../support/eventually.ts';

describe('A node that restarts', function () {
  this.timeout(120_000);

  it('ends what is left of each earlier instance before it joins, and then has the proof', async () => {
    const own = identityOf(process.pid);
    if (!own) throw new Error('this process is not seen');
    // Nobody with this number was started then.
    const dead = {...own, startTicks: own.startTicks + 1};
    const place = {version: 1, socketPath: '/nowhere/s', token: 't', guardian: dead, agent: dead, ...placeOfRecord()} as const;
    const [marker, other] = [`left-${process.pid}`, `none-${process.pid}`];
    const record: GuardianRecord = {...place, marker, service: 'group'};
    const [i1, i2] = [instanceId('00000001'), instanceId('00000002')];
    const kept = formatKept([
      {instances: [i2], record: {...record, marker: other}},
      {instances: [i1], record},
    ]);
    const [key = '', value] = markerText(marker).split('=');
    const survivor = spawn('sleep', ['600'], {env: {...process.env, [key]: value}, stdio: 'ignore'});
    const ended = once(survivor, 'exit');
    try {
      const said: string[] = [];
      const bench = {state: {guardian: () => Promise.resolve(kept)}, log: quiet, leaving: new AbortController()};
      const earlier = await settleEarlier(bench, (because) => said.push(because));
      await ended;
      expect(survivor.signalCode).to.equal('SIGKILL');
      expect(said.join()).to.include(String(survivor.pid)).and.include('does not join');
      expect(earlier?.proven()).to.have.members([i1, i2]);
    } finally {
      survivor.kill('SIGKILL');
    }
  });

  it('says what its adopted guardian was told otherwise, and replaces it once nothing runs', async () => {
    await withCluster(
      {nodes: ['n1', 'n2'], timings: {leaseTimeout: '60s'}, args: ['--agentLossGrace', '40s']},
      async (cluster) => {
        const {master, other} = await cluster.upAsPair();
        const before = master.guardianPid;
        await master.kill('agent');
        await cluster.launch(master.id, '--safetyMargin', '777ms');
        await cluster.untilMaster(master.id);
        expect(master.guardianPid).to.equal(before);
        await eventually(() => master.log().includes('safetyMargin'), 20_000, 'nothing is said of the difference');
        // The owner writes its first heartbeat when the record of its earlier instance has stood still.
        const move = (to: string): Promise<boolean> =>
          eventually(
            async () => (await cluster.cli('switchover', '--to', to, '--persistenceDir', cluster.persistenceDir)).code === 0,
            30_000,
            `no switchover to ${to}`,
          );
        await move(other.id);
        await eventually(() => master.guardianPid !== before, 20_000, 'the guardian is not replaced');
        await move(master.id);
      },
    );
  });

  it('refuses a store that was accepted below the epoch that it knows, and names the way out', async () => {
    await withCluster({nodes: ['n1', 'n2']}, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      for (const node of [other, master]) await node.terminate();
      const file = join(master.stateDir, 'node.json');
      const known = JSON.parse(await readFile(file, 'utf8')) as {storeId: string; epoch: number};
      await writeFile(file, JSON.stringify({...known, epoch: 500}));
      const dir = ['--persistenceDir', cluster.persistenceDir];
      const fast = ['--heartbeatInterval', '200ms'];
      const accept = (id: string, stateDir: string): ReturnType<typeof cluster.cli> =>
        cluster.cli('accept', ...dir, '--nodeId', id, '--stateDir', stateDir, ...fast);
      expect((await accept(other.id, other.stateDir)).code).to.equal(0);
      const refused = master.start();
      expect(await refused.exit).to.include({code: 3});
      expect(master.log()).to.include('epoch 500').and.include('ha-agent accept');
      expect((await accept(master.id, master.stateDir)).code).to.equal(0);
      expect(JSON.parse(await readFile(file, 'utf8'))).to.have.property('epoch', 501);
    });
  });
});

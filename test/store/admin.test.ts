// What an operator does and sees from outside: wishes, dead records, the history, the snapshot.
import {mkdir, readdir, rename, rm, symlink, truncate, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {expect} from 'chai';
import {epoch, nodeId} from '../../lib/protocol/words.ts';
import {
  pause,
  placeStatement,
  removeDead,
  requestSwitchover,
  requireSilentOwner,
  resume,
  withdrawWishes,
} from '../../lib/store/admin.ts';
import {readHistory} from '../../lib/store/history.ts';
import {readSnapshot} from '../../lib/store/snapshot.ts';
import {
  epochRecord,
  expectFailure,
  FIRST_LOCK,
  heartbeat,
  openTemp,
  removeTemps,
  tempStore,
  whileNowAndThen,
  whileRepeating,
  type TempStore,
} from './temp-store.ts';

const watch = {intervalMs: 20, times: 2};
const HELD = '0000000003.held.n2.aaaaaaaa.1000.5';

describe('The operator', () => {
  let temp: TempStore;
  beforeEach(async () => {
    temp = await tempStore();
  });
  afterEach(removeTemps);

  it('pauses and resumes, and learns whether that was so already', async () => {
    const outcomes = [
      await resume(temp.paths),
      await pause(temp.paths, 'me'),
      await pause(temp.paths, 'me'),
      await resume(temp.paths),
    ];
    expect(outcomes).to.deep.equal([false, true, false, true]);
    expect(await temp.store.readWishes()).to.have.property('paused', false);
  });

  it('states the death of the owner that the lock names, and of nobody else', async () => {
    await expectFailure(requireSilentOwner(temp.paths, nodeId('n2'), watch), 'cluster.noSuch', FIRST_LOCK);
    await rename(join(temp.lockDir, FIRST_LOCK), join(temp.lockDir, HELD));
    await expectFailure(requireSilentOwner(temp.paths, nodeId('n1'), watch), 'cluster.noSuch', HELD);
    expect(await requireSilentOwner(temp.paths, nodeId('n2'), watch)).to.equal(3);
    await placeStatement(temp.paths, {epoch: epoch(3), owner: nodeId('n2'), successor: undefined}, 'me');
    expect(await temp.store.readWishes()).to.deep.include({statements: [{epoch: 3, owner: 'n2'}]});
  });

  it('cannot state the death of an owner that renews', async () => {
    await rename(join(temp.lockDir, FIRST_LOCK), join(temp.lockDir, HELD));
    let name = HELD;
    let k = 5;
    const renew = async (): Promise<void> => {
      const next = `0000000003.held.n2.aaaaaaaa.1000.${++k}`;
      if ((await temp.store.rename(name, next)).kind === 'done') name = next;
    };
    await whileRepeating(renew, () => {
      const statement = requireSilentOwner(temp.paths, nodeId('n2'), {intervalMs: 20, times: 50});
      return expectFailure(statement, 'cluster.refused', 'is alive');
    });
    expect(await temp.store.readWishes()).to.deep.include({statements: []});
  });

  it('looks as long as the owner and the nodes need for a sign of life, whatever the caller thinks', async () => {
    await rename(join(temp.lockDir, FIRST_LOCK), join(temp.lockDir, HELD));
    let name = HELD;
    let k = 5;
    const renew = async (): Promise<void> => {
      const next = `0000000003.held.n2.aaaaaaaa.1000.${++k}`;
      if ((await temp.store.rename(name, next)).kind === 'done') name = next;
    };
    await whileNowAndThen(200, renew, () =>
      expectFailure(requireSilentOwner(temp.paths, nodeId('n2'), watch), 'cluster.refused', 'is alive'),
    );
    let seq = 1;
    const beat = (): Promise<unknown> => temp.store.writeHeartbeat(heartbeat('n1', {seq: ++seq, heartbeatIntervalMs: 250}));
    await beat();
    await whileNowAndThen(240, beat, async () => {
      expect(await removeDead(temp.paths, 'all', watch)).to.deep.equal({removed: [], alive: ['n1']});
    });
  });

  it('takes back what it asked for, and nothing else', async () => {
    await pause(temp.paths, 'me');
    await requestSwitchover(temp.paths, {epoch: epoch(3), to: nodeId('n2')}, 'me');
    await requestSwitchover(temp.paths, {epoch: epoch(4), to: nodeId('n2')}, 'me');
    await placeStatement(temp.paths, {epoch: epoch(4), owner: nodeId('n1'), successor: nodeId('n2')}, 'me');
    await withdrawWishes(temp.paths, epoch(4), nodeId('n2'));
    expect(await temp.store.readWishes()).to.deep.equal({
      paused: true,
      switchovers: [{epoch: 3, to: 'n2'}],
      statements: [],
    });
  });

  it('drops dead records, readable or not, and leaves the living alone', async () => {
    await temp.store.writeHeartbeat(heartbeat('n1', {seq: 0}));
    await (await openTemp(temp.paths, {nodeId: nodeId('n2')})).store.writeHeartbeat(heartbeat('n2'));
    await writeFile(join(temp.paths.nodesDir, 'n3.json'), 'rubbish');
    let seq = 0;
    const beat = (): Promise<unknown> => temp.store.writeHeartbeat(heartbeat('n1', {seq: ++seq}));
    const patient = {intervalMs: 20, times: 50};
    await whileRepeating(beat, async () => {
      expect(await removeDead(temp.paths, nodeId('n1'), patient)).to.deep.equal({removed: [], alive: ['n1']});
      expect(await removeDead(temp.paths, nodeId('n2'), watch)).to.deep.equal({removed: ['n2'], alive: []});
      await expectFailure(removeDead(temp.paths, nodeId('n2'), watch), 'cluster.noSuch', 'n2');
      expect(await removeDead(temp.paths, 'all', patient)).to.deep.equal({removed: ['n3'], alive: ['n1']});
    });
    expect(await readdir(temp.paths.nodesDir)).to.deep.equal(['n1.json']);
  });

  it('hears which directory is missing', async () => {
    await rm(temp.paths.controlDir, {recursive: true});
    await expectFailure(pause(temp.paths, 'me'), 'store.unreachable', temp.paths.controlDir);
    await expectFailure(resume(temp.paths), 'store.unreachable', 'ENOENT');
    await rm(temp.paths.nodesDir, {recursive: true});
    await expectFailure(removeDead(temp.paths, 'all', watch), 'store.unreachable', temp.paths.nodesDir);
    await rm(temp.paths.historyDir, {recursive: true});
    await expectFailure(readHistory(temp.paths), 'store.unreachable', temp.paths.historyDir);
    await expectFailure(temp.store.writeHistory(epochRecord(1)), 'store.unreachable', 'ENOENT');
  });

  it('reads the whole history, sorted, around whatever lies in it', async () => {
    const {historyDir} = temp.paths;
    for (const at of [10, 9, 2]) await temp.store.writeHistory(epochRecord(at));
    await writeFile(join(historyDir, '0000000003.json'), '');
    await writeFile(join(historyDir, '0000000004.json'), JSON.stringify(epochRecord(5)));
    await writeFile(join(historyDir, '0000000006.json'), '{"format":9}');
    await mkdir(join(historyDir, '0000000007.json'));
    await symlink('0000000002.json', join(historyDir, '0000000008.json'));
    await writeFile(join(historyDir, '0000000011.json'), '');
    await truncate(join(historyDir, '0000000011.json'), 70_000);
    await writeFile(join(historyDir, 'notes.txt'), '');
    await writeFile(join(historyDir, '.0badf00d.tmp'), 'left by a crash');
    const {records, faults} = await readHistory(temp.paths);
    expect(records.map((record) => record.epoch)).to.deep.equal([2, 9, 10]);
    const told = faults.map((fault) => fault.reason).join('\n');
    for (const part of [
      '3.json is empty',
      '4.json is no record',
      '6.json was written by a newer',
      '7.json is not a regular',
      'ELOOP',
    ])
      expect(told).to.include(part);
    expect(told).to.include('longer than 65536').and.include('"notes.txt"');
    expect(faults).to.have.length(7);
  });

  it('sees lock, heartbeats and wishes at a glance, and what is wrong beside them', async () => {
    await temp.store.writeHeartbeat(heartbeat('n1'));
    await pause(temp.paths, 'me');
    const healthy = await readSnapshot(temp.paths);
    expect(healthy).to.deep.equal({
      storeId: temp.store.storeId,
      supersedes: [],
      lockNames: [{kind: 'free', epoch: 0, writer: undefined, attempt: 0}],
      heartbeats: [heartbeat('n1')],
      wishes: {paused: true, switchovers: [], statements: []},
      faults: [],
    });
    await writeFile(join(temp.paths.nodesDir, 'n2.json'), 'rubbish');
    await rename(join(temp.lockDir, FIRST_LOCK), join(temp.lockDir, 'rubbish'));
    await rm(temp.paths.controlDir, {recursive: true});
    const damaged = await readSnapshot(temp.paths);
    expect(damaged).to.deep.include({lockNames: [], heartbeats: [heartbeat('n1')], wishes: undefined});
    expect(damaged.faults.map((fault) => fault.path).sort()).to.deep.equal(
      [temp.paths.controlDir, temp.lockDir, temp.lockDir, join(temp.paths.nodesDir, 'n2.json')].sort(),
    );
    expect(damaged.faults.map((fault) => fault.reason).join('\n')).to.include(`${temp.lockDir} holds no lock`);
    await rm(temp.paths.root, {recursive: true});
    await expectFailure(readSnapshot(temp.paths), 'store.missing', temp.paths.root);
  });
});

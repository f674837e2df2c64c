// Who holds the service of a run: what is known of it, and what that finds where no mark is left.
import {expect} from 'chai';
import {spawn, type ChildProcess} from 'node:child_process';
import path from 'node:path';
import {probeContainment} from '../../lib/guardian/containment-probe.ts';
import {bootId, identityOf, isAlive, type ProcessIdentity} from '../../lib/guardian/proc.ts';
import {killGuardian, placeOfRecord, recordWithHolder, traceOfService, type GuardianRecord} from '../../lib/guardian/record.ts';
import {eventually} from '../support/eventually.ts';
import {useTempDir} from '../support/temp-dir.ts';
import {Driver, execOf, fixture, setupFor, textOf} from './driver.ts';

describe('the holder of a service', () => {
  const dir = useTempDir();
  const drivers: Driver[] = [];
  const children: ChildProcess[] = [];
  const dead = {pid: 1, startTicks: 999_999_999, bootId: bootId()};
  const file = (name: string): string => path.join(dir(), name);

  afterEach(async () => {
    for (const each of drivers.splice(0)) await each.end();
    for (const each of children.splice(0)) each.kill('SIGKILL');
  });

  function newDriver(): Driver {
    const driver = new Driver();
    drivers.push(driver);
    return driver;
  }

  const recordOf = (holder: ProcessIdentity): GuardianRecord =>
    recordWithHolder(
      {
        version: 1,
        socketPath: '/nowhere/s',
        token: 't',
        guardian: dead,
        agent: dead,
        marker: `holder-test-${process.pid}`,
        service: 'group',
        ...placeOfRecord(),
      },
      holder,
    );

  /** A leader of its own session that has a child without any mark. */
  async function startLeader(): Promise<{leader: ProcessIdentity; member: ProcessIdentity; end: () => Promise<void>}> {
    const child = spawn('sh', ['-c', 'env -i sleep 60 & echo "$!" > "$1"; wait', 'sh', file('member')], {
      stdio: 'ignore',
      detached: true,
    });
    children.push(child);
    const member = await eventually(() => identityOf(Number(textOf(file('member')).trim() || '0')));
    const leader = identityOf(child.pid ?? 0);
    if (!leader) throw new Error('not started');
    const end = async (): Promise<void> => {
      child.kill('SIGKILL');
      await eventually(() => child.signalCode !== null);
    };
    return {leader, member, end};
  }

  it('finds and ends by its session what has no mark, after its own end too', async () => {
    const {leader, member, end} = await startLeader();
    expect(traceOfService(recordOf(leader))).to.deep.equal({kind: 'left', pids: [leader.pid, member.pid]});
    await end();
    expect(traceOfService(recordOf(leader))).to.deep.equal({kind: 'left', pids: [member.pid]});
    expect(await killGuardian(recordOf(leader), true, 5_000)).to.include({proven: true, how: 'scan'});
    expect(isAlive(member)).to.equal(false);
  });

  it('finds a child with a session of its own, as long as its parent lives, and ends both', async () => {
    const child = spawn('sh', ['-c', 'env -i setsid sleep 60 & echo "$!" > "$1"; wait', 'sh', file('member')], {
      stdio: 'ignore',
      detached: true,
    });
    children.push(child);
    const member = await eventually(() => identityOf(Number(textOf(file('member')).trim() || '0')));
    const leader = identityOf(child.pid ?? 0) ?? dead;
    await eventually(() => textOf(`/proc/${member.pid}/stat`).split(' ')[5] === String(member.pid));
    expect(await killGuardian(recordOf(leader), true, 5_000)).to.include({proven: true});
    expect(isAlive(member)).to.equal(false);
  });

  it('is not another process that got its number, nor one of another boot', async () => {
    const {leader, member} = await startLeader();
    for (const other of [
      {...leader, startTicks: leader.startTicks - 1},
      {...leader, bootId: 'another'},
    ]) {
      expect(traceOfService(recordOf(other))).to.deep.equal({kind: 'gone', how: 'scan'});
      expect(await killGuardian(recordOf(other), true, 100)).to.include({proven: true});
    }
    expect([leader, member].map(isAlive)).to.deep.equal([true, true]);
    process.kill(member.pid, 'SIGKILL');
  });

  it('of a namespace is left as long as it lives', async () => {
    const {leader, member} = await startLeader();
    expect(traceOfService({...recordOf(leader), service: 'namespace'})).to.deep.equal({kind: 'left', pids: [leader.pid]});
    process.kill(member.pid, 'SIGKILL');
  });

  it('is in the record of the agent, and in that of the next one who adopts it', async () => {
    const driver = newDriver();
    const setup = setupFor(execOf(await probeContainment('group'), fixture('polite.sh'), file('log')), {
      agentLossGraceMs: 60_000,
    });
    const record = await driver.spawnGuardian(dir(), setup);
    expect(record.holder).to.equal(undefined);
    await driver.startRun(1, 60_000);
    const {holder} = (await driver.hear('holding')).value as {holder: ProcessIdentity};
    driver.tell({do: 'record'});
    expect((await driver.hear('record')).value).to.deep.equal({...record, holder});
    driver.killGroup();
    const next = newDriver();
    expect((await next.connect(record, '0000000b')).kind).to.equal('accepted');
    next.tell({do: 'record'});
    expect((await next.hear('record')).value).to.deep.include({holder});
  });

  it('and all it holds are gone when an idle guardian is dismissed, which is no loss of it', async () => {
    const driver = newDriver();
    const containment = await probeContainment('group');
    const record = await driver.spawnGuardian(dir(), setupFor(execOf(containment, fixture('polite.sh'), file('log'))));
    await driver.startRun(1, 60_000);
    driver.order({type: 'stop', run: 1});
    await driver.report('gone', 1);
    driver.tell({do: 'dismiss'});
    await driver.hear('dismissed');
    expect(isAlive(record.guardian)).to.equal(false);
    const next = await driver.spawnGuardian(dir(), setupFor(execOf(containment, fixture('crasher.sh'), '3')));
    expect(next.marker).to.not.equal(record.marker);
    expect(driver.heard.map((each) => each.what)).to.not.include('closed');
  });
});

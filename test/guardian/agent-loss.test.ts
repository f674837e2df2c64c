// What a guardian does when its agent dies, freezes, or is followed by another one.
import {expect} from 'chai';
import {mkdir, readdir, writeFile} from 'node:fs/promises';
import path from 'node:path';
import {probeContainment} from '../../lib/guardian/containment-probe.ts';
import type {Containment} from '../../lib/guardian/containment.ts';
import {allProcesses, identityOf, isAlive, mentions} from '../../lib/guardian/proc.ts';
import {whatIsLeft, type GuardianRecord} from '../../lib/guardian/record.ts';
import {epoch} from '../../lib/protocol/words.ts';
import {eventually} from '../support/eventually.ts';
import {useTempDir} from '../support/temp-dir.ts';
import {Driver, execOf, fixture, setupFor, textOf} from './driver.ts';

const LIMIT_MS = 30_000;
const POLITE_STOP_MS = 6_000;
const HELD = '0000000001.held.n1.0000000a.6000.17';
/** An agent that has nothing to do with ours. */
const OTHER = '0000000001.held.n2.0000000f.6000.17';

describe('a guardian and the fate of its agent', () => {
  const dir = useTempDir();
  let containment: Containment;
  let drivers: Driver[];

  before(async () => (containment = await probeContainment(undefined)));
  beforeEach(() => (drivers = []));
  afterEach(async () => {
    for (const each of drivers) await each.end();
  });

  const file = (name: string): string => path.join(dir(), name);
  const lockDirectory = (): string => file('lock');
  const names = (): Promise<string[]> => readdir(lockDirectory());

  function newDriver(): Driver {
    const driver = new Driver();
    drivers.push(driver);
    return driver;
  }

  async function serve(
    script: string,
    leftMs: number,
    other: Parameters<typeof setupFor>[1] = {},
  ): Promise<{driver: Driver; record: GuardianRecord}> {
    await mkdir(lockDirectory(), {recursive: true});
    await writeFile(path.join(lockDirectory(), HELD), '');
    const driver = newDriver();
    // What obeys has time to say so, also on a machine that stands still for a moment.
    const stopTimeoutMs = script === 'polite.sh' ? POLITE_STOP_MS : 1_000;
    const options = {lockDirectory: lockDirectory(), stopTimeoutMs, ...other};
    const setup = setupFor(execOf(containment, fixture(script), file('log')), options);
    const record = await driver.spawnGuardian(dir(), setup);
    await driver.startRun(1, leftMs);
    await eventually(() => textOf(file('log')) !== '');
    return {driver, record};
  }

  it('stops the service of an agent killed with its whole group, releases the lock and ends', async () => {
    const {driver, record} = await serve('polite.sh', 60_000);
    driver.killGroup();
    await eventually(() => !isAlive(record.guardian), LIMIT_MS, 'the guardian is gone');
    expect(textOf(file('log'))).to.equal('start 1 active n1 app\nterm\n');
    expect(await names())
      .to.have.length(1)
      .and.to.match(/^0000000002\.free\.n1\.0000000a\.\d+$/);
    expect(whatIsLeft(record)).to.deep.equal({
      kind: 'here',
      agent: 'gone',
      guardian: 'gone',
      service: {kind: 'gone', how: containment.kind === 'namespace' ? 'kernel' : 'scan'},
    });
  });

  it('releases only after the last process of a stubborn service is gone', async () => {
    const {driver, record} = await serve('stubborn.sh', 60_000);
    await eventually(() => textOf(file('log.alive')).length > 20);
    driver.killGroup();
    await eventually(async () => {
      const marked = allProcesses().filter((look) => mentions(look.pid, record.marker));
      // In this order: what is gone at the first look stays gone.
      const released = (await names()).some((name) => name.includes('.free.'));
      if (released) expect(allProcesses().filter((look) => mentions(look.pid, record.marker))).to.deep.equal([]);
      return released && marked.length === 0;
    });
    await eventually(() => !isAlive(record.guardian));
  });

  it('stops at the deadline a service whose agent is only frozen, and releases nothing', async () => {
    const {driver, record} = await serve('stubborn.sh', 60_000);
    await eventually(() => textOf(file('log.alive')).length > 5);
    await driver.renew(2, 2_500);
    driver.child.kill('SIGSTOP');
    await eventually(() => !allProcesses().some((look) => mentions(look.pid, record.marker)), LIMIT_MS, 'the service is gone');
    expect(await names()).to.deep.equal([HELD]);
    expect(isAlive(record.guardian)).to.equal(true);
    driver.child.kill('SIGCONT');
    const stopping = await driver.report('stopping', 1);
    expect(stopping).to.include({because: 'the lease could not be renewed in time'});
    expect(await driver.report('gone', 1)).to.include({proven: true});
    driver.order({type: 'start', run: 2, epoch: epoch(1)});
    expect(await driver.report('refused', 2)).to.include({because: 'the deadline has come'});
    // A renewal brings it back under the same epoch.
    driver.tell({do: 'lease', epoch: epoch(1), attempt: 9, leftMs: 20_000});
    driver.order({type: 'start', run: 3, epoch: epoch(1)});
    await driver.report('started', 3);
  });

  it('kills an agent that closes its channel without dying, before it stops and releases', async () => {
    const {driver, record} = await serve('polite.sh', 60_000, {agentLossGraceMs: 8_000});
    const next = newDriver();
    await next.ready();
    driver.killGroup();
    await eventually(() => !isAlive(record.agent));
    await eventually(async () => {
      next.tell({
        do: 'hello',
        record: {...record, agent: identityOf(next.child.pid ?? 0) ?? record.agent},
        instanceId: '0000000b',
      });
      return (await next.lastAnswer()).includes('welcome');
    });
    next.tell({do: 'hangUp'});
    await eventually(() => next.child.signalCode === 'SIGKILL', LIMIT_MS, 'the agent that hung up is killed');
    await eventually(() => !isAlive(record.guardian), LIMIT_MS, 'the guardian is gone');
    expect(textOf(file('log'))).to.equal('start 1 active n1 app\nterm\n');
    expect(await names())
      .to.have.length(1)
      .and.to.match(/^0000000002\.free\./);
  });

  it('hands a running service over to the next agent, which never notices', async () => {
    const {driver, record} = await serve('polite.sh', 60_000, {agentLossGraceMs: 8_000});
    const next = newDriver();
    await next.ready();
    driver.killGroup();
    await eventually(() => !isAlive(record.agent));
    const answer = await next.connect(record, '0000000b');
    expect(answer).to.deep.include({kind: 'accepted'});
    expect(answer.adopted).to.include({from: '0000000a', epoch: 1, attempt: 1, run: 1});
    await next.renew(5, 60_000);
    expect(textOf(file('log'))).to.equal('start 1 active n1 app\n');
    // Names of both instances are released if the new agent dies as well.
    next.order({type: 'stop', run: 1});
    expect(await next.report('gone', 1)).to.include({proven: true});
    await writeFile(path.join(lockDirectory(), HELD), '');
    next.killGroup();
    await eventually(async () => (await names()).every((name) => name.includes('.free.')));
    await eventually(() => !isAlive(record.guardian));
  });

  it('keeps the service of an agent that asked for it, until the lease ends', async () => {
    const {driver, record} = await serve('polite.sh', 60_000);
    driver.order({type: 'keep'});
    await driver.renew(2, 60_000);
    driver.killGroup();
    await eventually(() => !isAlive(record.agent));
    const next = newDriver();
    expect(await next.connect(record, '0000000b')).to.deep.include({kind: 'accepted'});
    next.order({type: 'keep'});
    await next.renew(3, POLITE_STOP_MS + 2_000);
    next.killGroup();
    await eventually(() => !isAlive(record.guardian));
    expect(textOf(file('log'))).to.equal('start 1 active n1 app\nterm\n');
    expect((await names()).filter((name) => name.includes('.held.'))).to.deep.equal([]);
  });

  it('is not adopted any more once it has begun to stop', async () => {
    const {driver, record} = await serve('stubborn.sh', 60_000, {stopTimeoutMs: 8_000});
    await eventually(() => textOf(file('log.alive')).length > 5);
    const next = newDriver();
    await next.ready();
    driver.killGroup();
    await eventually(() => !isAlive(record.agent));
    const answer = await next.connect(record, '0000000b');
    expect(answer).to.include({kind: 'rejected', because: 'the service is being stopped'});
    await eventually(() => !isAlive(record.guardian));
    expect(await names())
      .to.have.length(1)
      .and.to.match(/^0000000002\.free\./);
  });

  it('obeys nobody who does not know its token, and nobody else while its agent is connected', async () => {
    const {record} = await serve('polite.sh', 60_000);
    const thief = newDriver();
    thief.tell({do: 'hello', record: {...record, token: '0'.repeat(48)}, instanceId: '0000000c'});
    expect((await thief.hear('answer')).value).to.equal(null);
    const second = newDriver();
    second.tell({do: 'hello', record, instanceId: '0000000c'});
    expect((await second.hear('answer')).value).to.include({type: 'rejected', because: 'another agent is connected'});
    expect(isAlive(record.guardian)).to.equal(true);
    expect(textOf(file('log'))).to.equal('start 1 active n1 app\n');
  });

  it('leaves the names of others alone', async () => {
    const {driver, record} = await serve('polite.sh', 60_000);
    await writeFile(path.join(lockDirectory(), OTHER), '');
    driver.killGroup();
    await eventually(() => !isAlive(record.guardian));
    expect(await names())
      .to.include(OTHER)
      .and.to.have.length(2);
  });
});

// A guardian that is frozen between the order to start and the moment when the service could be let go (rule G).
import {expect} from 'chai';
import {writeFileSync} from 'node:fs';
import path from 'node:path';
import {bootNow} from '../../lib/guardian/clock.ts';
import {probeContainment} from '../../lib/guardian/containment-probe.ts';
import {startExec} from '../../lib/guardian/exec-run.ts';
import {allProcesses, mentions} from '../../lib/guardian/proc.ts';
import {epoch} from '../../lib/protocol/words.ts';
import {eventually} from '../support/eventually.ts';
import {useTempDir} from '../support/temp-dir.ts';
import {Driver, execOf, fixture, setupFor, textOf} from './driver.ts';
import {contextFor, eventsInto} from './run-support.ts';

/** Starts what comes after GATE once that file exists. */
const GATED = 'gate=$1; shift; while [ ! -e "$gate" ]; do sleep 0.02; done; exec "$@"';

/** Long enough for the start of a few processes. */
const LEASE_MS = 6_000;

describe('a guardian frozen between the order and the start', () => {
  const dir = useTempDir();
  let driver: Driver;
  beforeEach(() => (driver = new Driver()));
  afterEach(() => driver.end());

  it('lets nothing go once it is past its deadline', async () => {
    const gate = path.join(dir(), 'gate');
    const log = path.join(dir(), 'log');
    const found = await probeContainment('group');
    const containment = {...found, launcher: ['sh', '-c', GATED, 'gated', gate, ...found.launcher]};
    const {guardian, marker} = await driver.spawnGuardian(dir(), setupFor(execOf(containment, fixture('polite.sh'), log)));
    const marked = (): number[] =>
      allProcesses()
        .filter((look) => mentions(look.pid, `=${marker}`))
        .map((look) => look.pid);
    await driver.renew(1, LEASE_MS);
    // The driver has counted from an earlier moment.
    const overAt = bootNow() + LEASE_MS;
    driver.order({type: 'start', run: 1, epoch: epoch(1)});
    const [holder] = await eventually(() => (marked().length > 0 ? marked() : undefined));
    process.kill(guardian.pid, 'SIGSTOP');
    writeFileSync(gate, '');
    await eventually(() => bootNow() > overAt && !textOf(`/proc/${holder}/cmdline`).includes('gated'));
    // It waits for its `go` in a read.
    await eventually(() => textOf(`/proc/${holder}/stat`).includes(') S '));
    process.kill(guardian.pid, 'SIGCONT');
    expect(await driver.report('stopping', 1)).to.include({cause: 'deadline'});
    expect(await driver.report('gone', 1)).to.include({proven: true});
    expect(driver.reports().map((each) => each.type)).to.not.include('started');
    expect(textOf(log)).to.equal('');
  });

  it('asks for the deadline when the service is ready to go, whatever was true before', async () => {
    const log = path.join(dir(), 'log');
    const containment = await probeContainment('group');
    const command = [fixture('polite.sh'), log];
    const events: string[] = [];
    const context = contextFor(setupFor(execOf(containment, ...command)));
    const run = startExec(
      context,
      {command, containment},
      'active',
      1,
      eventsInto(events, () => false),
    );
    try {
      await eventually(() => events.length >= 2);
    } finally {
      run.kill();
      await eventually(() => events.at(-1) === 'gone true');
    }
    expect(events).to.deep.equal(['may not', 'ended the service has ended: exit status 125', 'gone true']);
    expect(textOf(log)).to.equal('');
  });
});

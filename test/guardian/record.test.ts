// What the record of a guardian proves after a restart, and when it proves nothing.
import {expect} from 'chai';
import {spawn, type ChildProcess} from 'node:child_process';
import {MARKER_VARIABLE} from '../../lib/guardian/containment.ts';
import {bootId, identityOf, INITIAL_PID_NAMESPACE, pidNamespace} from '../../lib/guardian/proc.ts';
import {killGuardian, placeOfRecord, whatIsLeft, type GuardianRecord} from '../../lib/guardian/record.ts';
import {eventually} from '../support/eventually.ts';

describe('what is left of an earlier guardian', () => {
  const children: ChildProcess[] = [];
  const dead = {pid: 1, startTicks: 999_999_999, bootId: bootId()};

  function recordOf(other: Partial<GuardianRecord> = {}): GuardianRecord {
    return {
      version: 1,
      socketPath: '/nowhere/s',
      token: 't',
      guardian: dead,
      agent: dead,
      marker: `record-test-${process.pid}`,
      service: 'namespace',
      ...placeOfRecord(),
      machineId: 'this one',
      ...other,
    };
  }
  const here = (record: GuardianRecord): ReturnType<typeof whatIsLeft> => whatIsLeft({...record, ...placeOfRecord()});

  before(function () {
    if (placeOfRecord().machineId === '') {
      console.warn('      skipped: this machine has no /etc/machine-id, and without one nothing is proven');
      this.skip();
    }
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  async function startMarked(marker: string): Promise<number> {
    const child = spawn('sleep', ['60'], {stdio: 'ignore', env: {...process.env, [MARKER_VARIABLE]: marker}});
    children.push(child);
    return eventually(() => (child.pid !== undefined && identityOf(child.pid) ? child.pid : undefined));
  }

  it('is nothing if agent, guardian and marked processes are gone', async () => {
    await eventually(() => {
      expect(here(recordOf())).to.deep.equal({
        kind: 'here',
        agent: 'gone',
        guardian: 'gone',
        service: {kind: 'gone', how: 'kernel'},
      });
      return true;
    });
    expect(here(recordOf({service: 'group'}))).to.deep.include({service: {kind: 'gone', how: 'scan'}});
    expect(here(recordOf({service: 'none'}))).to.deep.include({service: {kind: 'gone', how: 'nothing to run'}});
  });

  it('is a living agent, a living guardian, a living process', async () => {
    const record = recordOf();
    const pid = await startMarked(record.marker);
    expect(here(record)).to.deep.include({service: {kind: 'left', pids: [pid]}});
    const self = identityOf(process.pid) ?? dead;
    expect(here({...record, agent: self})).to.include({agent: 'alive', guardian: 'gone'});
    expect(here({...record, guardian: self})).to.include({agent: 'gone', guardian: 'alive'});
  });

  it('cannot be told of an ensure service without its passive command', () => {
    expect(here(recordOf({service: 'ensure'}))).to.have.nested.property('service.kind', 'unknown');
  });

  it('is nothing after a reboot, seen from the initial PID namespace', () => {
    const record = recordOf({guardian: {...dead, bootId: 'earlier'}, agent: {...dead, bootId: 'earlier'}});
    const seen = here(record);
    if (pidNamespace() === INITIAL_PID_NAMESPACE)
      expect(seen).to.deep.include({agent: 'gone', guardian: 'gone', service: {kind: 'gone', how: 'reboot'}});
    else expect(seen).to.include({kind: 'elsewhere'});
  });

  it('is not known on another machine, on other hardware, in another container', () => {
    const place = placeOfRecord();
    expect(whatIsLeft(recordOf())).to.include({kind: 'elsewhere'});
    expect(whatIsLeft(recordOf({...place, pidNamespace: 'pid:[1]'}))).to.include({kind: 'elsewhere'});
    if (place.productUuid !== undefined)
      expect(whatIsLeft(recordOf({...place, productUuid: 'another'}))).to.include({kind: 'elsewhere'});
  });

  it('is killed on demand, and what cannot be proven is not claimed', async () => {
    const record = recordOf({service: 'group'});
    const pid = await startMarked(record.marker);
    expect(await killGuardian(record, true, 5_000)).to.include({proven: true, how: 'scan'});
    expect(identityOf(pid)).to.equal(undefined);
    expect(await killGuardian(recordOf({service: 'ensure'}), true, 100)).to.include({proven: false});
    expect(await killGuardian(recordOf({service: 'ensure'}), false, 100)).to.include({proven: true, how: 'nothing to run'});
  });
});

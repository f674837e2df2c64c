// What this host keeps of its guardians until they are proven gone.
import {expect} from 'chai';
import {formatKept, keep, parseKept, provenInstances, type KeptGuardian} from '../../lib/agent/kept-guardians.ts';
import type {GuardianRecord} from '../../lib/guardian/record.ts';
import {instanceId} from '../../lib/protocol/words.ts';

const [I1, I2, I3] = [instanceId('00000001'), instanceId('00000002'), instanceId('00000003')];
const somebody = {pid: 7, startTicks: 8, bootId: 'boot'};

const record = (marker: string): GuardianRecord => ({
  version: 1,
  socketPath: '/s',
  token: 't',
  guardian: somebody,
  agent: somebody,
  marker,
  service: 'namespace',
  pidNamespace: 'pid:[1]',
  machineId: 'm',
  productUuid: undefined,
});

describe('Kept guardians', () => {
  it('survive the file, newest first; what an older program wrote is read, and rubbish is none', () => {
    let kept: readonly KeptGuardian[] = [];
    for (const [instance, marker] of [
      [I1, 'a'],
      [I2, 'b'],
      [I3, 'b'],
    ] as const)
      kept = keep(kept, instance, record(marker));
    const read = parseKept(JSON.parse(JSON.stringify(formatKept(kept))));
    expect(read.map((each) => [each.record.marker, each.instances])).to.deep.equal([
      ['b', [I2, I3]],
      ['a', [I1]],
    ]);
    expect(parseKept({instances: [I1], record: record('a')})).to.have.length(1);
    expect(parseKept({instances: [I1], record: {...record('a'), holder: 'x'}})).to.deep.equal([]);
    for (const rubbish of [undefined, null, 7, {}, {instances: 1, record: {}}]) expect(parseKept(rubbish)).to.deep.equal([]);
  });

  it('do not grow for ever', () => {
    let kept: readonly KeptGuardian[] = [];
    for (let i = 0; i < 100; i++) kept = keep(kept, I1, record(`m${i}`));
    expect(kept).to.have.length(20);
    expect(kept[0]?.record.marker).to.equal('m99');
  });

  it('prove an instance gone only where every guardian that it commanded is', () => {
    const kept = keep(keep(keep([], I1, record('a')), I2, record('a')), I2, record('b'));
    const proven = (...markers: string[]): readonly string[] =>
      provenInstances(kept, (each) => markers.includes(each.record.marker));
    expect(proven()).to.deep.equal([]);
    expect(proven('a')).to.deep.equal([I1]);
    expect(proven('b')).to.deep.equal([]);
    expect(proven('a', 'b')).to.have.members([I1, I2]);
  });
});

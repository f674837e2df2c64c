// store.json and history records as text: what comes back, and what is refused with which words.
import {expect} from 'chai';
import {formatEpochRecord, formatStoreRecord, parseEpochRecord, parseStoreRecord} from '../../lib/store/records.ts';
import {epochRecord} from './temp-store.ts';

const ID = '0123456789abcdef';

describe('store.json', () => {
  it('comes back as it was written', () => {
    const record = {storeId: ID, supersedes: ['fedcba9876543210']};
    expect(parseStoreRecord(formatStoreRecord(record))).to.deep.equal({kind: 'record', record});
  });

  for (const [text, reason] of [
    ['', 'is empty'],
    ['{"format":1,', 'is not JSON'],
    ['[]', 'has no "format"'],
    ['null', 'has no "format"'],
    ['{"format":"1"}', 'has no "format"'],
    ['{"format":1}', 'storeId'],
    ['{"format":1,"storeId":"../../../etc/passwd","supersedes":[]}', 'storeId'],
    [`{"format":1,"storeId":"${ID}"}`, 'supersedes'],
    [`{"format":1,"storeId":"${ID}","supersedes":["x"]}`, 'supersedes'],
    ['{"format":2}', 'newer version (format 2'],
  ] as const) {
    it(`is refused where it is ${JSON.stringify(text)}`, () => {
      expect(parseStoreRecord(text)).to.have.property('reason').that.includes(reason);
    });
  }
});

describe('A history record', () => {
  it('comes back as it was written, whole or in progress', () => {
    const whole = epochRecord(42, {
      from: {nodeId: 'n2', lockName: '0000000041.held.n2.aaaaaaaa.30000.9'},
      why: 'silence',
      phasesMs: {detected: 30_000, claimed: 30_012.5, started: 30_100, ready: 30_200},
      ended: {wallMs: 1_700_000_100_000, because: 'a switchover to n3'},
    });
    for (const record of [whole, epochRecord(42)]) {
      expect(parseEpochRecord(formatEpochRecord(record), 42)).to.deep.equal({kind: 'record', record});
    }
  });

  it('is read also where an older program wrote it, which did not tell how long the silence was', () => {
    const record = epochRecord(42);
    const {detected: _, ...older} = record.phasesMs;
    const text = JSON.stringify({...record, phasesMs: older});
    expect(parseEpochRecord(text, 42)).to.deep.equal({
      kind: 'record',
      record: {...record, phasesMs: {...record.phasesMs, detected: null}},
    });
  });

  it('is refused under the name of another epoch, with a strange basis, or with a part missing', () => {
    const text = formatEpochRecord(epochRecord(42));
    expect(parseEpochRecord(text, 41)).to.have.property('reason').that.includes('another epoch');
    expect(parseEpochRecord(text.replace('"free"', '"luck"'), 42))
      .to.have.property('reason')
      .that.includes('why');
    expect(parseEpochRecord(text.replace('"phasesMs"', '"phases"'), 42))
      .to.have.property('reason')
      .that.includes('phasesMs');
    expect(parseEpochRecord(text.slice(0, -10), 42)).to.have.property('reason', 'is not JSON');
    expect(parseEpochRecord('', 42)).to.have.property('reason', 'is empty');
  });

  it('keeps sentences short and harmless', () => {
    const parsed = parseEpochRecord(formatEpochRecord(epochRecord(1, {because: `\u001b[2J${'x'.repeat(9_000)}`})), 1);
    expect(parsed).to.have.nested.property('record.because').with.length(500).that.does.not.include('\u001b');
  });
});

// Heartbeat blocks: what is written comes back, and no sequence of bytes is taken for something it is not.
import {crc32} from 'node:zlib';
import {expect} from 'chai';
import {nodeId} from '../../lib/protocol/words.ts';
import {decodeHeartbeat, encodeHeartbeat, HEARTBEAT_BYTES} from '../../lib/store/codec.ts';
import {heartbeat, report} from './temp-store.ts';

const STORE = '0123456789abcdef';
const n1 = nodeId('n1');

describe('A heartbeat block', () => {
  it('has a fixed size, is JSON padded with spaces, and ends with a newline', () => {
    const block = encodeHeartbeat(STORE, heartbeat('n1', {seen: [report('n2')]}));
    expect(block).to.have.length(HEARTBEAT_BYTES);
    const text = block.toString('utf8');
    expect(text).to.match(/^\{"format":1,"crc32":"[0-9a-f]{8}","storeId":"0123456789abcdef","nodeId":"n1".*\]\} +\n$/);
    expect(JSON.parse(text)).to.have.nested.property('seen[0].nodeId', 'n2');
  });

  it('comes back as it was, with letters of any alphabet', () => {
    const sent = heartbeat('n1', {
      because: 'Übergabe an „n2“ 日本 🙂',
      uri: undefined,
      serviceUri: 'http://10.0.0.11:8080',
      priority: -3,
      seen: [report('n2', {serviceUri: 'tcp://n2:5432'}), report('n1')],
    });
    expect(decodeHeartbeat(encodeHeartbeat(STORE, sent), n1)).to.deep.equal({kind: 'record', storeId: STORE, heartbeat: sent});
  });

  it('drops reports from the end of a digest that is too long, and nothing else', () => {
    const seen = Array.from({length: 500}, (_, i) => report(`peer${i}`, {seq: i}));
    const decoded = decodeHeartbeat(encodeHeartbeat(STORE, heartbeat('n1', {seen})), n1);
    if (decoded.kind !== 'record') throw new Error(decoded.reason);
    const kept = decoded.heartbeat.seen;
    expect(kept.length).to.be.within(20, 499);
    expect(kept).to.deep.equal(seen.slice(0, kept.length));
    const one = JSON.stringify(report('peer100')).length;
    const used = encodeHeartbeat(STORE, heartbeat('n1', {seen})).toString('utf8').trimEnd().length;
    expect(HEARTBEAT_BYTES - used).to.be.lessThan(one + 10);
  });

  it('has room for a node whose every text is as long and as awkward as can be', () => {
    const awkward = '\u0001"\\\ud800'.repeat(5_000);
    const decoded = decodeHeartbeat(encodeHeartbeat(STORE, heartbeat('n1', {because: awkward, uri: awkward})), n1);
    expect(decoded).to.have.nested.property('heartbeat.uri', undefined);
    expect(decoded).to.have.nested.property('heartbeat.because').with.length(500);
  });

  it('brings no control characters to a terminal', () => {
    const sent = encodeHeartbeat(STORE, heartbeat('n1', {because: 'red \u001b[31m\nline', uri: 'http://x/\u0007'}));
    const decoded = decodeHeartbeat(sent, n1);
    expect(decoded).to.have.nested.property('heartbeat.because', 'red  [31m line');
    expect(decoded).to.have.nested.property('heartbeat.uri', 'http://x/ ');
  });

  it('is recognised as torn wherever it was cut between two records', () => {
    const before = encodeHeartbeat(STORE, heartbeat('n1', {seq: 1, seen: [report('n2'), report('n3')]}));
    const later = encodeHeartbeat(STORE, heartbeat('n1', {seq: 2}));
    let torn = 0;
    for (let cut = 1; cut < 1_500; cut += 7) {
      const mixed = Buffer.concat([later.subarray(0, cut), before.subarray(cut)]);
      if (mixed.equals(before) || mixed.equals(later)) continue;
      expect(decodeHeartbeat(mixed, n1).kind, `cut at ${cut}`).to.equal('torn');
      torn++;
    }
    expect(torn).to.be.greaterThan(50);
  });

  it('is recognised as torn when any single byte is another one', () => {
    const good = encodeHeartbeat(STORE, heartbeat('n1'));
    for (let at = 0; at < HEARTBEAT_BYTES; at += 61) {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] ?? 0) ^ 0x01;
      expect(decodeHeartbeat(bad, n1).kind, `byte ${at}`).to.not.equal('record');
    }
    for (const length of [0, 1, 100, HEARTBEAT_BYTES - 1])
      expect(decodeHeartbeat(good.subarray(0, length), n1).kind).to.equal('torn');
  });

  it('is refused if it is whole but says something impossible, and the reason names the field', () => {
    const cases: readonly [string, string, string][] = [
      ['"state":"STANDBY"', '"state":"MASTERY"', 'state'],
      ['"state":"STANDBY"', '"state":"toString"', 'state'],
      ['"mode":"auto"', '"mode":"nono"', 'mode'],
      ['"seq":1,', '"seq":"1",', 'seq'],
      ['"seq":1,', '"seq":1.5,', 'seq'],
      ['"epoch":0', '"epoch":-1', 'epoch'],
      ['"instanceId":"3f9a1c22"', '"instanceId":"3F9A1C22"', 'instanceId'],
      ['"eligible":true', '"eligible":null', 'eligible'],
      ['"seen":[]', '"seen":{}', 'seen'],
      ['"seen":[]', '"seen":[7]', 'object'],
      ['"because":', '"becauze":', 'because'],
    ];
    for (const [from, to, word] of cases) {
      const decoded = decodeHeartbeat(rewritten(from, to), n1);
      expect(decoded.kind, to).to.equal('foreign');
      expect(decoded).to.have.property('reason').that.includes(word);
    }
  });

  it('is refused in another node’s place, from a newer version, and beyond its size', () => {
    expect(decodeHeartbeat(encodeHeartbeat(STORE, heartbeat('n1')), nodeId('n2')))
      .to.have.property('reason')
      .that.includes('node n1, in the place of node n2');
    const newer = Buffer.from(JSON.stringify({format: 2}).padEnd(HEARTBEAT_BYTES));
    expect(decodeHeartbeat(newer, n1))
      .to.deep.include({kind: 'foreign'})
      .and.have.property('reason')
      .that.includes('newer version');
    const long = Buffer.concat([encodeHeartbeat(STORE, heartbeat('n1')), Buffer.from('\n')]);
    expect(decodeHeartbeat(long, n1)).to.have.property('reason').that.includes('longer');
  });
});

/** A whole block, checksum and all, with one piece of its text replaced. */
function rewritten(from: string, to: string): Buffer {
  const text = encodeHeartbeat(STORE, heartbeat('n1')).toString('utf8');
  expect(text).to.include(from);
  const changed = Buffer.from(
    text
      .replace(from, to)
      .trimEnd()
      .padEnd(HEARTBEAT_BYTES - 1) + '\n',
  );
  return withChecksum(changed);
}

/** The checksum is over the block with zeros in its place. */
function withChecksum(block: Buffer): Buffer {
  const at = block.indexOf('"crc32":"') + '"crc32":"'.length;
  block.write('00000000', at);
  block.write(crc32(block).toString(16).padStart(8, '0'), at);
  return block;
}

// "Nothing secret is logged"; one entry is one line, whatever it holds.
import {expect} from 'chai';
import {formatEntry, LINE_MAX_BYTES, type LogFormat} from '../../lib/log/entry.ts';

const time = new Date('2026-01-02T03:04:05.678Z');
const format = (message: string, fields: Record<string, unknown> = {}, as: LogFormat = 'text'): string =>
  formatEntry({level: 'info', message, fields, time}, as);

describe('formatEntry', () => {
  it('writes text for people', () => {
    expect(
      format('claiming', {epoch: 12, because: 'the lease is free', dir: '/mnt/ha', none: undefined, list: [1, 'a']}),
    ).to.equal('2026-01-02T03:04:05.678Z info  claiming epoch=12 because="the lease is free" dir=/mnt/ha list=[1,"a"]');
  });

  it('writes JSON for machines, whose own fields cannot be replaced', () => {
    expect(JSON.parse(format('m', {epoch: 12, level: 'x', time: 1}, 'json'))).to.deep.equal({
      time: time.toISOString(),
      level: 'info',
      message: 'm',
      epoch: 12,
      level_: 'x',
      time_: 1,
    });
  });

  const secrets: readonly (readonly [string, Record<string, unknown>])[] = [
    ['a password', {password: 's3cret'}],
    ['one deep inside', {request: {headers: {Authorization: 'Basic s3cret'}, list: [{apiKey: 's3cret'}]}}],
    ['one in a URL', {url: 'http://admin:s3cret@host/x'}],
    ['one in an error', {error: new Error('GET https://a:s3cret@h failed')}],
    ['a header in a sentence', {text: 'sent Authorization: Bearer s3cret'}],
    [
      'other spellings',
      {adminPasswd: 's3cret', api_key: 's3cret', cookie: 's3cret', tlsPrivateKey: 's3cret', clientSecret: 's3cret'},
    ],
  ];
  for (const [name, fields] of secrets) {
    it(`hides ${name}`, () => {
      for (const as of ['text', 'json'] as const) {
        const line = format('m', fields, as);
        expect(line).not.to.include('s3cret');
        expect(line).to.include('***');
      }
    });
  }

  it('keeps what only sounds secret', () => {
    expect(format('m', {epoch: 1, passive: true, tlsKey: '/etc/k.pem'}))
      .to.include('passive=true')
      .and.to.include('tlsKey=/etc/k.pem');
  });

  it('lets nothing forge another entry or steer the terminal', () => {
    const line = format('a\nb\u001b[31m', {x: 'c\r\nd', 'k\n': 1});
    expect(line).to.match(/^[^\n\r\u001b]*$/);
  });

  it('cuts what is longer than 16 KiB, and JSON stays JSON', () => {
    const long = 'ä'.repeat(100_000);
    for (const as of ['text', 'json'] as const) {
      const line = format(long, {output: long, more: Array.from({length: 150}, () => long)}, as);
      expect(Buffer.byteLength(line)).to.be.at.most(LINE_MAX_BYTES);
      if (as === 'json') expect(JSON.parse(line)).to.have.property('cutFromBytes');
      else expect(line).to.match(/cut from \d+ bytes/);
    }
  });

  it('takes anything', () => {
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    const trap = Object.defineProperty({}, 'x', {
      enumerable: true,
      get: () => {
        throw new Error('no');
      },
    });
    const line = format('m', {
      circular,
      trap,
      big: 1n,
      nan: NaN,
      sym: Symbol('s'),
      fn: () => 1,
      date: new Date(NaN),
      buffer: Buffer.alloc(3),
      nil: null,
      map: new Map(),
    });
    for (const part of ['(circular)', '(unreadable: Error: no)', 'big=1', 'nan=NaN', 'buffer="(3 bytes)"', 'nil=null'])
      expect(line).to.include(part);
  });
});

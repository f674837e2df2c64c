// Durations and sizes need a unit; what is shown can be read again.
import {expect} from 'chai';
import {formatDuration, formatSize, parseDuration, parseSize} from '../../lib/config/units.ts';

describe('units', () => {
  const durations: readonly (readonly [string, number | undefined])[] = [
    ['30s', 30_000],
    ['500ms', 500],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['1.5s', 1_500],
    ['1.1m', 66_000],
    [' 3 s ', 3_000],
    ['0s', 0],
    ['30', undefined],
    ['0', undefined],
    ['', undefined],
    ['-1s', undefined],
    ['1 d', undefined],
    ['0.5ms', undefined],
    ['1s2', undefined],
    ['constructor', undefined],
    ['1e3s', undefined],
    ['999999999999999h', undefined],
  ];
  for (const [text, ms] of durations)
    it(`duration ${JSON.stringify(text)} is ${ms}`, () => expect(parseDuration(text)).to.equal(ms));

  const sizes: readonly (readonly [string, number | undefined])[] = [
    ['10MiB', 10_485_760],
    ['10kB', 10_000],
    ['1KiB', 1_024],
    ['7B', 7],
    ['1.5GiB', 1_610_612_736],
    ['10', undefined],
    ['10mb', undefined],
    ['10K', undefined],
  ];
  for (const [text, bytes] of sizes)
    it(`size ${JSON.stringify(text)} is ${bytes}`, () => expect(parseSize(text)).to.equal(bytes));

  it('shows durations and sizes in a form that reads as the same', () => {
    for (const ms of [0, 1, 999, 1_000, 1_500, 61_000, 120_000, 3_600_000, 86_400_000])
      expect(parseDuration(formatDuration(ms))).to.equal(ms);
    for (const bytes of [0, 1, 1_000, 1_024, 10_485_760, 3_000_000]) expect(parseSize(formatSize(bytes))).to.equal(bytes);
    expect(formatDuration(30_000)).to.equal('30s');
    expect(formatDuration(90_000)).to.equal('90s');
    expect(formatSize(10_485_760)).to.equal('10MiB');
  });
});

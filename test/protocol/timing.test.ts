// The inequality of the timings, and the instants derived from them.
import {expect} from 'chai';
import {DEFAULT_TIMING, killAt, rideOutMs, stopAt, timingFaults, type Timing} from '../../lib/protocol/timing.ts';
import {monoMs} from '../../lib/protocol/words.ts';
import {MIDDLE, QUICK} from '../sim/plan.ts';

describe('timings', () => {
  const sound: readonly (readonly [string, Timing])[] = [
    ['the defaults', DEFAULT_TIMING],
    ['those of the simulator', QUICK],
    ['its other ones', MIDDLE],
    ['S + d + 3 heartbeats equal to T', {...DEFAULT_TIMING, leaseTimeoutMs: 15_000}],
    ['T of a day', {...DEFAULT_TIMING, leaseTimeoutMs: 86_400_000}],
  ];
  for (const [what, timing] of sound) {
    it(`are sound: ${what}`, () => {
      expect(timingFaults(timing)).to.deep.equal([]);
    });
  }

  const refused: readonly (readonly [string, Partial<Timing>, RegExp])[] = [
    ['S + d + 3 heartbeats above T', {leaseTimeoutMs: 14_999}, /is more than leaseTimeout 14999/],
    ['no margin', {safetyMarginMs: 0}, /safetyMargin is 0 ms/],
    ['half a millisecond', {pollIntervalMs: 0.5}, /pollInterval is 0.5 ms/],
    ['a negative one', {stopTimeoutMs: -1}, /stopTimeout is -1 ms/],
    ['no number', {heartbeatIntervalMs: NaN}, /heartbeatInterval is NaN/],
    ['T below a second', {leaseTimeoutMs: 999}, /between 1 s and 24 h/],
    ['T above a day', {leaseTimeoutMs: 86_400_001}, /between 1 s and 24 h/],
  ];
  for (const [what, change, sentence] of refused) {
    it(`are refused with a reason: ${what}`, () => {
      expect(timingFaults({...DEFAULT_TIMING, ...change}).join('\n')).to.match(sentence);
    });
  }

  it('give the instants of the drawn timeline: SIGTERM at T-S-d, SIGKILL at T-d', () => {
    const end = monoMs(100_000 + DEFAULT_TIMING.leaseTimeoutMs);
    expect(stopAt(end, DEFAULT_TIMING)).to.equal(118_000);
    expect(killAt(end, DEFAULT_TIMING)).to.equal(128_000);
    expect(rideOutMs(DEFAULT_TIMING)).to.equal(18_000);
  });
});

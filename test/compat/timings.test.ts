// "a timeout too small for our stop time and margin scales these down, with a warning that shows the sum".
import {expect} from 'chai';
import {fitTimings, type Timings} from '../../lib/compat/timings.ts';
import {LEASE_TIMEOUT_MIN_MS} from '../../lib/protocol/lock-name.ts';
import {timingFaults} from '../../lib/protocol/timing.ts';

const usual = {stopTimeout: 10_000, safetyMargin: 2_000, heartbeatInterval: 1_000, pollInterval: 1_000};
const none = (): boolean => false;
const faults = (t: Timings): readonly string[] =>
  timingFaults({
    leaseTimeoutMs: t.leaseTimeout,
    stopTimeoutMs: t.stopTimeout,
    safetyMarginMs: t.safetyMargin,
    heartbeatIntervalMs: t.heartbeatInterval,
    pollIntervalMs: t.pollInterval,
  });

describe('timings that fit a timeout of HAL or PROM', () => {
  it('stay as they are where there is room', () => {
    for (const leaseTimeout of [15_000, 35_000, 50_000]) {
      const timings = {...usual, leaseTimeout};
      expect(fitTimings(timings, none)).to.deep.equal({timings, warning: undefined});
    }
  });

  it('are scaled down together where there is none, and the sum is shown', () => {
    const {timings, warning} = fitTimings({...usual, leaseTimeout: 5_000}, none);
    expect(timings).to.deep.equal({
      leaseTimeout: 5_000,
      stopTimeout: 3_333,
      safetyMargin: 666,
      heartbeatInterval: 333,
      pollInterval: 333,
    });
    expect(warning).to.contain(
      'a timeout of 5000 ms is shorter than stopTimeout 10000 + safetyMargin 2000 + 3 * heartbeatInterval 1000 = 15000 ms',
    );
    expect(warning).to.contain('stopTimeout 3333 + safetyMargin 666 + 3 * heartbeatInterval 333 = 4998 ms');
    expect(warning).to.contain('3333 ms to stop, and rides out 1001 ms');
  });

  it('are sound for every timeout that a lease may have', () => {
    for (let leaseTimeout = LEASE_TIMEOUT_MIN_MS; leaseTimeout < 16_000; leaseTimeout += 7)
      expect(faults(fitTimings({...usual, leaseTimeout}, none).timings), String(leaseTimeout)).to.deep.equal([]);
  });

  it('leave alone what somebody has chosen, and make the others smaller', () => {
    const {timings} = fitTimings({...usual, stopTimeout: 4_000, leaseTimeout: 6_000}, (key) => key === 'stopTimeout');
    expect(timings).to.include({stopTimeout: 4_000, safetyMargin: 800, heartbeatInterval: 400, pollInterval: 400});
    expect(faults(timings)).to.deep.equal([]);
  });

  it('are left to be refused where what was chosen leaves no room', () => {
    const given = {...usual, leaseTimeout: 4_000};
    for (const chosen of [['stopTimeout'], ['stopTimeout', 'safetyMargin', 'heartbeatInterval']]) {
      const fitted = fitTimings(given, (key) => chosen.includes(key));
      expect(fitted).to.deep.equal({timings: given, warning: undefined});
      expect(faults(fitted.timings)).to.have.length(1);
    }
  });

  it('keep a poll interval that somebody has chosen', () => {
    const {timings} = fitTimings({...usual, pollInterval: 700, leaseTimeout: 5_000}, (key) => key === 'pollInterval');
    expect(timings.pollInterval).to.equal(700);
  });
});

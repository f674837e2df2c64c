// W + d + 3 h <= T: the watchdog has fired before another node may claim.
import {expect} from 'chai';
import {watchdogTimingFault} from '../../lib/agent/watchdog-timing.ts';
import {DEFAULT_TIMING} from '../../lib/protocol/timing.ts';

describe('the timeout of a watchdog', () => {
  it('fits the default timings up to 25 s', () => {
    expect(watchdogTimingFault(DEFAULT_TIMING, 25_000)).to.equal(undefined);
    expect(watchdogTimingFault(DEFAULT_TIMING, 25_001)).to.contain(
      "the watchdog's timeout 25001 ms + safetyMargin 2000 ms + 3 * heartbeatInterval 1000 ms = 30001 ms is more than leaseTimeout 30000 ms",
    );
  });
});

// What surrounds a run, against a run that is played: nothing is started too late, and `gone` is told last of all.
import {expect} from 'chai';
import {runAround, type AroundContext} from '../../lib/guardian/around-run.ts';
import {bootNow} from '../../lib/guardian/clock.ts';
import type {Run, RunEvents} from '../../lib/guardian/run.ts';
import {eventually} from '../support/eventually.ts';
import {eventsInto} from './run-support.ts';

/** Notes are not written down. */
const contextOf = (words: string[], stopTimeoutMs = 60_000): AroundContext => ({
  leaseEnd: bootNow,
  safetyMarginMs: 500,
  stopTimeoutMs,
  note: () => undefined,
  refused: (because) => words.push(`refused ${because}`),
});

describe('what surrounds a run', () => {
  const nothing = {addresses: [], watchdog: undefined};
  let words: string[];
  let inner: RunEvents | undefined;

  beforeEach(() => {
    words = [];
    inner = undefined;
  });

  const played = (events: RunEvents): Run => {
    inner = events;
    words.push('start');
    return {term: () => words.push('term'), kill: () => words.push('kill')};
  };
  function around(start: (events: RunEvents) => Run, mayRun = true): Run {
    return runAround(
      nothing,
      contextOf(words),
      eventsInto(words, () => mayRun),
      start,
    );
  }

  it('is nothing at all where nothing is configured: the run is started at once', () => {
    runAround(
      undefined,
      contextOf(words),
      eventsInto(words, () => true),
      played,
    );
    expect(words).to.deep.equal(['start']);
  });

  it('passes on what is told and asked, and tells gone once', async () => {
    const run = around(played);
    await eventually(() => inner);
    inner?.started();
    run.term();
    run.kill();
    inner?.gone(true);
    inner?.gone(true);
    await eventually(() => words.includes('gone true'));
    expect(words).to.deep.equal(['start', 'started', 'term', 'kill', 'gone true']);
  });

  it('passes on that nothing is proven, and the proof when it comes', async () => {
    const run = around(played);
    await eventually(() => inner);
    run.term();
    inner?.gone(false);
    expect(words.at(-1)).to.equal('gone false');
    inner?.gone(true);
    await eventually(() => words.includes('gone true'));
  });

  it('starts nothing for a guardian that was frozen beyond its deadline meanwhile', async () => {
    const run = around(played, false);
    await eventually(() => words.includes('may not'));
    run.term();
    await eventually(() => words.includes('gone true'));
    expect(words).to.deep.equal(['may not', 'gone true']);
  });

  it('starts nothing when it is to end before it has begun', async () => {
    const run = around(played);
    run.term();
    run.kill();
    await eventually(() => words.includes('gone true'));
    expect(words).to.deep.equal(['gone true']);
  });

  it('ends a run that cannot be started', async () => {
    const run = around(() => {
      throw new Error('no such program');
    });
    await eventually(() => words.length > 0);
    expect(words).to.deep.equal(['ended could not be started: no such program']);
    run.term();
    await eventually(() => words.includes('gone true'));
  });
});

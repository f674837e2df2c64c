// What a run needs around it, without a guardian: for tests of what only the run itself can do wrong.
import {OutputForwarder} from '../../lib/guardian/output.ts';
import {environmentOf, type RunContext, type RunEvents} from '../../lib/guardian/run.ts';
import type {SpawnOptions} from '../../lib/guardian/spawn.ts';

export function contextFor(setup: SpawnOptions['setup'], notes: string[] = []): RunContext {
  const whole = {...setup, marker: `run-test-${process.pid}`};
  return {
    setup: whole,
    output: new OutputForwarder(),
    note: (text) => notes.push(text),
    environment: (role, epoch) => environmentOf(whole, {}, role, epoch),
  };
}

/** Writes down what a run tells, and each time that it may not run. */
export const eventsInto = (words: string[], mayRun: () => boolean): RunEvents => ({
  started: () => words.push('started'),
  holding: () => words.push('holding'),
  ended: (because) => words.push(`ended ${because}`),
  gone: (proven) => words.push(`gone ${proven}`),
  mayRun: () => {
    const may = mayRun();
    if (!may) words.push('may not');
    return may;
  },
});

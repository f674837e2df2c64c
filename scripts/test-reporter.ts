// Mocha's spec output, and beside it the counts for scripts/test.ts, sent as they grow.
import Mocha from 'mocha';

/** What the reporter sends after each test and at the end. */
export interface Progress {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** The test that was begun last, to be named if the run does not end. */
  readonly test: string;
  readonly ended: boolean;
}

/** @returns undefined if the message is something else. */
export function parseProgress(message: unknown): Progress | undefined {
  if (typeof message !== 'object' || message === null) return undefined;
  const {passed, failed, skipped, test, ended} = message as Partial<Record<keyof Progress, unknown>>;
  if (typeof passed !== 'number' || typeof failed !== 'number' || typeof skipped !== 'number') return undefined;
  if (typeof test !== 'string' || typeof ended !== 'boolean') return undefined;
  return {passed, failed, skipped, test, ended};
}

/** Mocha constructs the default export. */
export default class TestReporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options?: Mocha.MochaOptions) {
    super(runner, options);
    let progress: Progress = {passed: 0, failed: 0, skipped: 0, test: '', ended: false};
    const report = (change: Partial<Progress>): void => {
      progress = {...progress, ...change};
      process.send?.(progress);
    };
    runner.on('test', (test) => {
      report({test: test.fullTitle()});
    });
    runner.on('pass', () => {
      report({passed: progress.passed + 1});
    });
    runner.on('fail', () => {
      report({failed: progress.failed + 1});
    });
    runner.on('pending', () => {
      report({skipped: progress.skipped + 1});
    });
    runner.once('end', () => {
      report({ended: true});
    });
  }
}

// Mocha's spec output, and beside it the counts for scripts/test.ts, sent as they grow.
import Mocha from 'mocha';

/** Of a failure's message, in characters: mocha's own list has it whole. */
const MESSAGE_LIMIT = 1000;

/** What the reporter sends after each test and at the end. */
export interface Progress {
  /** What failed so far: the title of each, with what was wrong. */
  readonly failures: readonly string[];
  readonly passed: number;
  readonly skipped: number;
  /** The test that was begun last, to be named if the run does not end. */
  readonly test: string;
  readonly ended: boolean;
}

export const NOTHING_YET: Progress = {passed: 0, failures: [], skipped: 0, test: '', ended: false};

/** @returns undefined if the message is something else. */
export function parseProgress(message: unknown): Progress | undefined {
  if (typeof message !== 'object' || message === null) return undefined;
  const {passed, failures, skipped, test, ended} = message as Partial<Record<keyof Progress, unknown>>;
  if (typeof passed !== 'number' || typeof skipped !== 'number' || !Array.isArray(failures)) return undefined;
  if (typeof test !== 'string' || typeof ended !== 'boolean') return undefined;
  return {passed, failures: failures.map(String), skipped, test, ended};
}

/** Mocha constructs the default export. */
export default class TestReporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options?: Mocha.MochaOptions) {
    super(runner, options);
    let progress: Progress = NOTHING_YET;
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
    runner.on('fail', (test, error: Error) => {
      report({failures: [...progress.failures, `${test.fullTitle()}\n  ${error.message.slice(0, MESSAGE_LIMIT)}`]});
    });
    runner.on('pending', () => {
      report({skipped: progress.skipped + 1});
    });
    runner.once('end', () => {
      report({ended: true});
    });
  }
}

// What nobody expected ends the process with status 2, also while the store hangs; the guardian makes that safe.
import {describeError} from '../errors.ts';
import {leaveProcess} from './leave-process.ts';

/** Failed while running, as interface.md promises. */
const FAILED = 2;

/** Nothing is tidied up after a bug: the next start finds pid file and guardian as a kill -9 leaves them. */
export function endOnCrash(): void {
  let ending = false;
  const crash = (error: unknown): void => {
    process.stderr.write(`ha-agent: ${describeError(error)}\n`);
    if (!ending) void leaveProcess(FAILED);
    ending = true;
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);
}

// A rename may hang for ever, so a process of its own releases the lock; the machine stops waiting for it some time.
import {spawn} from 'node:child_process';
import {extname} from 'node:path';
import {fileURLToPath} from 'node:url';
import type {GuardianEffect} from '../protocol/guardian-machine.ts';

const SCRIPT = fileURLToPath(new URL(`./release${extname(import.meta.url)}`, import.meta.url));

/** @param ended told when the process has ended, and why it could not be started. */
export function runReleaseHelper(
  lockDirectory: string,
  {instances, epoch, attempt}: GuardianEffect & {type: 'release'},
  ended: (because: string | undefined) => void,
): void {
  const argv = [...process.execArgv, SCRIPT, lockDirectory, String(attempt), instances.join(','), String(epoch)];
  const helper = spawn(process.execPath, argv, {detached: true, stdio: ['ignore', 2, 2]});
  helper.once('error', (error) => ended(`the release helper could not be started: ${error.message}`));
  helper.once('exit', () => ended(undefined));
}

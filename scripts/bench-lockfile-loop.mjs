// What people write by hand instead of an agent, to compare with: whoever has the lock runs the service. Not for use: see the README.
// Usage: node bench-lockfile-loop.mjs DIRECTORY COMMAND ARG…
import {spawn} from 'node:child_process';
import {setTimeout as sleep} from 'node:timers/promises';
import lockfile from 'proper-lockfile';

const POLL_MS = 1_000;
const [directory = '.', command = 'true', ...rest] = process.argv.slice(2);
let service;
const stopAndLeave = () => {
  service?.kill('SIGTERM');
  process.exit(1);
};

for (;;) {
  try {
    await lockfile.lock(directory, {onCompromised: stopAndLeave});
    break;
  } catch (error) {
    if (error.code !== 'ELOCKED') throw error;
    await sleep(POLL_MS);
  }
}
service = spawn(command, rest, {stdio: 'inherit'});
service.once('exit', (code) => process.exit(code ?? 1));
process.on('SIGTERM', () => service.kill('SIGTERM'));

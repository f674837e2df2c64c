// Runs seeds until one fails, in a process of its own: `hunter FIRST COUNT` prints "tried [seed check]". `hunter STATES 0 explore` explores
// the small configurations instead, and prints the number of the one that failed.
import {CONFIGURATIONS} from './explore-configurations.ts';
import {explore} from './explore.ts';
import {runSeed} from './run-seed.ts';

const [first, count] = [Number(process.argv[2]), Number(process.argv[3])];
let line = String(count);
if (process.argv[4] === 'explore') {
  const checks = CONFIGURATIONS.map(({nodes, left}) => explore({nodes, left, units: 6, epochs: 3, states: first}).failure?.check);
  const failed = checks.findIndex((check) => check !== undefined);
  line = failed < 0 ? String(checks.length) : `${failed + 1} ${failed} ${checks[failed]}`;
}
for (let seed = first; seed < first + count; seed++) {
  const {failure} = runSeed(seed);
  if (!failure) continue;
  line = `${seed - first + 1} ${seed} ${failure.check}`;
  break;
}
process.stdout.write(`${line}\n`);

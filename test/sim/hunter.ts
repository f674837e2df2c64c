// Runs seeds until one fails, in a process of its own: `hunter FIRST COUNT` prints "tried [seed check]".
import {runSeed} from './run-seed.ts';

const [first, count] = [Number(process.argv[2]), Number(process.argv[3])];
let line = String(count);
for (let seed = first; seed < first + count; seed++) {
  const {failure} = runSeed(seed);
  if (!failure) continue;
  line = `${seed - first + 1} ${seed} ${failure.check}`;
  break;
}
process.stdout.write(`${line}\n`);

// `npm run simulate -- --count N --seed S`: hunts for a seed whose world breaks a rule, and tells its story.
// Options: `--verbose` prints every line of the (single) seed, `--no-shrink` leaves a failing plan as it is, `--keep-going` counts failures.
import {parseArgs} from 'node:util';
import {runPlan, runSeed, type Outcome} from '../test/sim/run-seed.ts';
import {shrink} from '../test/sim/shrink.ts';

/** How many of the last lines are shown. */
const LAST_LINES = 80;
const HOUR_MS = 3_600_000;

function main(): void {
  const {values} = parseArgs({
    options: {
      count: {type: 'string', default: '1000'},
      seed: {type: 'string', default: '1'},
      verbose: {type: 'boolean', default: false},
      'no-shrink': {type: 'boolean', default: false},
      'keep-going': {type: 'boolean', default: false},
    },
  });
  const [first, count] = [Number(values.seed), Number(values.count)];
  const begun = performance.now();
  const failed: Outcome[] = [];
  let nodeMs = 0;
  let seed = first;
  for (; seed < first + count; seed++) {
    const outcome = runSeed(seed, values.verbose);
    nodeMs += outcome.nodeMs;
    if (values.verbose) print(outcome.transcript);
    if (!outcome.failure) continue;
    failed.push(outcome);
    process.stdout.write(`seed ${seed}: ${outcome.failure.message}\n`);
    if (!values['keep-going']) break;
  }
  const seconds = (performance.now() - begun) / 1_000;
  const seeds = Math.min(seed + 1, first + count) - first;
  const hours = nodeMs / HOUR_MS;
  process.stdout.write(
    `${seeds} seeds from ${first}: ${hours.toFixed(1)} simulated node-hours in ${seconds.toFixed(1)} s ` +
      `(${(seeds / seconds).toFixed(0)} seeds/s, ${((hours / seconds) * 60).toFixed(0)} node-hours/min), ${failed.length} failed\n`,
  );
  const [worst] = failed;
  if (!worst) return;
  process.exitCode = 1;
  if (!values.verbose) tell(worst, !values['no-shrink']);
}

function tell(outcome: Outcome, smaller: boolean): void {
  const plan = smaller ? shrink(outcome) : outcome.plan;
  const again = runPlan(plan, true);
  process.stdout.write(
    `\nseed ${plan.seed}, ${plan.nodes.length} nodes, ${plan.faults.length} of ${outcome.plan.faults.length} faults:\n`,
  );
  for (const node of plan.nodes) {
    const {leaseTimeoutMs, stopTimeoutMs, safetyMarginMs} = node.timing;
    process.stdout.write(
      `  ${node.nodeId}: ${node.mode}, priority ${node.priority}, T ${leaseTimeoutMs} S ${stopTimeoutMs} d ${safetyMarginMs}, grace ${Math.round(node.graceMs)} ms, drift ${node.drift.toFixed(4)}\n`,
    );
  }
  print(fold(again.transcript).slice(-LAST_LINES));
  if (again.failure?.stack !== undefined) process.stdout.write(`${again.failure.stack}\n`);
  process.stdout.write(`again: npm run simulate -- --seed ${plan.seed} --count 1 --verbose\n`);
}

/** Undisturbed renewals say little. */
const fold = (lines: readonly string[]): string[] =>
  lines
    .filter((line, i) => !/agent: renew /.test(line) || !/ server +\d{10}\.held/.test(lines[i + 1] ?? ''))
    .filter((line) => !/ server +\d{10}\.held.*\.\d+$/.test(line) || !/\.held.*\.\d{2,}$/.test(line));

function print(lines: readonly string[]): void {
  if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`);
}

main();

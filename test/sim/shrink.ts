// Makes a failing plan smaller: leaves out faults, in halves and then one by one, as long as the same check still fails.
import type {Fault, Plan} from './plan.ts';
import {runPlan, type Outcome} from './run-seed.ts';

/** How many runs a shrinking may take. */
const RUNS = 300;

export function shrink({plan, failure}: Outcome): Plan {
  if (!failure) return plan;
  let best = plan;
  let runs = 0;
  const fails = (faults: readonly Fault[]): boolean => {
    if (++runs > RUNS) return false;
    return runPlan({...plan, faults}).failure?.check === failure.check;
  };
  for (let size = Math.ceil(best.faults.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < best.faults.length;) {
      const fewer = [...best.faults.slice(0, from), ...best.faults.slice(from + size)];
      if (fails(fewer)) best = {...best, faults: fewer};
      else from += size;
    }
  }
  return best;
}

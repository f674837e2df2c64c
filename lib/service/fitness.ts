// Health of the node itself: the checks that are asked whoever is master, and those that are asked only while another node may be.
import type {Check, Outcome} from './check.ts';
import {repeat} from './checks.ts';

/** Whether the node could serve: known only once every check has passed, or one has failed too often. */
export type Fitness =
  | {readonly kind: 'fit'}
  | {readonly kind: 'unknown'; readonly because: string}
  | {readonly kind: 'unfit'; readonly because: string};

export interface FitnessWatch {
  /** `onChange` is told what is known at first, and whenever it changes. */
  start(onChange: (fitness: Fitness) => void): void;
  stop(): void;
  /** Whether the service may be running here: then the checks for a standby rest, and what they said is forgotten. */
  role(active: boolean): void;
  /** Checks that are the same as before keep what they have said. */
  configure(checks: readonly Check[]): void;
}

/** One check under way. */
interface Watched {
  readonly check: Check;
  readonly ended: AbortController;
  passed: boolean;
  failedInARow: number;
  outcome: Outcome | undefined;
}

export function createFitnessWatch(initial: readonly Check[]): FitnessWatch {
  let checks = initial;
  let active = false;
  let said: string | undefined;
  let onChange: ((fitness: Fitness) => void) | undefined;
  let watched: readonly Watched[] = [];

  /** Brings what is under way into line with what should be. */
  function settle(): void {
    const wanted = onChange ? checks.filter(({on}) => on === 'always' || (on === 'standby' && !active)) : [];
    const kept = wanted.map((check) => watched.find((each) => sameCheck(each.check, check)) ?? begin(check));
    for (const each of watched) if (!kept.includes(each)) each.ended.abort();
    watched = kept;
    tell();
  }

  function begin(check: Check): Watched {
    const each: Watched = {check, ended: new AbortController(), passed: false, failedInARow: 0, outcome: undefined};
    const note = (outcome: Outcome): void => {
      each.outcome = outcome;
      each.passed ||= outcome.ok;
      each.failedInARow = outcome.ok ? 0 : each.failedInARow + 1;
      tell();
    };
    const isKnown = (): boolean => each.passed || hasFailed(each);
    void repeat(check, each.ended.signal, isKnown, note);
    return each;
  }

  function tell(): void {
    const fitness = judge(watched);
    const words = JSON.stringify(fitness);
    if (!onChange || words === said) return;
    said = words;
    onChange(fitness);
  }

  return {
    start(listener) {
      onChange = listener;
      settle();
    },
    stop() {
      onChange = undefined;
      settle();
    },
    role(next) {
      if (next === active) return;
      active = next;
      settle();
    },
    configure(next) {
      checks = next;
      settle();
    },
  };
}

const sameCheck = (a: Check, b: Check): boolean => JSON.stringify(a) === JSON.stringify(b);

const hasFailed = ({check, failedInARow}: Watched): boolean => failedInARow > check.failures;

function judge(watched: readonly Watched[]): Fitness {
  const reasons = (those: readonly Watched[]): string =>
    [...new Set(those.map(({outcome}) => outcome?.because ?? 'a check has not ended yet'))].join('; ');
  const failed = watched.filter(hasFailed);
  if (failed.length > 0) return {kind: 'unfit', because: reasons(failed)};
  const open = watched.filter(({passed}) => !passed);
  return open.length > 0 ? {kind: 'unknown', because: reasons(open)} : {kind: 'fit'};
}

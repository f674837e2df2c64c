// Readiness and health of one run of the service: all checks side by side, each with its own pace, none twice at once.
import {setTimeout as sleep} from 'node:timers/promises';
import type {Check, Outcome} from './check.ts';
import {createProbe} from './probe.ts';

export interface Readiness {
  /**
   * Checks this run from now on, until `stop`; an earlier run is not checked any more. `onResult` is told why the service is
   * not ready whenever that changes, once when it is, and from then on when more failures in a row than tolerated make it
   * unhealthy, or it recovers.
   */
  start(run: number, onResult: (ok: boolean, because: string) => void): void;
  stop(): void;
  /** A run that is being checked goes on with these checks; one that was ready stays so until they fail too often. */
  configure(checks: readonly Check[]): void;
}

/** Until the service is ready it is asked this soon again, and each time a little later, ms: starts should not wait for a period. */
const FIRST_WAIT_MS = 50;
const WAIT_GROWTH = 1.4;
const LONGEST_WAIT_MS = 1_000;

interface Run {
  readonly onResult: (ok: boolean, because: string) => void;
  ready: boolean;
  /** What was reported last. */
  said: string | undefined;
}

/** Without any check a service is ready as soon as it is started. */
export function createReadiness(initial: readonly Check[]): Readiness {
  let checks = initial;
  let run: Run | undefined;
  let watching = new AbortController();

  function watchAnew(): void {
    watching.abort();
    watching = new AbortController();
    if (run) watch(checks, run, watching.signal);
  }

  return {
    start(_run, onResult) {
      run = {onResult, ready: false, said: undefined};
      watchAnew();
    },
    stop() {
      run = undefined;
      watchAnew();
    },
    configure(next) {
      checks = next;
      watchAnew();
    },
  };
}

/** What is known of one check. */
interface Standing {
  outcome: Outcome | undefined;
  failedInARow: number;
}

function watch(checks: readonly Check[], run: Run, signal: AbortSignal): void {
  const standings = checks.map((): Standing => ({outcome: undefined, failedInARow: 0}));

  function say(ok: boolean, because: string): void {
    const words = `${ok} ${because}`;
    if (words === run.said) return;
    run.said = words;
    run.ready ||= ok;
    run.onResult(ok, because);
  }

  function judge(): void {
    const failing = checks.flatMap(({failures}, index) => {
      const {outcome, failedInARow} = standings[index] ?? {outcome: undefined, failedInARow: 0};
      const bad = run.ready ? failedInARow > failures : outcome?.ok !== true;
      return bad ? [outcome?.because ?? 'a check has not ended yet'] : [];
    });
    if (failing.length === 0) say(true, 'every check passes');
    else say(false, [...new Set(failing)].join('; '));
  }

  function note(standing: Standing, outcome: Outcome): void {
    standing.outcome = outcome;
    standing.failedInARow = outcome.ok ? 0 : standing.failedInARow + 1;
    judge();
  }

  if (checks.length === 0) {
    queueMicrotask(() => {
      if (!signal.aborted) say(true, 'there are no checks: ready as soon as it is started');
    });
    return;
  }
  for (const [index, check] of checks.entries()) {
    const standing = standings[index];
    if (standing)
      void repeat(
        check,
        signal,
        () => run.ready,
        (outcome) => note(standing, outcome),
      );
  }
}

/** One check after another until `signal` is aborted; nothing is said after that. Quickly at first, until `isReady`. */
export async function repeat(
  check: Check,
  signal: AbortSignal,
  isReady: () => boolean,
  note: (outcome: Outcome) => void,
  probe = createProbe(check),
): Promise<void> {
  let quickMs = FIRST_WAIT_MS;
  for (let goesOn = true; goesOn;) {
    const outcome = await probe(signal);
    if (signal.aborted) return;
    note(outcome);
    goesOn = await pause(isReady() ? check.periodMs : Math.min(quickMs, check.periodMs), signal);
    quickMs = Math.min(quickMs * WAIT_GROWTH, LONGEST_WAIT_MS);
  }
}

/** Ends early when the run ends. @returns whether it goes on. */
async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(ms, undefined, {signal});
    return true;
  } catch (error) {
    if (!signal.aborted) throw error;
    return false;
  }
}

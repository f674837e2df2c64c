// Readiness and health of one run of the service: all checks side by side, each with its own pace, none twice at once.
import {setTimeout as sleep} from 'node:timers/promises';
import {createProbe, type Check, type Outcome} from './check.ts';

export interface Readiness {
  /**
   * Checks this run from now on, until `stop`; an earlier run is not checked any more. `onResult` is told why the service is
   * not ready whenever that changes, once when it is, and from then on when more failures in a row than tolerated make it
   * unhealthy, or it recovers.
   */
  start(run: number, onResult: (ok: boolean, because: string) => void): void;
  stop(): void;
}

/** Until the service is ready it is asked this soon again, and each time a little later, ms: starts should not wait for a period. */
const FIRST_WAIT_MS = 50;
const WAIT_GROWTH = 1.4;
const LONGEST_WAIT_MS = 1_000;

/** Without any check a service is ready as soon as it is started. */
export function createReadiness(checks: readonly Check[]): Readiness {
  let current: AbortController | undefined;
  function stop(): void {
    current?.abort();
    current = undefined;
  }
  return {
    stop,
    start(_run, onResult) {
      stop();
      const controller = new AbortController();
      current = controller;
      watch(checks, controller.signal, onResult);
    },
  };
}

/** What is known of one check. */
interface Standing {
  outcome: Outcome | undefined;
  failedInARow: number;
}

function watch(checks: readonly Check[], signal: AbortSignal, onResult: (ok: boolean, because: string) => void): void {
  const standings = checks.map((): Standing => ({outcome: undefined, failedInARow: 0}));
  let ready = false;
  let said: string | undefined;

  function judge(): void {
    const failing = checks.flatMap(({failures}, index) => {
      const {outcome, failedInARow} = standings[index] ?? {outcome: undefined, failedInARow: 0};
      const bad = ready ? failedInARow > failures : outcome?.ok !== true;
      return bad ? [outcome?.because ?? 'a check has not ended yet'] : [];
    });
    const ok = failing.length === 0;
    const because = ok ? 'every check passes' : [...new Set(failing)].join('; ');
    const words = `${ok} ${because}`;
    if (words === said) return;
    said = words;
    ready ||= ok;
    onResult(ok, because);
  }

  function note(standing: Standing, outcome: Outcome): void {
    standing.outcome = outcome;
    standing.failedInARow = outcome.ok ? 0 : standing.failedInARow + 1;
    judge();
  }

  if (checks.length === 0) {
    queueMicrotask(() => {
      if (!signal.aborted) onResult(true, 'there are no checks: ready as soon as it is started');
    });
    return;
  }
  for (const [index, check] of checks.entries()) {
    const standing = standings[index];
    if (standing)
      void repeat(
        check,
        signal,
        () => ready,
        (outcome) => note(standing, outcome),
      );
  }
}

/** One check after another until the run ends; nothing is said after that. */
async function repeat(
  check: Check,
  signal: AbortSignal,
  isReady: () => boolean,
  note: (outcome: Outcome) => void,
): Promise<void> {
  const probe = createProbe(check);
  let quickMs = FIRST_WAIT_MS;
  for (;;) {
    const outcome = await probe(signal);
    if (signal.aborted) return;
    note(outcome);
    await pause(isReady() ? check.periodMs : Math.min(quickMs, check.periodMs), signal);
    quickMs = Math.min(quickMs * WAIT_GROWTH, LONGEST_WAIT_MS);
  }
}

/** Ends early, without a word, when the run ends. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, {signal});
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

// The time between two looks: the poll interval, and much less for a while after a hint.

export interface Pacer {
  /** Resolves when it is time for the next look, or at once when the signal is aborted. */
  pause(): Promise<void>;
  hurry(): void;
}

const HURRIED_MS = 100;
/** For how many polls a hint keeps the pace. */
const HINT_POLLS = 5;

export function createPacer(pollIntervalMs: number, signal: AbortSignal): Pacer {
  let hurried = 0;
  let wake: () => void = () => undefined;
  signal.addEventListener('abort', () => wake(), {once: true});
  const hurriedMs = Math.min(HURRIED_MS, pollIntervalMs);
  return {
    async pause() {
      if (signal.aborted) return;
      const ms = hurried > 0 ? hurriedMs : pollIntervalMs;
      hurried = Math.max(0, hurried - 1);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    },
    hurry() {
      // Whoever is on the quick pace already is not woken: hints may come faster than looks.
      if (hurried === 0) wake();
      hurried = Math.ceil((HINT_POLLS * pollIntervalMs) / hurriedMs);
    },
  };
}

// An abort that has several causes and leaves nothing behind on signals that live for long, as AbortSignal.any does.

export interface TimeLimit {
  readonly signal: AbortSignal;
  /** Neither time nor signals count any longer. */
  release(): void;
}

/** @param late is the reason of the abort when the time is over. */
export function limitTime(ms: number, late: () => Error, ...signals: readonly (AbortSignal | undefined)[]): TimeLimit {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(late()), ms);
  const passOn = (event: {readonly target: unknown}): void => {
    controller.abort(event.target instanceof AbortSignal ? event.target.reason : undefined);
  };
  for (const signal of signals) {
    if (signal?.aborted === true) controller.abort(signal.reason);
    else signal?.addEventListener('abort', passOn, {once: true});
  }
  return {
    signal: controller.signal,
    release() {
      clearTimeout(timer);
      for (const signal of signals) signal?.removeEventListener('abort', passOn);
    },
  };
}

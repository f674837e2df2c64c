// One run of a service, whatever kind it is, as the guardian handles it.
import type {OutputForwarder} from './output.ts';
import type {ProcessIdentity} from './proc.ts';
import {MARKER_VARIABLE} from './containment.ts';
import type {GuardianSetup} from './wire.ts';

/** What a run tells and asks; `ended` at most once and never after `term`, `gone(false)` may be followed by `gone(true)`. */
export interface RunEvents {
  started(): void;
  holding(holder: ProcessIdentity): void;
  /** It ended by itself, or could not be started; processes of it may be left. */
  ended(because: string): void;
  gone(proven: boolean): void;
  /**
   * Asked immediately before anything is let run: whether its deadline still allows it, looked at now. If not, nothing is to be let run
   * and nothing to be told: `term` comes by itself.
   */
  mayRun(): boolean;
}

export interface Run {
  /** Ask it to end. */
  term(): void;
  /** End it. Also without `term` before, and more than once. */
  kill(): void;
}

/** What every kind of run needs. */
export interface RunContext {
  readonly setup: GuardianSetup;
  readonly output: OutputForwarder;
  /** Tells whoever reads the guardian's log. */
  note(text: string): void;
  /** The environment of commands: inherited, HA_*, marker. */
  environment(role: 'active' | 'passive', epoch: number | undefined): NodeJS.ProcessEnv;
}

export function environmentOf(
  setup: GuardianSetup,
  values: Readonly<Record<string, string>>,
  role: 'active' | 'passive',
  epoch: number | undefined,
): NodeJS.ProcessEnv {
  return {
    ...process.env,
    ...setup.environment,
    ...values,
    HA_ROLE: role,
    HA_EPOCH: epoch === undefined ? undefined : String(epoch),
    [MARKER_VARIABLE]: setup.marker,
  };
}

/** A node without a service: holding is running. */
export function startNothing(events: RunEvents): Run {
  let gone = false;
  const end = (): void => {
    if (!gone) events.gone(true);
    gone = true;
  };
  events.started();
  return {term: end, kill: end};
}

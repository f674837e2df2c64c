// What the parts of a node are built from.
import type {LocalState} from '../agent/local-state.ts';
import type {Clock} from '../agent/ports.ts';
import type {Prelude} from '../agent/prelude.ts';
import type {Config} from '../config/config.ts';
import type {Containment} from '../guardian/containment.ts';
import type {RootLog} from '../log/log.ts';
import type {InstanceId} from '../protocol/words.ts';
import type {Notifier} from '../service/notify.ts';

/** What every part of a node is given. */
export interface Workbench {
  readonly config: Config;
  readonly log: RootLog;
  /** What systemd is told, where it has started this agent. */
  readonly notifier: Notifier;
  readonly clock: Clock;
  readonly prelude: Prelude;
  readonly state: LocalState;
  readonly instance: InstanceId;
  readonly containment: Containment | undefined;
  readonly launcher: readonly string[];
  /** Fires when the node is told to end. */
  readonly leaving: AbortController;
  /** Called in the opposite order at the end. */
  readonly closers: (() => Promise<void> | void)[];
}

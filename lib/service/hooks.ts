// The hooks: what is run when this node becomes active or passive, when the leader changes and on a fault, one at a time and in order.
import type {RunScript, ScriptLog} from './script.ts';

export type HookName = 'onActive' | 'onPassive' | 'onLeaderChange' | 'onFault';

export interface HookSettings extends Readonly<Record<HookName, readonly string[] | undefined>> {
  readonly timeoutMs: number;
}

/** What of a node's status decides which hooks are due. */
export interface Moment {
  readonly state: string;
  /** Owner of the lease, and where its agent answers. */
  readonly masterId: string | null;
  readonly masterUri: string | null;
  /** Counts the failures of the service here. */
  readonly serviceFailures: number;
}

/** What is remembered from one look to the next. */
export interface Seen {
  readonly role: 'active' | 'passive' | undefined;
  readonly failed: boolean;
  readonly serviceFailures: number;
  readonly master: string;
}

export const NOTHING_SEEN: Seen = {role: undefined, failed: false, serviceFailures: 0, master: ''};

/** An agent that ends is waited for. */
const LAST_HOOKS_MS = 10_000;
const STANDING_BY: readonly string[] = ['STANDBY', 'HOT_STANDBY', 'HOT_BACKUP'];

/** @returns the hooks that are due, in their order, and what is to be remembered. */
export function hooksDue(before: Seen, now: Moment): {readonly due: readonly HookName[]; readonly seen: Seen} {
  const failed = now.state === 'FAILED';
  const role = roleOf(before, now.state);
  const master = leaderOf(before, now);
  const due: HookName[] = [];
  if ((failed && !before.failed) || now.serviceFailures > before.serviceFailures) due.push('onFault');
  if (role === 'passive' && before.role !== 'passive') due.push('onPassive');
  if (master !== before.master) due.push('onLeaderChange');
  if (role === 'active' && before.role !== 'active') due.push('onActive');
  return {due, seen: {role, failed, serviceFailures: now.serviceFailures, master}};
}

/** Whatever is not MASTER any more is passive; what has never been either has no role yet. */
function roleOf({role}: Seen, state: string): Seen['role'] {
  if (state === 'MASTER') return 'active';
  return role === undefined && !STANDING_BY.includes(state) ? undefined : 'passive';
}

/** A leader counts once it is known where it answers: that is what the hook is for. */
function leaderOf({master}: Seen, {masterId, masterUri}: Moment): string {
  if (masterId === null) return '';
  return masterUri === null ? master : `${masterId} ${masterUri}`;
}

export interface Hooks {
  configure(settings: HookSettings): void;
  /** Queues a hook, if there is one of this name. */
  run(name: HookName, environment: NodeJS.ProcessEnv): void;
  /** Resolves when nothing waits any more, or after the time that one hook may take, at most LAST_HOOKS_MS; what still runs is killed then. */
  close(): Promise<void>;
}

export function createHooks(initial: HookSettings, runScript: RunScript, log: ScriptLog): Hooks {
  let settings = initial;
  let queue: Promise<void> = Promise.resolve();
  let killRunning = (): void => undefined;
  let over = false;

  async function runOne(name: HookName, command: readonly string[], environment: NodeJS.ProcessEnv): Promise<void> {
    if (over) return log.warn(`the hook ${name} is not run: the agent ends`);
    const running = runScript({name, command, environment, timeoutMs: settings.timeoutMs});
    killRunning = () => running.signal('SIGKILL');
    const {ok, because} = await running.done;
    log[ok ? 'info' : 'warn'](`the hook ${name} ${ok ? 'has run' : 'has failed'}: ${because}`);
  }

  return {
    configure: (next) => (settings = next),
    run(name, environment) {
      const command = settings[name];
      if (command) queue = queue.then(() => runOne(name, command, environment));
    },
    async close() {
      const limit = setTimeout(
        () => {
          over = true;
          killRunning();
        },
        Math.min(settings.timeoutMs, LAST_HOOKS_MS),
      );
      await queue;
      clearTimeout(limit);
    },
  };
}

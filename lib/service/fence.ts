// The fence command: makes sure that another host is dead. One run at a time; only its success is told, with the epoch it was run for.
import type {RunningCommand} from '../guardian/command.ts';
import type {FenceTarget} from '../protocol/fence.ts';
import type {Epoch} from '../protocol/words.ts';
import type {RunScript, ScriptLog} from './script.ts';

export interface FenceSettings {
  /** undefined: there is none. */
  readonly command: readonly string[] | undefined;
  /** Of one run, ms. */
  readonly timeoutMs: number;
  /** After a failure, before the same owner is fenced again, ms. */
  readonly backoffMs: number;
}

export interface Fence {
  configure(settings: FenceSettings): void;
  /** @param target whom to fence now; undefined: nobody. */
  look(target: FenceTarget | undefined, environment: NodeJS.ProcessEnv): void;
  /** Kills what still runs. */
  close(): Promise<void>;
}

/**
 * @param proven called for each success.
 * @param now ms on a clock that never goes back.
 */
export function createFence(
  initial: FenceSettings,
  runScript: RunScript,
  log: ScriptLog,
  proven: (epoch: Epoch) => void,
  now: () => number,
): Fence {
  let settings = initial;
  let running: RunningCommand | undefined;
  let failed: {readonly epoch: Epoch; readonly until: number} | undefined;

  function run(command: readonly string[], {owner, epoch}: FenceTarget, environment: NodeJS.ProcessEnv): void {
    log.warn(`${owner} is silent under epoch ${epoch}: fencing it`, {command: command[0]});
    const values = {...environment, HA_FENCE_ID: owner, HA_FENCE_EPOCH: String(epoch)};
    const started = runScript({name: `fence ${owner}`, command, environment: values, timeoutMs: settings.timeoutMs});
    running = started;
    void started.done.then(({status, because}) => {
      // Of fencing tools only 0 is a promise: 2 often means that they did not understand what was asked.
      const ok = status === 0;
      running = undefined;
      failed = ok ? undefined : {epoch, until: now() + settings.backoffMs};
      if (ok) log.info(`${owner} has been fenced: its silence need not be waited out`, {epoch});
      else log.warn(`${owner} could not be fenced, so its silence is waited out: ${because}`, {epoch});
      if (ok) proven(epoch);
    });
  }

  return {
    configure: (next) => (settings = next),
    look(target, environment) {
      if (!target || !settings.command || running) return;
      if (failed?.epoch === target.epoch && now() < failed.until) return;
      run(settings.command, target, environment);
    },
    async close() {
      running?.signal('SIGKILL');
      await running?.done;
    },
  };
}

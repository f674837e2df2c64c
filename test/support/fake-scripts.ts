// Scripts that a test ends as it likes, in the place of the commands that the agent would run.
import type {CommandEnd} from '../../lib/guardian/command.ts';
import type {RunScript, Script} from '../../lib/service/script.ts';

export interface StartedScript extends Script {
  /** Resolves once whoever started it has taken note; well if not said how. */
  end(how?: CommandEnd): Promise<void>;
  /** What it was sent; any signal ends it. */
  readonly signals: readonly string[];
}

export interface FakeScripts {
  readonly run: RunScript;
  readonly started: readonly StartedScript[];
}

const WELL: CommandEnd = {ok: true, because: 'exit status 0', status: 0};

export function fakeScripts(): FakeScripts {
  const started: StartedScript[] = [];
  return {
    started,
    run(script) {
      let finish = (_: CommandEnd): void => undefined;
      const done = new Promise<CommandEnd>((resolve) => (finish = resolve));
      const signals: string[] = [];
      const end = async (how = WELL): Promise<void> => {
        finish(how);
        await done;
        await Promise.resolve();
      };
      started.push({...script, end, signals});
      return {
        done,
        signal(name) {
          signals.push(name);
          finish({ok: false, because: name});
        },
      };
    },
  };
}

/** A log that nobody reads. */
export const quiet = {info: (): void => undefined, warn: (): void => undefined};

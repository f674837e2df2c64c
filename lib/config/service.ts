// What is supervised: the kind of service, derived from the commands that were given where it is not said.
import type {Key, Values} from './options.ts';

/** Notes that the value of a key does not fit the others; `expected` is what would. */
export type Refuse = (key: Key, expected: string, found?: string) => void;

interface Tries {
  /** How often a start is tried before the lease is given away; at least 1. */
  readonly attempts: number;
  readonly backoffMs: number;
  /** How long a start may take until the service is ready. */
  readonly startTimeoutMs: number;
  readonly coolDownMs: number;
}

export type ServiceConfig = Tries &
  (
    | {readonly kind: 'exec'; readonly command: readonly string[]}
    | {
        readonly kind: 'ensure';
        readonly active: readonly string[];
        readonly passive: readonly string[];
        readonly monitorIntervalMs: number;
        readonly commandTimeoutMs: number;
      }
    | {readonly kind: 'none'}
  );

/** @param rank of the source of a key, 0 for a default: a command line overrides the whole form that a file chose. */
export function readService(values: Values, rank: (key: Key) => number, refuse: Refuse): ServiceConfig {
  const tries: Tries = {
    attempts: values['service.attempts'],
    backoffMs: values['service.backoff'],
    startTimeoutMs: values['service.startTimeout'],
    coolDownMs: values['service.coolDown'],
  };
  const {'service.command': command, 'service.active': active, 'service.passive': passive} = values;
  switch (kindOf(values, rank, refuse)) {
    case 'exec':
      if (command === undefined) refuse('service.command', 'the command of the service, because service.kind is exec');
      return {...tries, kind: 'exec', command: command ?? []};
    case 'ensure': {
      if (active === undefined) refuse('service.active', 'the command that starts and checks the service');
      if (passive === undefined)
        refuse('service.passive', 'the command that makes sure the service does not run: nothing else can prove it');
      const times = {monitorIntervalMs: values['service.monitorInterval'], commandTimeoutMs: values['service.commandTimeout']};
      return {...tries, ...times, kind: 'ensure', active: active ?? [], passive: passive ?? []};
    }
    case 'none':
      return {...tries, kind: 'none'};
  }
}

function kindOf(values: Values, rank: (key: Key) => number, refuse: Refuse): 'exec' | 'ensure' | 'none' {
  const execRank = values['service.command'] === undefined ? 0 : rank('service.command');
  const ensureRank = Math.max(
    values['service.active'] === undefined ? 0 : rank('service.active'),
    values['service.passive'] === undefined ? 0 : rank('service.passive'),
  );
  const said = values['service.kind'];
  const commandRank = Math.max(execRank, ensureRank);
  if (said !== undefined && rank('service.kind') >= commandRank) {
    const unused = said === 'none' ? commandRank : said === 'exec' ? ensureRank : execRank;
    const key: Key =
      execRank === unused && said !== 'exec'
        ? 'service.command'
        : values['service.active'] === undefined
          ? 'service.passive'
          : 'service.active';
    if (unused > 0 && unused === rank('service.kind')) refuse(key, `no such command, because service.kind is ${said}`);
    return said;
  }
  if (execRank > 0 && execRank === ensureRank) {
    refuse('service.command', 'either a command (exec) or ensureActive and ensurePassive (ensure), not both');
  }
  if (commandRank === 0) return 'none';
  return execRank >= ensureRank ? 'exec' : 'ensure';
}

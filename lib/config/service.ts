// What is supervised: the kind of service, derived from the commands that were given where it is not said.
import type {Key, Values} from './options.ts';
import {unitName} from './unit-name.ts';

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
  /** `standby`: what runs while this node is not active. */
  (
    | {readonly kind: 'exec'; readonly command: readonly string[]; readonly standby: readonly string[] | undefined}
    | {
        readonly kind: 'ensure';
        readonly active: readonly string[];
        readonly passive: readonly string[];
        readonly monitorIntervalMs: number;
        readonly commandTimeoutMs: number;
      }
    /** `unit` with its suffix. */
    | {readonly kind: 'systemd'; readonly unit: string; readonly monitorIntervalMs: number}
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
  const {'service.command': command, 'service.active': active, 'service.passive': passive, 'service.unit': unit} = values;
  const standby = values['service.standbyExec'];
  const kind = kindOf(values, rank, refuse);
  // One that a command line has overridden with the form it belonged to is of no account.
  if (standby && kind !== 'exec' && rank('service.standbyExec') >= Math.max(...FORM_KEYS.map(rank)))
    refuse('service.standbyExec', `no such command, because service.kind is ${kind}: only exec has one`);
  switch (kind) {
    case 'exec':
      if (command === undefined) refuse('service.command', 'the command of the service, because service.kind is exec');
      return {...tries, kind: 'exec', command: command ?? [], standby};
    case 'ensure': {
      if (active === undefined) refuse('service.active', 'the command that starts and checks the service');
      if (passive === undefined)
        refuse('service.passive', 'the command that makes sure the service does not run: nothing else can prove it');
      const times = {monitorIntervalMs: values['service.monitorInterval'], commandTimeoutMs: values['service.commandTimeout']};
      return {...tries, ...times, kind: 'ensure', active: active ?? [], passive: passive ?? []};
    }
    case 'systemd':
      if (unit === undefined) refuse('service.unit', 'the unit of the service, because service.kind is systemd');
      return {...tries, kind: 'systemd', unit: unitName(unit ?? ''), monitorIntervalMs: values['service.monitorInterval']};
    case 'none':
      return {...tries, kind: 'none'};
  }
}

type Form = Exclude<ServiceConfig['kind'], 'none'>;

/** Which keys say what is to be run, by kind. */
const FORMS: readonly {readonly kind: Form; readonly keys: readonly Key[]; readonly what: string}[] = [
  {kind: 'exec', keys: ['service.command'], what: 'command'},
  {kind: 'ensure', keys: ['service.active', 'service.passive'], what: 'command'},
  {kind: 'systemd', keys: ['service.unit'], what: 'unit'},
];

const FORM_KEYS: readonly Key[] = ['service.kind', ...FORMS.flatMap(({keys}) => keys)];

function kindOf(values: Values, rank: (key: Key) => number, refuse: Refuse): ServiceConfig['kind'] {
  const given = FORMS.map((form) => {
    const keys = form.keys.filter((key) => values[key] !== undefined);
    return {...form, keys, rank: Math.max(0, ...keys.map(rank))};
  });
  const highest = Math.max(...given.map((form) => form.rank));
  const said = values['service.kind'];
  if (said !== undefined && rank('service.kind') >= highest) {
    for (const {kind, keys, what, rank: own} of given) {
      const [key] = keys;
      if (kind !== said && key !== undefined && own > 0 && own === rank('service.kind'))
        refuse(key, `no such ${what}, because service.kind is ${said}`);
    }
    return said;
  }
  if (highest === 0) return 'none';
  const [first, second] = given.filter((form) => form.rank === highest);
  if (second?.kind === 'systemd') refuse('service.unit', 'either a unit (systemd) or commands (exec, ensure), not both');
  else if (second) refuse('service.command', 'either a command (exec) or ensureActive and ensurePassive (ensure), not both');
  return first?.kind ?? 'none';
}

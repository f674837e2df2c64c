// The table of options in the shape that yargs takes; which text is right is for loadConfig to say, all faults at once.
import {flagOf, LAUNCH_KEYS, OPTIONS, type Key, type Option, type Values} from './options.ts';

/** What `yargs.option(name, …)` takes. */
export interface CommandLineOption {
  /** Values stay text, so that a fault can be shown as it was typed. */
  readonly type: 'string' | 'boolean';
  readonly alias?: readonly string[];
  readonly describe: string;
  readonly defaultDescription?: string;
  readonly requiresArg?: true;
}

/** @returns by camelCase name, `config` first; for all keys that the command line of launch takes, or for the keys given. */
export function commandLineOptions(keys: readonly Key[] = LAUNCH_KEYS): Readonly<Record<string, CommandLineOption>> {
  const options: Record<string, CommandLineOption> = {
    config: {
      type: 'string',
      alias: ['c'],
      describe: "a file with these options and more, YAML or JSON; or HAL's or PROM's config.json, or its directory [FILE]",
      requiresArg: true,
    },
  };
  for (const key of keys) {
    const flag = flagOf(key);
    if (flag !== undefined) options[flag] = describe(key);
  }
  return options;
}

function describe<K extends Key>(key: K): CommandLineOption {
  const option: Option<Values[K]> = OPTIONS[key];
  const standard = defaultText(option);
  const {placeholder} = option.kind;
  return {
    type: placeholder === undefined ? 'boolean' : 'string',
    ...(option.aliases.length > 0 && {alias: option.aliases}),
    describe: placeholder === undefined ? option.description : `${option.description} [${placeholder}]`,
    ...(standard !== undefined && placeholder !== undefined && {defaultDescription: standard}),
    ...(placeholder !== undefined && {requiresArg: true as const}),
  };
}

/** The default as people should read it; undefined if there is none. */
export function defaultText<T>(option: Option<T>): string | undefined {
  if (option.initialText !== undefined) return option.initialText;
  return isPresent(option.initial) ? option.kind.show(option.initial) : undefined;
}

const isPresent = <T>(value: T): value is Exclude<T, undefined> => value !== undefined;

// What the table of keys says of one of them.
import type {Kind} from './kinds.ts';

export interface Option<T> {
  readonly kind: Kind<Exclude<T, undefined>>;
  readonly initial: T;
  /** The default as people should read it; undefined: `initial` says it, or there is none. */
  readonly initialText?: string;
  readonly description: string;
  /** The name on the command line, where it is not the key itself; a key with a dot has none otherwise. */
  readonly flagName?: string;
  /** The one command that takes it; no other shows it or minds it. */
  readonly only?: 'proxy';
  /** Only a config file has room for it. */
  readonly fileOnly?: true;
  /** Other names on the command line; those longer than a letter also in the file and the environment. */
  readonly aliases: readonly string[];
  /** Whether a change takes effect while the agent runs, or only at its next start. */
  readonly change: 'live' | 'restart';
  /** A line for the sample file, where the default says too little. */
  readonly sample?: string;
}

type Rest<T> = Partial<Pick<Option<T>, 'initialText' | 'flagName' | 'only' | 'fileOnly' | 'aliases' | 'change' | 'sample'>>;

export function option<T>(kind: Kind<Exclude<T, undefined>>, initial: T, description: string, rest: Rest<T> = {}): Option<T> {
  return {kind, initial, description, aliases: [], change: 'restart', ...rest};
}

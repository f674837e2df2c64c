// What was given on the command line and in the environment, as it is to stand in a config file.
import {HaError} from '../errors.ts';
import {fromCommandLine, fromEnvironment} from './given.ts';
import type {ConfigInput} from './load.ts';
import {OPTIONS, type Key, type Option, type Values} from './options.ts';
import {resolveValues} from './resolve.ts';
import type {SampleValues} from './sample.ts';

/**
 * Paths become absolute, because a config file counts them from its own directory.
 * @param keys which of them count. @throws HaError config.invalid if one of them is at fault.
 */
export async function givenValues(
  keys: readonly Key[],
  {argv, env, cwd}: Pick<ConfigInput, 'argv' | 'env' | 'cwd'>,
): Promise<SampleValues> {
  const {values, winners, problems} = await resolveValues([fromCommandLine(argv, undefined, cwd), fromEnvironment(env, cwd)]);
  const own = problems.filter(({key}) => keys.some((each) => each === key));
  if (own.length > 0) {
    const text = {message: 'what is to stand in the config file has a fault', hint: 'correct what is listed'};
    throw new HaError('config.invalid', {problems: own}, text);
  }
  const {stringify} = await import('yaml');
  const given: Partial<Record<Key, string>> = {};
  const add = <K extends Key>(key: K): void => {
    const option: Option<Values[K]> = OPTIONS[key];
    const value = values[key];
    if (winners.has(key) && isPresent(value)) given[key] = stringify(option.kind.show(value), {lineWidth: 0}).trim();
  };
  for (const key of keys) add(key);
  return given;
}

const isPresent = <T>(value: T): value is Exclude<T, undefined> => value !== undefined;

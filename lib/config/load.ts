// Command line over environment over file over default, every fault at once: unknown -> Config.
import {stat} from 'node:fs/promises';
import {join, resolve} from 'node:path';
import {fitTimings} from '../compat/timings.ts';
import type {Circumstances} from '../compat/translate.ts';
import {HaError, type ConfigProblem} from '../errors.ts';
import {shapeConfig, type Around, type Config, type Origins} from './config.ts';
import {readConfigFile} from './file.ts';
import {fromCommandLine, fromEnvironment, type Source} from './given.ts';
import type {Key, Values} from './options.ts';
import {foundText, resolveValues, type Resolved} from './resolve.ts';

export interface ConfigInput extends Around {
  /** As yargs parsed it, camelCase keys; `config` names the file. */
  readonly argv: Readonly<Record<string, unknown>>;
  /** What followed `--`: the service. */
  readonly command?: readonly string[] | undefined;
}

const TIMING_KEYS: readonly Key[] = ['heartbeatInterval', 'pollInterval', 'leaseTimeout', 'stopTimeout', 'safetyMargin'];

const LEGACY_NAME = 'config.json';

/** @throws HaError 'config.invalid' that holds every problem. */
export async function loadConfig(input: ConfigInput): Promise<Config> {
  const outer = [fromCommandLine(input.argv, input.command, input.cwd), fromEnvironment(input.env, input.cwd)];
  const {file, source, problems: fileProblems} = await readFileOf(input, outer);
  const resolved = await resolveValues([...outer, source]);
  const {values, warnings} = fitToTimeout(resolved, source);
  const shaped = shapeConfig(values, originsOf(resolved), input, file);
  // What a faulty key or an unreadable file leaves at its default says nothing about the whole.
  const known = new Set(resolved.problems.map((problem) => problem.key));
  if (TIMING_KEYS.some((key) => known.has(key))) known.add('leaseTimeout');
  if (known.has('proxy.from')) known.add('persistenceDir');
  const together = source.problems.length > 0 ? [] : shaped.problems.filter((problem) => !known.has(problem.key));
  const problems = [...fileProblems, ...resolved.problems, ...together];
  if (problems.length > 0) throw invalid(problems, input.purpose);
  return deepFreeze({...shaped.config, warnings: [...warnings, ...shaped.config.warnings]});
}

/**
 * The app alone, for whoever needs nothing else: what is wrong with other keys is no fault here.
 * @throws HaError config.invalid
 */
export async function loadApp(input: ConfigInput): Promise<string> {
  const outer = [fromCommandLine(input.argv, input.command, input.cwd), fromEnvironment(input.env, input.cwd)];
  const {source, problems: fileProblems} = await readFileOf(input, outer);
  const {values, problems: found} = await resolveValues([...outer, source]);
  const problems = [...fileProblems, ...found].filter(({key}) => ['app', 'config', '(file)'].includes(key));
  if (problems.length > 0) throw invalid(problems);
  return values.app;
}

/** The same configuration with other values; for those that may change while the agent runs. */
export function withValues(config: Config, values: Values, around: Around): Config {
  const origins: Origins = {rank: () => 0, where: () => 'reload', found: () => undefined};
  const next = shapeConfig({...values, 'service.kind': config.service.kind}, origins, around, config.file).config;
  return deepFreeze({...next, values});
}

/** A timeout of HAL or PROM that is too small for our stop time and margin scales these down. */
function fitToTimeout({values, winners}: Resolved, source: Source): {values: Values; warnings: readonly string[]} {
  const warnings = source.warnings ?? [];
  if (source.legacy !== true || winners.get('leaseTimeout')?.rank !== 1) return {values, warnings};
  const {timings, warning} = fitTimings(values, (key) => winners.has(key));
  return {values: {...values, ...timings}, warnings: warning === undefined ? warnings : [...warnings, warning]};
}

/** Who this node is, as far as it is known before the file is read. */
async function circumstancesOf(input: ConfigInput, outer: readonly Source[]): Promise<Circumstances> {
  const {winners, values} = await resolveValues(outer);
  const nodeId = values.nodeId ?? input.hostname.replaceAll('.', '-');
  return {nodeId, launches: input.purpose === 'launch', isGiven: (key) => winners.has(key)};
}

async function readFileOf(
  input: ConfigInput,
  outer: readonly Source[],
): Promise<{file: string | undefined; source: Source; problems: ConfigProblem[]}> {
  const none: Source = {given: new Map(), problems: []};
  const fromEnv = input.env['HA_AGENT_CONFIG'];
  const asked = input.argv['config'] ?? (fromEnv === '' ? undefined : fromEnv);
  if (asked === undefined) return {file: undefined, source: none, problems: []};
  if (typeof asked !== 'string' || asked === '') {
    const where = input.argv['config'] === undefined ? 'environment variable HA_AGENT_CONFIG' : 'option --config';
    return {
      file: undefined,
      source: none,
      problems: [{key: 'config', where, found: JSON.stringify(asked), expected: 'the path of one file'}],
    };
  }
  const named = resolve(input.cwd, asked);
  // HAL and PROM are given the directory of their config.json.
  const [file, shown] = (await isDirectory(named)) ? [join(named, LEGACY_NAME), join(asked, LEGACY_NAME)] : [named, asked];
  return {file, source: await readConfigFile(file, shown, await circumstancesOf(input, outer)), problems: []};
}

const isDirectory = (path: string): Promise<boolean> =>
  stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );

const originsOf = (resolved: Resolved): Origins => ({
  rank: (key) => resolved.winners.get(key)?.rank ?? 0,
  where: (key) => resolved.winners.get(key)?.where([]) ?? 'default',
  found: (key) => {
    const winner = resolved.winners.get(key);
    return winner && foundText(winner);
  },
});

function invalid(problems: readonly ConfigProblem[], command = 'launch'): HaError<'config.invalid'> {
  const message = problems.length === 1 ? 'the configuration has a fault' : `the configuration has ${problems.length} faults`;
  return new HaError(
    'config.invalid',
    {problems},
    {message, hint: `correct what is listed; "ha-agent ${command} --help" shows every option`},
  );
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}

// What a command is, and what most of them share: the options that say which cluster, and how results are printed.
import {hostname} from 'node:os';
import {commandLineOptions, type CommandLineOption} from '../config/command-line.ts';
import type {Config} from '../config/config.ts';
import {loadConfig} from '../config/load.ts';
import type {Key} from '../config/options.ts';
import {HaError} from '../errors.ts';
import {isNodeId, type NodeId} from '../protocol/words.ts';
import {storePaths, type StorePaths} from '../store/paths.ts';
import type {Watch} from '../store/watch.ts';

export interface Call {
  readonly argv: Readonly<Record<string, unknown>>;
  /** What followed `--`. */
  readonly service: readonly string[] | undefined;
}

export interface Command {
  /** As yargs takes it: name and positionals. */
  readonly usage: string;
  readonly describe: string;
  readonly example: readonly [command: string, explanation: string];
  readonly options: Readonly<Record<string, CommandLineOption>>;
  readonly positionals?: readonly {
    readonly name: string;
    readonly describe: string;
    readonly required: boolean;
    readonly choices?: readonly string[];
  }[];
  run(call: Call): Promise<void>;
}

/** A command line that cannot be parsed. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Which cluster, and which of its nodes is the local one. */
export const CLUSTER_KEYS: readonly Key[] = [
  'persistenceDir',
  'app',
  'leaseTimeout',
  'heartbeatInterval',
  'pollInterval',
  'stopTimeout',
  'safetyMargin',
];
const NODE_KEYS: readonly Key[] = [...CLUSTER_KEYS, 'nodeId', 'stateDir', 'pidFile'];
/** What a launch may say of its mode: without a shared directory the node is found by it. */
const ALONE_KEYS: readonly Key[] = ['highAvailability', 'persist'];

const json: Readonly<Record<string, CommandLineOption>> = {json: {type: 'boolean', describe: 'print JSON for machines'}};

export const clusterOptions = {...commandLineOptions(CLUSTER_KEYS), ...json};
export const nodeOptions = {...commandLineOptions(NODE_KEYS), ...json};
/** For commands that ask the agent on this host, which may be one without a cluster. */
export const agentOptions = {...commandLineOptions([...NODE_KEYS, ...ALONE_KEYS]), ...json};

/** @throws HaError config.invalid */
export const configOf = (call: Call, purpose?: 'launch' | 'proxy'): Promise<Config> =>
  loadConfig({
    argv: call.argv,
    command: call.service,
    purpose,
    env: process.env,
    cwd: process.cwd(),
    hostname: hostname(),
    uid: process.getuid?.() ?? 0,
  });

/** @throws HaError config.invalid where no directory is given. */
export function pathsOf(config: Config): StorePaths {
  if (config.persistenceDir === undefined) {
    const problem = {key: 'persistenceDir', where: 'command line', found: undefined, expected: 'the shared directory'};
    throw new HaError(
      'config.invalid',
      {problems: [problem]},
      {message: 'there is no store to look at', hint: 'give --persistenceDir'},
    );
  }
  return storePaths(config.persistenceDir, config.app);
}

/** Long enough to see a living node write. */
export const watchOf = (config: Pick<Config, 'timing'>): Watch => ({intervalMs: config.timing.heartbeatIntervalMs, times: 6});

export const wantsJson = (call: Call): boolean => call.argv['json'] === true;

/** Prints a result: JSON if asked for, else its text. */
export function print(call: Call, result: unknown, text: string): void {
  process.stdout.write(wantsJson(call) ? `${JSON.stringify(result)}\n` : `${text}\n`);
}

/** @throws HaError cluster.noSuch if the argument is no node id. */
export function nodeArgument(call: Call, name: string): NodeId {
  const given = call.argv[name];
  if (typeof given === 'string' && isNodeId(given)) return given;
  throw new HaError(
    'cluster.noSuch',
    {what: `node ${String(given)}`},
    {message: `${JSON.stringify(given)} is no node id`, hint: '"ha-agent status" shows the nodes'},
  );
}

/** Who asks, for the records that people read. */
export const operator = (): string => `${process.env['USER'] ?? `uid ${process.getuid?.() ?? 0}`} on ${hostname()}`;

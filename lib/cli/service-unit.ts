// What `service install` and `service uninstall` do: from the options of a launch to an enabled unit, and back.
import {access, chmod, readFile, rename, rm, writeFile} from 'node:fs/promises';
import {hostname} from 'node:os';
import {isAbsolute, join, relative, resolve} from 'node:path';
import {fileURLToPath} from 'node:url';
import type {Config} from '../config/config.ts';
import {fromCommandLine, fromEnvironment, variableOf} from '../config/given.ts';
import {loadApp, loadConfig, type ConfigInput} from '../config/load.ts';
import {flagOf, LAUNCH_KEYS, OPTIONS, type Key, type Option, type Values} from '../config/options.ts';
import {resolveValues} from '../config/resolve.ts';
import {isServiceUnit, unitName} from '../config/unit-name.ts';
import {HaError, reasonOf, systemCode} from '../errors.ts';
import {lookAtUnit, systemctl} from '../guardian/unit.ts';
import {checkUnit} from '../service/unit-check.ts';
import {agentUnitText, UNIT_MARK, type AgentUnitPlan} from './agent-unit.ts';
import {print, type Call} from './command.ts';

const UNIT_DIRECTORY = '/etc/systemd/system';
const STATE_ROOT = '/var/lib';
/** Where systemd looks for the programs of a unit. */
const UNIT_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
const WATCHDOG_MIN_MS = 10_000;
/** What a clean end may need beside the lease and the stop of the service, ms. */
const END_EXTRA_MS = 10_000;
const SYSTEMCTL_MS = 30_000;

export async function install(call: Call): Promise<void> {
  const config = await launchConfig(call);
  const unit = nameOf(call, config.app);
  const user = textOf(call, 'user');
  const warnings = [...config.warnings, ...(await refuseUseless(call, config))];
  const text = agentUnitText(await planOf(call, config, user));
  const file = join(UNIT_DIRECTORY, unit);
  if (call.argv['dryRun'] === true) return print(call, {unit, file, text, written: false}, text.trimEnd());
  await refuseWithoutSystemd(unit);
  if (config.service.kind === 'systemd') warnings.push(...(await checkUnit(config.service.unit, user === undefined ? 0 : 1)));
  const before = await refuseForeign(unit, file);
  await write(unit, file, text);
  await ask(unit, 'daemon-reload');
  await ask(unit, 'enable', unit);
  for (const warning of warnings) process.stderr.write(`ha-agent: ${warning}\n`);
  const next = before.running ? `it runs as before until "systemctl restart ${unit}"` : `start it with "systemctl start ${unit}"`;
  print(call, {unit, file, text, written: true}, `wrote ${file} and enabled it: ${next}`);
}

export async function uninstall(call: Call): Promise<void> {
  // Whoever names the unit needs no configuration, which may be gone by now.
  const unit = nameOf(call, textOf(call, 'unit') === undefined ? await loadApp(inputOf(call)) : OPTIONS.app.initial);
  const file = join(UNIT_DIRECTORY, unit);
  const found = await contentOf(file);
  if (found === undefined)
    throw refused(unit, `there is no ${file}`, 'name the unit with --unit; "systemctl list-units" shows all');
  if (!found.startsWith(UNIT_MARK)) throw refused(unit, `${file} was not made by "service install"`, 'remove it by hand');
  if (call.argv['dryRun'] === true) return print(call, {unit, file, removed: false}, `would stop, disable and remove ${file}`);
  await refuseWithoutSystemd(unit);
  await ask(unit, 'disable', unit);
  // As long as the unit itself gives the agent for its end.
  const {end, because} = await systemctl(['stop', '--', unit], 24 * 3_600_000).answer;
  if (end.status !== 0) throw failed(unit, `it could not be stopped: ${because}`);
  await rm(file, {force: true});
  await ask(unit, 'daemon-reload');
  print(call, {unit, file, removed: true}, `stopped, disabled and removed ${unit}; its state directory is left`);
}

/** As the agent will find it: it belongs to this host, not to whoever installs it. */
const launchConfig = (call: Call): Promise<Config> => loadConfig({...inputOf(call), purpose: 'launch'});

function inputOf(call: Call): ConfigInput {
  const around = {env: process.env, cwd: process.cwd(), hostname: hostname(), uid: 0};
  return {argv: call.argv, command: call.service, ...around};
}

function nameOf(call: Call, app: string): string {
  const name = textOf(call, 'unit') ?? (app === OPTIONS.app.initial ? 'ha-agent' : `ha-agent-${app}`);
  if (isServiceUnit(name)) return unitName(name);
  const problem = {key: 'unit', where: 'option --unit', found: JSON.stringify(name), expected: 'the name of a service unit'};
  throw new HaError('config.invalid', {problems: [problem]}, {message: 'the unit needs a name', hint: 'such as --unit ha-agent'});
}

async function planOf(call: Call, config: Config, user: string | undefined): Promise<AgentUnitPlan> {
  const {leaseTimeoutMs, stopTimeoutMs} = config.timing;
  // One that was not asked for is made by systemd for whoever runs the agent.
  const stateDirectory = config.values.stateDir === undefined ? relative(STATE_ROOT, config.stateDir) : undefined;
  const where = textOf(call, 'workingDirectory');
  const {words, environment} = await launchWords(call, config);
  return {
    description: `ha-agent, node ${config.nodeId} of ${config.app}`,
    command: [process.execPath, fileURLToPath(new URL('./main.cjs', import.meta.url)), 'launch', ...words],
    environment,
    user,
    group: textOf(call, 'group'),
    workingDirectory: where === undefined ? (stateDirectory === undefined ? '/' : config.stateDir) : resolve(where),
    stateDirectory,
    watchdogMs: Math.max(WATCHDOG_MIN_MS, leaseTimeoutMs),
    // A store that hangs is waited for until the lease is over; the hooks of the end come after that.
    stopMs: leaseTimeoutMs + stopTimeoutMs + (hasHooks(config) ? config.hooks.timeoutMs : 0) + END_EXTRA_MS,
  };
}

const hasHooks = ({hooks: {onActive, onPassive, onLeaderChange, onFault}}: Config): boolean =>
  [onActive, onPassive, onLeaderChange, onFault].some((hook) => hook !== undefined);

interface LaunchWords {
  readonly words: readonly string[];
  readonly environment: readonly (readonly [string, string])[];
}

/** What was given here is given again at each start; what the config file says is read then. */
async function launchWords(call: Call, config: Config): Promise<LaunchWords> {
  const cwd = process.cwd();
  const {values, winners} = await resolveValues([
    fromCommandLine(call.argv, call.service, cwd),
    fromEnvironment(process.env, cwd),
  ]);
  // Who this node is and where its state lies must not depend on what else changes on this host.
  const words = [`--nodeId=${config.nodeId}`, `--stateDir=${config.stateDir}`];
  words.push(`--pidFile=${config.values.pidFile ?? join(config.stateDir, 'pid.txt')}`);
  if (config.file !== undefined) words.push(`--config=${config.file}`);
  const environment: [string, string][] = [];
  const add = <K extends Key>(key: K): void => {
    const option: Option<Values[K]> = OPTIONS[key];
    const value = values[key];
    const rank = winners.get(key)?.rank;
    if (rank === undefined || !isPresent(value) || isSaid(key, rank)) return;
    const shown = option.kind.show(value);
    const flag = flagOf(key);
    if (rank === 3 && flag !== undefined) words.push(`--${flag}=${shown}`);
    else environment.push([variableOf(key), shown]);
  };
  for (const key of LAUNCH_KEYS) add(key);
  return {words: [...words, ...(call.service?.length ? ['--', ...call.service] : [])], environment};
}

/** Stands among the words anyhow. */
const isSaid = (key: Key, rank: number): boolean =>
  key === 'nodeId' || key === 'stateDir' || key === 'pidFile' || (key === 'service.command' && rank === 3);

const isPresent = <T>(value: T): value is Exclude<T, undefined> => value !== undefined;

/** What could only fail later, when nobody looks. @returns warnings. */
async function refuseUseless(call: Call, config: Config): Promise<readonly string[]> {
  const {service, hooks} = config;
  const commands: readonly (readonly [Key, readonly string[] | undefined])[] = [
    ['service.command', service.kind === 'exec' ? service.command : undefined],
    ['service.standbyExec', service.kind === 'exec' ? service.standby : undefined],
    ['service.active', service.kind === 'ensure' ? service.active : undefined],
    ['service.passive', service.kind === 'ensure' ? service.passive : undefined],
    ['onActive', hooks.onActive],
    ['onPassive', hooks.onPassive],
    ['onLeaderChange', hooks.onLeaderChange],
    ['onFault', hooks.onFault],
  ];
  const free = textOf(call, 'workingDirectory') !== undefined;
  const problems = [];
  for (const [key, words] of commands) {
    const [program = '/'] = words ?? [];
    if (isAbsolute(program) || (program.includes('/') ? free : await isInUnitPath(program))) continue;
    const expected = program.includes('/')
      ? 'an absolute path, or --workingDirectory'
      : `an absolute path: it is not in ${UNIT_PATH.join(':')}`;
    problems.push({key, where: 'service install', found: JSON.stringify(program), expected});
  }
  if (problems.length > 0)
    throw new HaError('config.invalid', {problems}, {message: 'the unit would not find its commands', hint: 'name them in full'});
  if (config.highAvailability !== 'master') return [];
  return ['with highAvailability master the agent ends, and is not started again, whenever another node is master: use auto'];
}

async function isInUnitPath(program: string): Promise<boolean> {
  for (const directory of UNIT_PATH) if (await exists(join(directory, program))) return true;
  return false;
}

const exists = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

async function refuseWithoutSystemd(unit: string): Promise<void> {
  if (process.getuid?.() !== 0)
    throw refused(unit, 'only root may change units of the system', 'run this as root, or look at it with --dryRun');
  if (!(await exists('/run/systemd/system')))
    throw refused(unit, 'systemd is not the manager of this host', 'start "ha-agent launch" by what manages it');
  if (!(await isInUnitPath('systemd-notify')))
    throw refused(unit, 'there is no systemd-notify here, by which the agent reports', 'install the whole systemd package');
}

/** @returns what is known of the unit that is replaced. */
async function refuseForeign(unit: string, file: string): Promise<{readonly running: boolean}> {
  const found = await contentOf(file);
  if (found !== undefined && !found.startsWith(UNIT_MARK))
    throw refused(unit, `there is a ${file} that "service install" has not made`, 'choose another --unit');
  const looked = await lookAtUnit(unit);
  if (!looked.ok) throw failed(unit, looked.because);
  const {look} = looked;
  if (look.file !== '' && look.file !== file)
    throw refused(unit, `there is a unit of this name in ${look.file}`, 'choose another --unit');
  return {running: look.activeState === 'active'};
}

async function write(unit: string, file: string, text: string): Promise<void> {
  try {
    await writeFile(`${file}.new`, text, {mode: 0o644});
    await chmod(`${file}.new`, 0o644);
    await rename(`${file}.new`, file);
  } catch (error) {
    throw failed(unit, `${file} cannot be written: ${reasonOf(error)}`);
  }
}

async function ask(unit: string, ...words: readonly string[]): Promise<void> {
  const {end, because} = await systemctl(words, SYSTEMCTL_MS).answer;
  if (end.status !== 0) throw failed(unit, `systemctl ${words.join(' ')}: ${because}`);
}

async function contentOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function textOf(call: Call, name: string): string | undefined {
  const given = call.argv[name];
  return typeof given === 'string' && given !== '' ? given : undefined;
}

const refused = (unit: string, reason: string, hint: string): HaError<'unit.refused'> =>
  new HaError('unit.refused', {unit, reason}, {message: `${unit}: ${reason}`, hint});

const failed = (unit: string, reason: string): HaError<'unit.failed'> =>
  new HaError('unit.failed', {unit, reason}, {message: `${unit}: ${reason}`, hint: `see "systemctl status ${unit}"`});

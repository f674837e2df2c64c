// The configuration as the rest of the program sees it: resolved once, frozen, every path absolute, every duration in ms.
import {createHash} from 'node:crypto';
import {basename, isAbsolute, join} from 'node:path';
import type {ConfigProblem} from '../errors.ts';
import type {Mode} from '../protocol/heartbeat.ts';
import {timingFaults, type Timing} from '../protocol/timing.ts';
import {isNodeId, nodeId as toNodeId, type NodeId} from '../protocol/words.ts';
import type {FloatingAddress} from '../guardian/address.ts';
import {isExposed, UNEXPOSED} from '../http/loopback.ts';
import type {HealthCheck} from './health-checks.ts';
import {formatDuration} from './units.ts';
import type {FenceWaits} from '../protocol/fence.ts';
import type {FenceSettings} from '../service/fence.ts';
import type {RestartCommands} from './restart-peer.ts';
import {DEFAULT_PORT, type Key, type LogLevel, type Values} from './options.ts';
import {TEMPLATE_NAMES} from './proxy-options.ts';
import {readService, type Refuse, type ServiceConfig} from './service.ts';

export interface Config {
  readonly highAvailability: Mode;
  readonly app: string;
  readonly nodeId: NodeId;
  readonly priority: number;
  /** Undefined only with highAvailability disabled. */
  readonly persistenceDir: string | undefined;
  readonly storeGroup: string | undefined;
  readonly stateDir: string;
  readonly pidFile: string;
  /** Kill a live agent that uses the same state directory. */
  readonly replace: boolean;
  readonly timing: Timing;
  readonly agentLossGraceMs: number;
  /** Undefined: the safest that works here. */
  readonly containment: 'namespace' | 'group' | undefined;
  readonly http: {
    readonly bindAddress: string;
    readonly port: number;
    /** Whether the port was asked for: if not, the next free one will do. */
    readonly portAsked: boolean;
    /** Undefined: made of address and port. */
    readonly uri: string | undefined;
    readonly usersFile: string | undefined;
    readonly tlsCert: string | undefined;
    readonly tlsKey: string | undefined;
    readonly tlsCa: string | undefined;
    readonly insecure: boolean;
  };
  readonly service: ServiceConfig;
  /** Whether the guardian has something to do while the lease is held: a service, or only what surrounds one. */
  readonly runs: boolean;
  /** Where the service answers while this node is master, as others reach it. */
  readonly serviceUri: string | undefined;
  readonly health: readonly HealthCheck[];
  readonly hooks: {
    readonly onActive: readonly string[] | undefined;
    readonly onPassive: readonly string[] | undefined;
    readonly onLeaderChange: readonly string[] | undefined;
    readonly onFault: readonly string[] | undefined;
    readonly timeoutMs: number;
  };
  readonly restart: {
    readonly commands: RestartCommands;
    readonly timeoutMs: number;
    readonly backoffMs: number;
  };
  readonly fence: FenceSettings & FenceWaits;
  /** Up where the service is. */
  readonly vip: readonly FloatingAddress[];
  readonly watchdog: {
    readonly mode: 'off' | 'automatic' | 'required';
    readonly device: string;
    /** Undefined: the kernel tells. */
    readonly timeoutMs: number | undefined;
  };
  readonly log: {
    readonly level: LogLevel;
    readonly file: string | undefined;
    readonly format: 'text' | 'json';
    readonly maxSizeBytes: number;
    readonly maxFiles: number;
  };
  /** The config file, absolute; undefined if there is none. */
  readonly file: string | undefined;
  /** Sentences for the log: what is accepted and has no effect. */
  readonly warnings: readonly string[];
  /** The same by key, as given: for comparing and showing. */
  readonly values: Values;
}

/** What the host contributes. */
export interface Around {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly hostname: string;
  readonly uid: number;
  /** What it is for: to launch a node HAL's or PROM's file must have its commands, and a proxy needs its own keys. */
  readonly purpose?: 'launch' | 'proxy' | undefined;
}

/** What is known of how a key got its value. */
export interface Origins {
  /** 0 default, 1 file, 2 environment, 3 command line. */
  readonly rank: (key: Key) => 0 | 1 | 2 | 3;
  readonly where: (key: Key) => string;
  readonly found: (key: Key) => string | undefined;
}

/** @returns the configuration, and what is wrong with the values together; the configuration counts only if nothing is. */
export function shapeConfig(
  values: Values,
  origins: Origins,
  around: Around,
  file: string | undefined,
): {config: Config; problems: readonly ConfigProblem[]} {
  const problems: ConfigProblem[] = [];
  const refuse = (key: Key, expected: string, found = origins.found(key)): void => {
    problems.push({key, where: origins.where(key), found, expected});
  };
  const highAvailability = modeOf(values, refuse);
  if (values.persistenceDir === undefined && highAvailability !== 'disabled' && !followsNodes(values, around))
    refuse(
      'persistenceDir',
      `the shared directory (or ${around.purpose === 'proxy' ? 'nodes: from' : 'highAvailability disabled'})`,
    );
  if (around.purpose === 'proxy') for (const [key, expected] of PROXY_NEEDS) if (values[key] === undefined) refuse(key, expected);
  const nodeId = values.nodeId ?? nodeIdFrom(around.hostname, problems);
  const timing = timingOf(values);
  for (const fault of timingFaults(timing))
    refuse('leaseTimeout', `timings that fit: ${fault}`, origins.found('leaseTimeout') ?? formatDuration(timing.leaseTimeoutMs));
  checkHttp(values, refuse);
  const service = readService(values, origins.rank, refuse);
  const config: Config = {
    highAvailability,
    app: values.app,
    nodeId,
    priority: values.priority,
    persistenceDir: values.persistenceDir,
    storeGroup: values.storeGroup,
    stateDir: values.stateDir ?? defaultStateDir(values, nodeId, around, problems),
    pidFile: values.pidFile ?? join(around.cwd, 'pid.txt'),
    replace: values.replace,
    timing,
    agentLossGraceMs: values.agentLossGrace,
    containment: values.containment,
    http: httpOf(values),
    service,
    runs: runsSomething(values, service),
    serviceUri: values['service.uri'],
    health: values.health,
    ...attendantsOf(values),
    vip: values.vip,
    watchdog: {mode: values.watchdog, device: values.watchdogDevice, timeoutMs: values.watchdogTimeout},
    log: {
      level: values.logLevel,
      // In a config file that both read it is the agent's: two writers would rotate each other's lines away.
      file: around.purpose === 'proxy' && origins.rank('logFile') < 2 ? undefined : values.logFile,
      format: values.logFormat,
      maxSizeBytes: values.logMaxSize,
      maxFiles: values.logMaxFiles,
    },
    file,
    warnings: warningsOf(values, service),
    values,
  };
  return {config, problems};
}

/** A proxy that is given nodes needs no store. */
const followsNodes = (values: Values, {purpose}: Around): boolean => purpose === 'proxy' && values['proxy.from'] !== undefined;
const PROXY_NEEDS = [
  ['proxy.template', `${TEMPLATE_NAMES.join(', ')} or a file (option --template)`],
  ['proxy.output', 'the file to write (option --output)'],
] as const;

/** `persist disabled` and `passive` are other words for a mode. */
function modeOf(values: Values, refuse: Refuse): Mode {
  const mode = values.highAvailability;
  if (values.persist === 'disabled') {
    if (mode !== 'auto' && mode !== 'disabled') refuse('highAvailability', 'auto or disabled, because persist is disabled');
    if (values.persistenceDir !== undefined) refuse('persistenceDir', 'no directory, because persist is disabled');
    return 'disabled';
  }
  if (!values.passive) return mode;
  if (mode === 'master' || mode === 'disabled') refuse('highAvailability', 'auto or a kind of standby, because passive is given');
  return mode === 'auto' ? 'standby' : mode;
}

function nodeIdFrom(hostname: string, problems: ConfigProblem[]): NodeId {
  const name = hostname.replaceAll('.', '-');
  if (isNodeId(name)) return toNodeId(name);
  const expected = 'a nodeId of letters, digits, "_" and "-": this host name does not make one';
  problems.push({key: 'nodeId', where: 'host name', found: JSON.stringify(hostname), expected});
  return toNodeId('node');
}

const timingOf = (values: Values): Timing => ({
  heartbeatIntervalMs: values.heartbeatInterval,
  pollIntervalMs: values.pollInterval,
  leaseTimeoutMs: values.leaseTimeout,
  stopTimeoutMs: values.stopTimeout,
  safetyMarginMs: values.safetyMargin,
});

function checkHttp(values: Values, refuse: Refuse): void {
  const {tlsCert, tlsKey, tlsCa} = values;
  if (tlsCert !== undefined && tlsKey === undefined) refuse('tlsKey', 'the private key of tlsCert');
  if (tlsKey !== undefined && tlsCert === undefined) refuse('tlsCert', 'the certificate of tlsKey');
  if (tlsCa !== undefined && tlsCert === undefined && tlsKey === undefined)
    refuse('tlsCert', 'a certificate, because tlsCa is given');
  const has = {users: values.usersFile !== undefined, tls: tlsCert !== undefined, insecure: values.insecure};
  if (isExposed(values.bindAddress, has)) refuse('bindAddress', UNEXPOSED);
}

function httpOf(values: Values): Config['http'] {
  const {bindAddress, port, uri, usersFile, tlsCert, tlsKey, tlsCa, insecure} = values;
  return {
    bindAddress,
    port: port ?? DEFAULT_PORT,
    portAsked: port !== undefined,
    uri,
    usersFile,
    tlsCert,
    tlsKey,
    tlsCa,
    insecure,
  };
}

const attendantsOf = (values: Values): Pick<Config, 'hooks' | 'restart' | 'fence'> => ({
  hooks: {
    onActive: values.onActive,
    onPassive: values.onPassive,
    onLeaderChange: values.onLeaderChange,
    onFault: values.onFault,
    timeoutMs: values.hookTimeout,
  },
  restart: {commands: values.restartPeer, timeoutMs: values.restartTimeout, backoffMs: values.restartBackoff},
  fence: {
    command: values.fence,
    afterMs: values.fenceAfter,
    timeoutMs: values.fenceTimeout,
    backoffMs: values.fenceBackoff,
  },
});

/** One per persistence directory, app and node: a readable name and a hash of all three. */
function defaultStateDir(values: Values, nodeId: NodeId, around: Around, problems: ConfigProblem[]): string {
  const persistenceDir = values.persistenceDir ?? '';
  const hash = createHash('sha256').update([persistenceDir, values.app, nodeId].join('\0')).digest('hex').slice(0, 12);
  const share = basename(persistenceDir)
    .replace(/[^A-Za-z0-9_-]/g, '-')
    .slice(0, 40);
  const name = [share, values.app, nodeId, hash].filter((part) => part !== '').join('.');
  if (around.uid === 0) return join('/var/lib/ha-agent', name);
  const {XDG_STATE_HOME: xdg, HOME: home} = around.env;
  // The XDG specification wants relative paths ignored.
  if (xdg !== undefined && isAbsolute(xdg)) return join(xdg, 'ha-agent', name);
  if (home !== undefined && isAbsolute(home)) return join(home, '.local/state/ha-agent', name);
  problems.push({
    key: 'stateDir',
    where: 'default',
    found: undefined,
    expected: 'a local directory: neither XDG_STATE_HOME nor HOME says where',
  });
  return join('/', name);
}

const runsSomething = (values: Values, service: ServiceConfig): boolean =>
  service.kind !== 'none' || values.vip.length > 0 || values.watchdog !== 'off';

function warningsOf(values: Values, service: ServiceConfig): readonly string[] {
  const warnings: string[] = [];
  if (values.persistenceLocation !== undefined)
    warnings.push('persistenceLocation has no effect: the store is always the directory that persistenceDir names');
  if (!runsSomething(values, service) && values.health.some(({on}) => on === 'active'))
    warnings.push('health checks of the service (on: active) are not run, because there is no service: say on: always');
  return warnings;
}

// The table of every key: what it takes, its default, and whether it may change while the agent runs.
// The command line, the environment, the config file and the sample file are all made from it.
import {isIP} from 'node:net';
import type {Mode} from '../protocol/heartbeat.ts';
import {LEASE_TIMEOUT_MAX_MS, LEASE_TIMEOUT_MIN_MS} from '../protocol/lock-name.ts';
import {DEFAULT_TIMING} from '../protocol/timing.ts';
import {isNodeId, type NodeId} from '../protocol/words.ts';
import {aroundOptions, type AroundValues} from './around-options.ts';
import {choice, command, duration, flag, path, size, text, whole} from './kinds.ts';
import {option, type Option} from './option.ts';
import type {HealthCheck} from './health-checks.ts';
import {healthOption} from './health-option.ts';
import {proxyOptions, type ProxyValues} from './proxy-options.ts';
import {restartCommands, type RestartCommands} from './restart-peer.ts';
import {isServiceUri} from './service-uri.ts';
import {isServiceUnit} from './unit-name.ts';

/** Every key with its value as given, or its plain default; undefined where nothing was given and the default depends on other things. */
export interface Values extends AroundValues, ProxyValues {
  readonly highAvailability: Mode;
  readonly passive: boolean;
  readonly persist: 'auto' | 'disabled';
  readonly persistenceLocation: string | undefined;
  readonly persistenceDir: string | undefined;
  readonly storeGroup: string | undefined;
  readonly app: string;
  readonly nodeId: NodeId | undefined;
  readonly priority: number;
  readonly pidFile: string | undefined;
  readonly stateDir: string | undefined;
  readonly replace: boolean;
  readonly bindAddress: string;
  readonly port: number | undefined;
  readonly uri: string | undefined;
  readonly usersFile: string | undefined;
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  readonly tlsCa: string | undefined;
  readonly insecure: boolean;
  readonly leaseTimeout: number;
  readonly pollInterval: number;
  readonly heartbeatInterval: number;
  readonly stopTimeout: number;
  readonly safetyMargin: number;
  readonly agentLossGrace: number;
  readonly containment: 'namespace' | 'group' | undefined;
  readonly onActive: readonly string[] | undefined;
  readonly onPassive: readonly string[] | undefined;
  readonly onLeaderChange: readonly string[] | undefined;
  readonly onFault: readonly string[] | undefined;
  readonly hookTimeout: number;
  readonly restartPeer: RestartCommands;
  readonly restartTimeout: number;
  readonly restartBackoff: number;
  readonly fence: readonly string[] | undefined;
  readonly fenceAfter: number;
  readonly fenceTimeout: number;
  readonly fenceBackoff: number;
  readonly logLevel: LogLevel;
  readonly logFile: string | undefined;
  readonly logFormat: 'text' | 'json';
  readonly logMaxSize: number;
  readonly logMaxFiles: number;
  readonly 'service.kind': 'exec' | 'ensure' | 'systemd' | 'none' | undefined;
  readonly 'service.command': readonly string[] | undefined;
  readonly 'service.standbyExec': readonly string[] | undefined;
  readonly 'service.active': readonly string[] | undefined;
  readonly 'service.passive': readonly string[] | undefined;
  readonly 'service.unit': string | undefined;
  readonly 'service.monitorInterval': number;
  readonly 'service.attempts': number;
  readonly 'service.backoff': number;
  readonly 'service.commandTimeout': number;
  readonly 'service.startTimeout': number;
  readonly 'service.coolDown': number;
  readonly 'service.uri': string | undefined;
  readonly health: readonly HealthCheck[];
}

export type {Option};
export type Key = keyof Values;
export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

export const DEFAULT_PORT = 8_081;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const isAppName = (name: string): name is string => /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name);
/** As a directory service may spell it; 4294967295 would be nobody's. */
const isGroup = (name: string): name is string =>
  /^[0-9]+$/.test(name) ? Number(name) < 0xffff_ffff : /^[^\s:-][^\s:]{0,63}$/.test(name);
const isAddress = (host: string): host is string =>
  isIP(host) !== 0 || /^[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$/.test(host);
const isPlainText = (value: string): value is string => value.trim() !== '';
const anyText = text('TEXT', isPlainText, 'some text');

/** An http(s) URL without user, query or fragment: it is told to everybody. */
function isUri(uri: string): uri is string {
  if (!URL.canParse(uri)) return false;
  const url = new URL(uri);
  return /^https?:$/.test(url.protocol) && url.username === '' && url.password === '' && url.search === '' && url.hash === '';
}

const lease = duration(LEASE_TIMEOUT_MIN_MS, LEASE_TIMEOUT_MAX_MS);
const some = duration(1, DAY);
const modes = choice('auto', 'master', 'standby', 'hot_standby', 'hot_backup', 'disabled');

const launchOptions = {
  highAvailability: option<Mode>(modes, 'auto', 'how this node takes part'),
  passive: option(flag, false, 'start as a standby; the same as highAvailability standby', {aliases: ['p']}),
  persistenceDir: option<string | undefined>(
    path('DIR'),
    undefined,
    'the shared directory; required except with highAvailability disabled',
    {sample: '/mnt/ha'},
  ),
  storeGroup: option<string | undefined>(
    text('GROUP', isGroup, 'the name of a group, or its number'),
    undefined,
    'whose members may work with a store that is made now, beside its owner; a store that is there stays as it is',
    {sample: 'ha'},
  ),
  persist: option<'auto' | 'disabled'>(
    choice('auto', 'disabled'),
    'auto',
    'disabled means: without a shared directory, highAvailability disabled',
  ),
  persistenceLocation: option<string | undefined>(
    anyText,
    undefined,
    'accepted for the sake of old command lines, has no effect',
    {sample: 'anything'},
  ),
  app: option(
    text('NAME', isAppName, 'a name of letters, digits, ".", "_" and "-", at most 63, the first a letter or digit'),
    'default',
    'which cluster of those that share the directory',
  ),
  nodeId: option<NodeId | undefined>(
    text('ID', isNodeId, 'a name of letters, digits, "_" and "-", at most 63, the first a letter or digit'),
    undefined,
    'who this node is; no other node may use it',
    {initialText: 'the host name', aliases: ['id', 'i'], sample: 'n1'},
  ),
  priority: option(
    whole(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
    0,
    'the highest is elected first; among equals the lowest node id',
    {change: 'live'},
  ),
  pidFile: option<string | undefined>(path('FILE'), undefined, 'where the process id is written', {
    initialText: 'pid.txt in the working directory',
    sample: '/run/ha-agent.pid',
  }),
  stateDir: option<string | undefined>(path('DIR'), undefined, 'a local directory that survives reboots, for this node alone', {
    initialText: 'below /var/lib/ha-agent for root, else below $XDG_STATE_HOME or ~/.local/state',
    sample: '/var/lib/ha-agent/n1',
  }),
  replace: option(flag, false, 'kill a live agent that uses the same state directory and go on'),
  bindAddress: option(
    text('ADDRESS', isAddress, 'an IP address or a host name'),
    '127.0.0.1',
    'where to listen; another address than loopback needs usersFile, TLS or insecure',
  ),
  port: option<number | undefined>(whole(0, 65_535), undefined, 'where to listen; 0 takes any free port', {
    initialText: `${DEFAULT_PORT}, or the next free one`,
    sample: String(DEFAULT_PORT),
  }),
  uri: option<string | undefined>(
    text('URL', isUri, 'an http or https URL without user, query and fragment'),
    undefined,
    'the URL that others are told',
    {initialText: 'made of bindAddress and port', change: 'live', sample: 'http://n1.example:8081/'},
  ),
  usersFile: option<string | undefined>(path('FILE'), undefined, 'who may do what over HTTP', {sample: './users'}),
  tlsCert: option<string | undefined>(path('FILE'), undefined, 'certificate of this node, PEM; with it, HTTPS is spoken', {
    sample: './tls/cert.pem',
  }),
  tlsKey: option<string | undefined>(path('FILE'), undefined, 'its private key, PEM', {sample: './tls/key.pem'}),
  tlsCa: option<string | undefined>(path('FILE'), undefined, "authorities for the other nodes' certificates, PEM", {
    sample: './tls/ca.pem',
  }),
  insecure: option(flag, false, 'allow listening beyond loopback with neither passwords nor TLS'),
  leaseTimeout: option(
    lease,
    DEFAULT_TIMING.leaseTimeoutMs,
    'silence after which another node takes over; the same on every node',
  ),
  pollInterval: option(some, DEFAULT_TIMING.pollIntervalMs, 'how often a standby looks at the lock'),
  heartbeatInterval: option(some, DEFAULT_TIMING.heartbeatIntervalMs, 'how often a node renews its lease and its heartbeat'),
  stopTimeout: option(some, DEFAULT_TIMING.stopTimeoutMs, 'from SIGTERM to SIGKILL when the service is stopped'),
  safetyMargin: option(some, DEFAULT_TIMING.safetyMarginMs, 'for clocks that drift, scheduling, and dying'),
  agentLossGrace: option(duration(0, DAY), 0, 'how long the service of a crashed agent is kept for the next one'),
  containment: option<'namespace' | 'group' | undefined>(
    choice('namespace', 'group'),
    undefined,
    "how the service's processes are held together",
    {initialText: 'the safest that works here', sample: 'namespace'},
  ),
  logLevel: option<LogLevel>(choice('error', 'warn', 'info', 'debug'), 'info', 'what is logged: this level and those before it', {
    change: 'live',
  }),
  logFile: option<string | undefined>(path('FILE'), undefined, 'a log file beside standard error', {sample: './ha-agent.log'}),
  logFormat: option<'text' | 'json'>(choice('text', 'json'), 'text', 'for people or for machines'),
  logMaxSize: option(size(64 * 1_024), 10 * 1_024 ** 2, 'the log file is rotated at this size'),
  logMaxFiles: option(whole(1, 1_000), 5, 'how many log files are kept'),
};

/** What is run beside the service, by the agent itself. */
const hookOptions = {
  onActive: hook('run each time this node becomes MASTER', 'on-active'),
  onPassive: hook('run each time this node ceases to be MASTER, and when it begins as a standby', 'on-passive'),
  onLeaderChange: hook('run on every node each time another node, or nobody, holds the lease', 'on-leader-change'),
  onFault: hook('run each time the service here fails, or this node can no longer take part', 'on-fault'),
  hookTimeout: option(some, 60_000, 'after this long a hook is killed', {change: 'live'}),
  restartPeer: option<RestartCommands>(
    restartCommands,
    {},
    'by node id, the command that the master runs when this node is silent',
    {
      initialText: 'none',
      fileOnly: true,
      change: 'live',
      sample: '{n2: "ssh n2 systemctl start ha-agent"}',
    },
  ),
  restartTimeout: option(some, 60_000, 'after this long such a command is killed', {change: 'live'}),
  restartBackoff: option(some, 10_000, 'wait before such a command is run again; twice as long each time, up to 32 times', {
    change: 'live',
  }),
  fence: option<readonly string[] | undefined>(
    command,
    undefined,
    'makes sure that the host of a silent owner is dead: its exit status 0 replaces the rest of the silence, anything else does not',
    {change: 'live', sample: '[/usr/local/bin/power-off-host]'},
  ),
  fenceAfter: option(some, 10_000, 'after which silence of the owner fence is run; never before three renewals are missing', {
    change: 'live',
  }),
  fenceTimeout: option(some, 20_000, 'after this long a run of fence is killed and has failed', {change: 'live'}),
  fenceBackoff: option(some, 5_000, 'wait before the same owner is fenced again after a failure', {change: 'live'}),
};

function hook(description: string, name: string): Option<readonly string[] | undefined> {
  return option<readonly string[] | undefined>(command, undefined, description, {
    change: 'live',
    sample: `[/usr/local/bin/${name}]`,
  });
}

const serviceOptions = {
  'service.kind': option<Values['service.kind']>(
    choice('exec', 'ensure', 'systemd', 'none'),
    undefined,
    'exec runs command; ensure runs active and passive; systemd has unit started and stopped; none only elects',
    {initialText: 'what the commands given make of it', sample: 'exec'},
  ),
  'service.command': option<Values['service.command']>(
    command,
    undefined,
    'exec: the service itself; the same as what follows -- on the command line',
    {sample: '[/usr/bin/my-service, --port, "8080"]'},
  ),
  'service.standbyExec': option<Values['service.standbyExec']>(
    command,
    undefined,
    'exec: runs in the place of the service while this node is not active, and is gone before the service starts',
    {flagName: 'standbyExec', sample: '[/usr/bin/my-service, --replica]'},
  ),
  'service.active': option<Values['service.active']>(command, undefined, 'ensure: starts the service if needed and checks it', {
    flagName: 'ensureActive',
    change: 'live',
    sample: '[/usr/local/bin/ensure-active]',
  }),
  'service.passive': option<Values['service.passive']>(
    command,
    undefined,
    'ensure: makes sure that the service does not run here',
    {flagName: 'ensurePassive', change: 'live', sample: '[/usr/local/bin/ensure-passive]'},
  ),
  'service.unit': option<string | undefined>(
    text('UNIT', isServiceUnit, 'the name of a service unit of systemd, such as shop.service or shop@1'),
    undefined,
    'systemd: the unit that is the service; it must not be enabled, nor be started by anybody else',
    {flagName: 'systemdUnit', sample: 'shop.service'},
  ),
  'service.monitorInterval': option(
    some,
    10_000,
    'ensure, systemd: how often active or passive is run, or the unit looked at, again',
  ),
  'service.attempts': option(
    whole(1, 1_000),
    3,
    'how often a start is tried before the lease is given away; ensure: how often in a row a command is',
    {change: 'live'},
  ),
  'service.backoff': option(duration(0, DAY), 1_000, 'wait between two attempts', {change: 'live'}),
  'service.commandTimeout': option(some, 30_000, 'ensure: after this long a command is killed and has failed', {change: 'live'}),
  'service.startTimeout': option(
    some,
    60_000,
    'how long a start may take until the service is ready; ensure: attempts * (commandTimeout + backoff) longer; standbyExec: stopTimeout longer',
    {change: 'live'},
  ),
  'service.coolDown': option(duration(0, DAY), 30_000, 'how long a node whose service kept failing cannot be elected', {
    change: 'live',
  }),
  'service.uri': option<string | undefined>(
    text('URL', isServiceUri, 'http, https or tcp, a host and a port, such as http://10.0.0.11:8080'),
    undefined,
    'where the service answers while this node is master, for "ha-agent proxy"',
    {flagName: 'serviceUri', sample: 'http://10.0.0.11:8080'},
  ),
};

export const OPTIONS: {readonly [K in Key]: Option<Values[K]>} = {
  ...launchOptions,
  ...hookOptions,
  ...aroundOptions,
  ...serviceOptions,
  health: healthOption,
  ...proxyOptions,
};

/** The name on the command line; undefined for what only the file and the environment may say. */
export const flagOf = (key: Key): string | undefined =>
  OPTIONS[key].flagName ?? (key.includes('.') || OPTIONS[key].fileOnly === true ? undefined : key);

/** The names that the file and the environment accept beside the key itself. */
export function otherNames(key: Key): readonly string[] {
  const {only, flagName, aliases} = OPTIONS[key];
  // The short names of one command say nothing elsewhere.
  if (only !== undefined) return [];
  return [flagName, ...aliases].filter((name): name is string => name !== undefined && name.length > 1);
}

/** In the order of the table. */
export const KEYS: readonly Key[] = Object.keys(OPTIONS).filter((key): key is Key => Object.hasOwn(OPTIONS, key));

/** Those that a node is launched with. */
export const LAUNCH_KEYS: readonly Key[] = KEYS.filter((key) => OPTIONS[key].only === undefined);
export const PROXY_KEYS: readonly Key[] = KEYS.filter((key) => OPTIONS[key].only === 'proxy');

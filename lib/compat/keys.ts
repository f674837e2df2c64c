// Every key that HAL or PROM reads, or that their documents name, in all its spellings.

/** What a key means, by our own names where there is one. */
export type Meaning = 'app' | 'timeout' | 'attempts' | 'backoff' | 'monitor' | 'peers';
/** The same for keys that end in a node's id. */
export type NodeMeaning = 'active' | 'passive' | 'restart' | 'startActive';

export type Daemon = 'HAL' | 'PROM';

/** The spelling that the daemon in question reads comes first: it wins where a file has several. */
const SPELLINGS: Readonly<Record<Daemon, Readonly<Record<Meaning, readonly string[]>>>> = {
  HAL: {
    app: ['appName', 'app-name'],
    timeout: ['hal-timeout', 'timeout', 'prom-timeout'],
    attempts: ['noOfRetryAttempts', 'no-of-retry-attempts', 'core-restart-attempts'],
    backoff: ['restart-backoff-time', 'restart-timeout', 'core-restart-backoff-time'],
    monitor: ['core-monitor-sleep-time'],
    peers: ['replicaIdList', 'replica-id-list'],
  },
  PROM: {
    app: ['app-name', 'appName'],
    timeout: ['prom-timeout', 'hal-timeout', 'timeout'],
    attempts: ['no-of-retry-attempts', 'noOfRetryAttempts', 'core-restart-attempts'],
    backoff: ['restart-backoff-time', 'restart-timeout', 'core-restart-backoff-time'],
    monitor: ['core-monitor-sleep-time'],
    peers: ['replica-id-list', 'replicaIdList'],
  },
};

const NODE_PREFIXES: Readonly<Record<Daemon, Readonly<Record<NodeMeaning, readonly string[]>>>> = {
  HAL: {
    active: ['ensure-active-'],
    passive: ['ensure-passive-'],
    restart: ['restart-hal-', 'restart-prom-'],
    startActive: ['start-as-active-', 'start-active-'],
  },
  PROM: {
    active: ['ensure-active-'],
    passive: ['ensure-passive-'],
    restart: ['restart-prom-', 'restart-hal-'],
    startActive: ['start-active-', 'start-as-active-'],
  },
};

/** They say how to reach MUSIC: the shared directory is in its place. */
const WITHOUT_EFFECT: ReadonlySet<string> = new Set([
  'musicLocation',
  'music-location',
  'musicVersion',
  'music-version',
  'music-connection-timeout-ms',
  'aid',
  'namespace',
  'userid',
  'password',
]);

const PLAIN: ReadonlySet<string> = new Set(Object.values(SPELLINGS.HAL).flat());
const PREFIXES: readonly string[] = Object.values(NODE_PREFIXES.HAL).flat();

/** Too common a word to tell such a file by. */
const COMMON: ReadonlySet<string> = new Set(['timeout', 'aid', 'namespace', 'userid', 'password']);

export const spellingsOf = (daemon: Daemon, meaning: Meaning): readonly string[] => SPELLINGS[daemon][meaning];
export const prefixesOf = (daemon: Daemon, meaning: NodeMeaning): readonly string[] => NODE_PREFIXES[daemon][meaning];
export const hasNoEffect = (key: string): boolean => WITHOUT_EFFECT.has(key);
export const isLegacyKey = (key: string): boolean =>
  PLAIN.has(key) || WITHOUT_EFFECT.has(key) || PREFIXES.some((prefix) => key.startsWith(prefix));
/** Whether this key alone tells that a file is HAL's or PROM's. */
export const isTelling = (key: string): boolean => isLegacyKey(key) && !COMMON.has(key);

/** PROM has its name in its keys, or spells the first of them with a hyphen. */
export const daemonOf = (keys: Iterable<string>): Daemon =>
  [...keys].some((key) => key === 'app-name' || key.includes('prom')) ? 'PROM' : 'HAL';

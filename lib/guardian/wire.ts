// What agent and guardian say to each other: JSON lines over a unix socket, parsed at the door.
import type {Adopted} from '../protocol/agent-state.ts';
import type {GuardianConfig, GuardianOrder, GuardianReport} from '../protocol/guardian-machine.ts';
import {DEFAULT_TIMING} from '../protocol/timing.ts';
import {epoch, instanceId, isEpoch, isInstanceId, monoMs, type InstanceId} from '../protocol/words.ts';
import {isAround, type Around} from './around.ts';
import type {Containment} from './containment.ts';
import type {ProcessIdentity} from './proc.ts';
import {isObject, isTexts, isWhole, type Fields} from './values.ts';

/** An agent and a guardian of different versions understand each other only if this is the same. */
export const WIRE_VERSION = 1;
/** The longest line that either side accepts, in characters; the pieces of output are the longest. */
export const LINE_MAX = 1 << 20;
/** For an agent that does not say `steadyMs`, ms. */
const STEADY_MS = DEFAULT_TIMING.leaseTimeoutMs;

/** What a guardian runs. Commands are argv arrays; no shell is involved. */
export type ServiceSpec =
  | {readonly kind: 'none'}
  | {
      readonly kind: 'exec';
      readonly command: readonly string[];
      readonly containment: Containment;
      /** What runs while nothing active does, held in the same way. */
      readonly standby?: readonly string[] | undefined;
    }
  | {
      readonly kind: 'ensure';
      /** Exit 0: fine already; 2: had to (re)start it and did; anything else: failed. */
      readonly active: readonly string[];
      readonly passive: readonly string[];
      /** A prefix that lets a command die with the guardian (`probeContainment('group')` has it), or empty; what it leaves behind lives on. */
      readonly launcher: readonly string[];
      /** Pause between two runs of a command, ms; at least 1. */
      readonly monitorIntervalMs: number;
      /** How long one run of a command may take, ms; at least 1. */
      readonly timeoutMs: number;
      /** How many failures in a row are one too many; at least 1. */
      readonly attempts: number;
      /** Pause after a failure, ms. */
      readonly backoffMs: number;
      /** How long after its last start the service must be found running before its restarts are forgotten, ms. */
      readonly steadyMs: number;
    }
  | {
      readonly kind: 'systemd';
      /** A service unit of the system's manager, with its suffix. */
      readonly unit: string;
      /** Where the unit finds HA_EPOCH and the like; without this file it cannot be started. */
      readonly environmentFile: string;
      /** The drop-in that says so. */
      readonly dropIn: string;
      /** A prefix that lets the call that starts the unit die with the guardian, or empty: until it has returned it would pass for it. */
      readonly launcher: readonly string[];
      /** Pause between two looks at it, ms; at least 1. */
      readonly monitorIntervalMs: number;
    };

export type ExecSpec = ServiceSpec & {kind: 'exec'};
export type EnsureSpec = ServiceSpec & {kind: 'ensure'};
export type UnitSpec = ServiceSpec & {kind: 'systemd'};

/** All that a guardian is told once, by the first agent. */
export interface GuardianSetup {
  readonly config: GuardianConfig;
  readonly service: ServiceSpec;
  /** Random text that marks the processes of this guardian's service, in environments and command lines. */
  readonly marker: string;
  /** Where commands run: the agent's own working directory. */
  readonly cwd: string;
  /** HA_APP, HA_NODE_ID, HA_URI, HA_PERSISTENCE_DIR; HA_ROLE and HA_EPOCH are added. The rest is inherited. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where the lock file is, for the release; undefined if there is no store. */
  readonly lockDirectory: string | undefined;
  /** Floating addresses and watchdog, around every run. */
  readonly around?: Around | undefined;
}

export interface Hello {
  readonly type: 'hello';
  readonly version: number;
  readonly token: string;
  readonly instanceId: InstanceId;
  readonly agent: ProcessIdentity;
  /** Needed from the first agent, ignored from a later one. */
  readonly setup: GuardianSetup | undefined;
}

export type AgentMessage =
  | Hello
  | {readonly type: 'order'; readonly order: GuardianOrder}
  /** Run the passive command of a standby once, or see that its standby process runs. */
  | {
      readonly type: 'passive';
      readonly id: number;
      readonly epoch: number | undefined;
      /** Pause after a standby process has ended by itself, ms; 0 if not given. */
      readonly backoffMs?: number | undefined;
    }
  /** Values that later commands find in their environment. */
  | {readonly type: 'environment'; readonly values: Readonly<Record<string, string>>}
  /** Another form of the same `ensure` service, for the next commands. */
  | {readonly type: 'ensure'; readonly service: EnsureSpec};

/** Where a piece of output comes from; the guardian itself says what is up with watchdog and addresses. */
export type OutputSource = 'service' | 'active' | 'passive' | 'guardian';
export type OutputStream = 'stdout' | 'stderr';

export type GuardianMessage =
  | {
      readonly type: 'welcome';
      readonly adopted: Adopted | undefined;
      readonly setup: GuardianSetup;
      /** Of the latest run. */
      readonly holder?: ProcessIdentity | undefined;
    }
  | {readonly type: 'rejected'; readonly because: string}
  | {readonly type: 'report'; readonly report: GuardianReport}
  /** The process that holds the service of this run, or without one the standby process: when it is gone, so is all that is contained in it. */
  | {readonly type: 'holding'; readonly run?: number | undefined; readonly holder: ProcessIdentity}
  | {readonly type: 'output'; readonly source: OutputSource; readonly stream: OutputStream; readonly text: string}
  /** So much output was thrown away because nobody read it. */
  | {readonly type: 'dropped'; readonly bytes: number}
  | {readonly type: 'passive'; readonly id: number; readonly ok: boolean; readonly because: string};

export const encode = (message: AgentMessage | GuardianMessage): string => `${JSON.stringify(message)}\n`;

/** Cuts a stream of text into lines. */
export class LineSplitter {
  private rest = '';

  /** @returns the lines completed by `text`. @throws RangeError on a line longer than LINE_MAX. */
  push(text: string): string[] {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    if (this.rest.length > LINE_MAX || lines.some((line) => line.length > LINE_MAX)) throw new RangeError('a line is too long');
    return lines;
  }
}

/** @returns undefined for whatever is not a message of an agent. */
export function parseAgentMessage(line: string): AgentMessage | undefined {
  const m = parseObject(line);
  switch (m?.['type']) {
    case 'hello':
      return parseHello(m);
    case 'order': {
      const order = isObject(m['order']) ? parseOrder(m['order']) : undefined;
      return order && {type: 'order', order};
    }
    case 'passive':
      if (!isWhole(m['id'])) return undefined;
      return {type: 'passive', id: m['id'], epoch: wholeOrNot(m['epoch']), backoffMs: wholeOrNot(m['backoffMs'])};
    case 'environment':
      return isTextRecord(m['values']) ? {type: 'environment', values: m['values']} : undefined;
    case 'ensure': {
      const service = isObject(m['service']) ? completed(m['service']) : {};
      return isService(service) && isEnsure(service) ? {type: 'ensure', service} : undefined;
    }
    default:
      return undefined;
  }
}

const AGENT_TYPES = ['hello', 'order', 'passive', 'environment', 'ensure'];

/** @returns the type of a message that only a later agent knows; undefined for one of ours, sound or not, and for what is no message. */
export function unknownType(line: string): string | undefined {
  const type = parseObject(line)?.['type'];
  return typeof type === 'string' && !AGENT_TYPES.includes(type) ? type : undefined;
}

/** The guardian is our own child: its lines are only checked for being a message at all. */
export function parseGuardianMessage(line: string): GuardianMessage | undefined {
  const m = parseObject(line);
  const types = ['welcome', 'rejected', 'report', 'holding', 'output', 'dropped', 'passive'];
  return m && types.includes(String(m['type'])) ? (m as GuardianMessage & Fields) : undefined;
}

function parseHello(m: Fields): Hello | undefined {
  const {version, token, agent} = m;
  const setup =
    isObject(m['setup']) && isObject(m['setup']['service'])
      ? {...m['setup'], service: completed(m['setup']['service'])}
      : m['setup'];
  const instance = m['instanceId'];
  if (!isWhole(version) || typeof token !== 'string' || typeof instance !== 'string' || !isInstanceId(instance)) return undefined;
  if (!isObject(agent) || !isWhole(agent['pid']) || !isWhole(agent['startTicks']) || typeof agent['bootId'] !== 'string')
    return undefined;
  const identity = {pid: agent['pid'], startTicks: agent['startTicks'], bootId: agent['bootId']};
  if (setup !== undefined && !isSetup(setup)) return undefined;
  return {type: 'hello', version, token, instanceId: instanceId(instance), agent: identity, setup};
}

function parseOrder(o: Fields): GuardianOrder | undefined {
  const {type, run, epoch: at, attempt, deadline} = o;
  switch (type) {
    case 'deadline': {
      if (!isWhole(at) || !isEpoch(at) || !isWhole(attempt)) return undefined;
      if (deadline === 'now') return {type, epoch: epoch(at), attempt, deadline};
      return typeof deadline === 'number' && Number.isFinite(deadline)
        ? {type, epoch: epoch(at), attempt, deadline: monoMs(deadline)}
        : undefined;
    }
    case 'start':
      return isWhole(run) && isWhole(at) && isEpoch(at) ? {type, run, epoch: epoch(at)} : undefined;
    case 'stop':
      return isWhole(run) ? {type, run} : undefined;
    case 'keep':
    case 'bye':
      return {type};
    default:
      return undefined;
  }
}

/** Same program on both sides (WIRE_VERSION): the outline is checked, and what a wrong value could make unsafe. */
function isSetup(value: unknown): value is GuardianSetup {
  if (!isObject(value) || !isObject(value['config']) || !isObject(value['service'])) return false;
  const {config, service, marker, cwd, environment, lockDirectory, around} = value;
  const {timing, agentLossGraceMs} = config;
  if (!isObject(timing) || !isWhole(timing['stopTimeoutMs']) || !isWhole(timing['safetyMarginMs'])) return false;
  if (!isWhole(agentLossGraceMs) || typeof marker !== 'string' || marker === '' || typeof cwd !== 'string') return false;
  if (lockDirectory !== undefined && typeof lockDirectory !== 'string') return false;
  if (around !== undefined && !isAround(around)) return false;
  return isTextRecord(environment) && isService(service);
}

/** With what an earlier version of the agent leaves out. */
const completed = (service: Fields): Fields => (service['kind'] === 'ensure' ? {steadyMs: STEADY_MS, ...service} : service);

function isService(service: Fields): boolean {
  const {kind, command, standby, active, passive, containment} = service;
  if (kind === 'none') return true;
  if (kind === 'exec') return isArgv(command) && (standby === undefined || isArgv(standby)) && isContainment(containment);
  if (kind === 'systemd') {
    const {unit, environmentFile, dropIn, monitorIntervalMs} = service;
    const named = typeof unit === 'string' && /^[^-].*\.service$/.test(unit);
    return named && isTexts([environmentFile, dropIn]) && isTexts(service['launcher']) && isWhole(monitorIntervalMs);
  }
  const numbers = [
    service['monitorIntervalMs'],
    service['timeoutMs'],
    service['attempts'],
    service['backoffMs'],
    service['steadyMs'],
  ];
  return kind === 'ensure' && isArgv(active) && isArgv(passive) && isTexts(service['launcher']) && numbers.every(isWhole);
}

const wholeOrNot = (value: unknown): number | undefined => (isWhole(value) ? value : undefined);

const isContainment = (value: unknown): boolean => isObject(value) && isTexts(value['launcher']) && isTexts(value['prefix']);

const isEnsure = (service: Fields): service is EnsureSpec & Fields => service['kind'] === 'ensure';

function parseObject(line: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const isArgv = (value: unknown): boolean => isTexts(value) && value.length > 0 && value[0] !== '';
const isTextRecord = (value: unknown): value is Record<string, string> =>
  isObject(value) && Object.values(value).every((each) => typeof each === 'string');

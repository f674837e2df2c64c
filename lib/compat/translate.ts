// From the keys of HAL and PROM to the options of this program: what each becomes, what has no effect, and what is missing.
import type {Key} from '../config/options.ts';
import {formatDuration} from '../config/units.ts';
import {LEASE_TIMEOUT_MAX_MS, LEASE_TIMEOUT_MIN_MS} from '../protocol/lock-name.ts';
import {isNodeId} from '../protocol/words.ts';
import {daemonOf, hasNoEffect, prefixesOf, spellingsOf, type Daemon, type Meaning, type NodeMeaning} from './keys.ts';
import type {Json, JsonEntry, JsonObject} from './lenient-json.ts';
import {splitCommand} from './words.ts';

/** One option as a config file of our own would have it. */
export interface Translated {
  readonly key: Key;
  readonly value: unknown;
  /** The key it comes from. */
  readonly from: string;
  readonly line: number;
}

export interface Fault {
  readonly key: string;
  /** Undefined where something is missing. */
  readonly line: number | undefined;
  readonly found: string | undefined;
  readonly expected: string;
}

export interface Translation {
  readonly daemon: Daemon;
  readonly options: readonly Translated[];
  readonly warnings: readonly string[];
  readonly faults: readonly Fault[];
}

/** What else is known when the file is read. */
export interface Circumstances {
  readonly nodeId: string;
  /** Whether a node is launched: only then must its commands be there. */
  readonly launches: boolean;
  /** Options that the command line or the environment, which win, or the file under our own names give. */
  readonly isGiven: (key: Key) => boolean;
}

/** A command may take this many timeouts: those daemons waited for ever, and one that hangs must not look alive for ever. */
const COMMAND_TIMEOUTS = 10;
const DAY_MS = 86_400_000;
/** Instead of a loop without a pause, ms. */
const MONITOR_MS = 1_000;
const ATTEMPTS_MAX = 1_000;

export function translate(keys: JsonObject, around: Circumstances): Translation {
  const work = new Work(keys, around);
  work.app();
  work.timeout();
  work.attempts();
  work.backoff();
  work.monitor();
  work.commands();
  work.startActive();
  work.peers();
  return work.result();
}

class Work {
  private readonly keys: JsonObject;
  private readonly around: Circumstances;
  private readonly daemon: Daemon;
  private readonly options: Translated[] = [];
  private readonly warnings: string[] = [];
  private readonly faults: Fault[] = [];

  constructor(keys: JsonObject, around: Circumstances) {
    this.keys = keys;
    this.around = around;
    this.daemon = daemonOf(keys.keys());
  }

  result(): Translation {
    const names = [...this.keys.keys()];
    const silent = names.filter(hasNoEffect);
    if (silent.length > 0) this.warn(`${silent.join(', ')}: no effect, the shared directory is in the place of MUSIC`);
    return {daemon: this.daemon, options: this.options, warnings: this.warnings, faults: this.faults};
  }

  app(): void {
    const found = this.find('app');
    const name = found && this.textOf(found);
    if (found === undefined || name === '') return this.warn('it names no app: the app is "default"');
    if (name === undefined) return;
    const usable = name
      .replace(/[^A-Za-z0-9._-]+/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 63);
    if (usable !== name) this.warn(`the app ${JSON.stringify(name)} is called ${usable || 'default'} here`);
    if (usable !== '') this.put('app', usable, found);
  }

  timeout(): void {
    const [key] = spellingsOf(this.daemon, 'timeout');
    const found = this.find('timeout');
    const ms = found && this.wholeOf(found, 1, LEASE_TIMEOUT_MAX_MS, 'milliseconds');
    if (found === undefined && !this.around.isGiven('leaseTimeout'))
      this.miss(key ?? 'timeout', 'the time in milliseconds after which a silent master is replaced');
    if (found === undefined || ms === undefined) return;
    const usedMs = Math.max(ms, LEASE_TIMEOUT_MIN_MS);
    if (usedMs !== ms) this.warn(`${found.key}: ${ms} ms is shorter than any lease may be, ${usedMs} ms are used`);
    this.put('leaseTimeout', formatDuration(usedMs), found);
    this.put('service.commandTimeout', formatDuration(Math.min(COMMAND_TIMEOUTS * usedMs, DAY_MS)), found);
  }

  attempts(): void {
    const found = this.find('attempts');
    const [key] = spellingsOf(this.daemon, 'attempts');
    if (found) {
      const attempts = this.wholeOf(found, 1, ATTEMPTS_MAX, 'attempts');
      if (attempts !== undefined) this.put('service.attempts', attempts, found);
    } else if (!this.around.isGiven('service.attempts')) {
      this.miss(key ?? 'attempts', `how often a command is tried, a whole number from 1 to ${ATTEMPTS_MAX}`);
    }
  }

  backoff(): void {
    const found = this.find('backoff');
    const ms = found && this.optionalMs(found);
    // Those daemons tried again at once unless told otherwise.
    this.put('service.backoff', formatDuration(ms ?? 0), found ?? {key: 'restart-backoff-time', value: 0, line: 1});
  }

  monitor(): void {
    const found = this.find('monitor');
    const ms = found && this.optionalMs(found);
    if (found && (ms === undefined || ms === 0))
      this.warn(`${found.key}: a loop without a pause is not run, the commands are run every ${MONITOR_MS} ms`);
    const usedMs = ms === undefined || ms === 0 ? MONITOR_MS : ms;
    this.put('service.monitorInterval', formatDuration(usedMs), found ?? {key: 'core-monitor-sleep-time', value: 0, line: 1});
  }

  commands(): void {
    const {isGiven, launches} = this.around;
    const otherService = isGiven('service.command') || isGiven('service.kind');
    for (const role of ['active', 'passive'] as const) {
      const found = this.findOfNode(role, this.around.nodeId);
      const faultsBefore = this.faults.length;
      const words = found && this.commandOf(found);
      if (found && words) this.put(`service.${role}`, words, found);
      else if (this.faults.length === faultsBefore && launches && !otherService && !isGiven(`service.${role}`))
        this.missCommand(role);
    }
  }

  startActive(): void {
    const found = this.findOfNode('startActive', this.around.nodeId);
    if (!found) return;
    const word = typeof found.value === 'boolean' ? String(found.value) : this.textOf(found)?.trim();
    if (word !== 'true' && word !== 'false') this.warn(`${found.key}: neither true nor false, no effect`);
    if (word === 'false' && !this.around.isGiven('highAvailability') && !this.around.isGiven('passive'))
      this.put('passive', true, found);
  }

  /** Only those on the list are restarted, each by its own command, and a node does not restart itself. */
  peers(): void {
    const commands = new Map(this.idsOf('restart').map((id) => [id, this.findOfNode('restart', id)] as const));
    const list = this.find('peers');
    const ids = list && this.idList(list);
    const restarted: Record<string, readonly string[]> = {};
    const never: string[] = [];
    for (const [id, found] of commands) {
      const words = found && this.commandOf(found);
      if (!words || id === this.around.nodeId) continue;
      if (ids?.includes(id) === true && isNodeId(id)) restarted[id] = words;
      else never.push(found.key);
    }
    if (list && ids) {
      if (!ids.includes(this.around.nodeId) && this.around.launches)
        this.warn(`${list.key}: ${this.around.nodeId} is not on it, so nobody restarts this node`);
      if (Object.keys(restarted).length > 0) this.put('restartPeer', restarted, list);
    } else if (!list && never.length > 0 && !this.around.isGiven('restartPeer')) {
      const [key] = spellingsOf(this.daemon, 'peers');
      return this.miss(
        key ?? 'replicaIdList',
        `the ids of the nodes that are to be restarted, because there is ${never[0] ?? ''}`,
      );
    }
    if (never.length > 0) this.warn(`${never.join(', ')}: never run, the list of nodes does not have them`);
  }

  // ---- finding ----

  private find(meaning: Meaning): Found | undefined {
    return this.first(spellingsOf(this.daemon, meaning));
  }

  private findOfNode(meaning: NodeMeaning, id: string): Found | undefined {
    return this.first(prefixesOf(this.daemon, meaning).map((prefix) => prefix + id));
  }

  private first(spellings: readonly string[]): Found | undefined {
    const found = spellings.flatMap((key) => {
      const entry = this.keys.get(key);
      return entry === undefined || entry.value === null ? [] : [{key, ...entry}];
    });
    const [chosen, ...rest] = found;
    if (chosen && rest.length > 0) this.warn(`${rest.map(({key}) => key).join(', ')}: no effect, because ${chosen.key} is there`);
    return chosen;
  }

  private idsOf(meaning: NodeMeaning): readonly string[] {
    const prefixes = prefixesOf(this.daemon, meaning);
    const ids = [...this.keys.keys()].flatMap((key) => {
      const prefix = prefixes.find((candidate) => key.startsWith(candidate));
      return prefix === undefined ? [] : [key.slice(prefix.length)];
    });
    return [...new Set(ids)];
  }

  // ---- reading ----

  private textOf(found: Found): string | undefined {
    const {value} = found;
    if (typeof value === 'string') return value;
    if (typeof value === 'number') return String(value);
    this.refuse(found, 'text');
    return undefined;
  }

  private wholeOf(found: Found, min: number, max: number, of: string): number | undefined {
    const number = wholeNumber(found.value);
    if (number !== undefined && number >= min && number <= max) return number;
    this.refuse(found, `a whole number of ${of} from ${min} to ${max}`);
    return undefined;
  }

  /** Empty or no number: as if it were not there, and as those daemons took it. */
  private optionalMs(found: Found): number | undefined {
    const ms = wholeNumber(found.value);
    if (ms !== undefined && ms >= 0 && ms <= DAY_MS) return ms;
    if (found.value !== '') this.warn(`${found.key}: ${show(found.value)} is no number of milliseconds, no effect`);
    return undefined;
  }

  private commandOf(found: Found): readonly string[] | undefined {
    const text = this.textOf(found);
    if (text === undefined || text.trim() === '') return undefined;
    const {words, differs} = splitCommand(text);
    if (differs) this.warn(`${found.key}: quotes group and spaces count once here, the words are ${JSON.stringify(words)}`);
    if (words[0] === undefined || words[0] === '' || text.includes('\0')) {
      this.refuse(found, 'a program with its arguments');
      return undefined;
    }
    return words;
  }

  private idList(found: Found): readonly string[] | undefined {
    const {value} = found;
    const items = Array.isArray(value) ? (value as readonly Json[]) : undefined;
    if (items?.every((item) => typeof item === 'string' || typeof item === 'number') === true) return items.map(String);
    this.refuse(found, 'a list of node ids, such as ["0", "1"]');
    return undefined;
  }

  // ---- noting ----

  private put(key: Key, value: unknown, {key: from, line}: Found): void {
    this.options.push({key, value, from, line});
  }

  private warn(sentence: string): void {
    this.warnings.push(sentence);
  }

  private refuse({key, line, value}: Found, expected: string): void {
    this.faults.push({key, line, found: show(value), expected});
  }

  private miss(key: string, expected: string): void {
    this.faults.push({key, line: undefined, found: undefined, expected});
  }

  private missCommand(role: 'active' | 'passive'): void {
    const ids = this.idsOf(role);
    const others =
      ids.length === 0
        ? 'the file has none at all'
        : `the file has those of ${ids.join(', ')}: say with --id which one this node is`;
    this.miss(`ensure-${role}-${this.around.nodeId}`, `the command that makes node ${this.around.nodeId} ${role}; ${others}`);
  }
}

interface Found extends JsonEntry {
  readonly key: string;
}

function wholeNumber(value: Json): number | undefined {
  const text = typeof value === 'number' ? String(value) : value;
  return typeof text === 'string' && /^[+-]?\d{1,15}$/.test(text.trim()) ? Number(text) : undefined;
}

const show = (value: Json): string => (value instanceof Map ? 'an object' : JSON.stringify(value)).slice(0, 100);

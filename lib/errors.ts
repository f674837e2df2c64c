// Every failure that this program expects: one table of codes with their details, and how each is shown to an operator.

/** One thing that is wrong with a configuration. */
export interface ConfigProblem {
  /** The key, with dots for levels: `service.attempts`. */
  readonly key: string;
  /** Where the value came from: `ha.yaml:12`, `environment variable HA_AGENT_PORT`, `option --port`, or `default`. */
  readonly where: string;
  /** The value as it was found there; undefined if there was none. */
  readonly found: string | undefined;
  /** What would be right, to be read after "expected": `a duration with a unit, such as 30s`. */
  readonly expected: string;
}

/** Every code with the type of its details. Add yours here, in the paragraph of its room. */
export interface Failures {
  // configuration
  /** The configuration holds at least one fault; all of them are listed. */
  'config.invalid': {readonly problems: readonly ConfigProblem[]};
  /** `init --config FILE` would overwrite something, or cannot write. */
  'config.unwritable': {readonly file: string; readonly reason: string};
  /** The log file cannot be opened for writing. */
  'log.unusable': {readonly file: string; readonly reason: string};

  // this host
  /** The process that the pid file names is alive. */
  'pidFile.live': {readonly pidFile: string; readonly pid: number};
  /** The pid file is something else than a pid file, or its place cannot be written. */
  'pidFile.unusable': {readonly pidFile: string; readonly reason: string};
  /** An agent that uses the same state directory is alive, stopped or not. */
  'state.live': {readonly stateDir: string; readonly pid: number; readonly stopped: boolean};
  /** A file of the state directory holds nonsense. */
  'state.corrupt': {readonly file: string; readonly reason: string};
  /** The state directory cannot be made, read or written. */
  'state.unusable': {readonly path: string; readonly reason: string};

  // the store
  /** There is no store in this directory. */
  'store.missing': {readonly dir: string};
  /** There is a store, or something else, where one was to be created. */
  'store.exists': {readonly dir: string; readonly found: string};
  /** store.json or another record that must be readable is not. */
  'store.corrupt': {readonly path: string; readonly reason: string};
  /** This is not the store that the node knew, or it is older than what the node knew of it. */
  'store.notOurs': {readonly dir: string; readonly known: string; readonly found: string};
  /** A newer version of this program made the store. */
  'store.newer': {readonly path: string; readonly format: number};
  /** A call did not return in time, or returned an error of the file system. */
  'store.unreachable': {readonly path: string; readonly reason: string; readonly waitedMs?: number};
  /** A call of this kind is still in flight; it is not issued twice. */
  'store.busy': {readonly lane: string};

  // the cluster
  /** Another node holds a lease that is being renewed. */
  'cluster.masterLives': {readonly nodeId: string; readonly epoch: number};
  /** A live agent on another host, or of another store path, uses this node id. */
  'cluster.nodeIdTaken': {readonly nodeId: string; readonly instanceId: string};
  /** A wish names a node, an epoch or an owner that is not (or no longer) there. */
  'cluster.noSuch': {readonly what: string};
  /** Something asked of the cluster was refused before anything of it was begun. */
  'cluster.refused': {readonly what: string; readonly reason: string};
  /** Something asked of the cluster was begun and did not come true. */
  'cluster.failed': {readonly what: string; readonly reason: string};

  // guardian and service
  'guardian.failed': {readonly reason: string};
  /** A process that must be gone is not. */
  'process.stays': {readonly pid: number; readonly waitedMs: number};
  /** The way of containment that was asked for does not work here. */
  'containment.unavailable': {readonly wanted: string; readonly reason: string};
  /** A floating address cannot be held on this host, or by this user. */
  'vip.unusable': {readonly reason: string};
  /** The watchdog that is required does not fit the timings. */
  'watchdog.unusable': {readonly device: string; readonly reason: string};
  'service.failed': {readonly command: string; readonly reason: string};
  /** The systemd unit cannot be the service of a node. */
  'service.unusable': {readonly unit: string; readonly reason: string};
  /** The agent's own unit is not there, or not ours. */
  'unit.refused': {readonly unit: string; readonly reason: string};
  /** systemd did not do what it was asked for. */
  'unit.failed': {readonly unit: string; readonly reason: string};

  // HTTP
  /** No local agent answers. */
  'http.unreachable': {readonly url: string; readonly reason: string};
  /** The address cannot be listened on. */
  'http.cannotListen': {readonly address: string; readonly port: number; readonly reason: string};
  /** A file with users, certificates or keys cannot be used. */
  'http.badFile': {readonly file: string; readonly reason: string};

  // proxy
  /** There is no such template, or it cannot be parsed. */
  'proxy.template': {readonly template: string; readonly reason: string};

  // HaClient
  /** An option or argument that makes no sense. */
  'client.invalid': {readonly what: string};
  /** Nobody was master, or said so, for this long. */
  'client.noMaster': {readonly waitedMs: number; readonly reasons: readonly string[]};
  /** There is a master, and no address of what the request is for. */
  'client.noService': {readonly nodeId: string; readonly uri: string | undefined};
  /** The request was not carried out, or can be sent again without harm. */
  'client.unreachable': {readonly method: string; readonly url: string};
  /** The request was sent, and may have been carried out. */
  'client.fateUnknown': {readonly method: string; readonly url: string};
  'client.closed': Readonly<Record<string, never>>;

  // doctor
  /** The doctor on the other host cannot be used, or nobody made use of this one. */
  'doctor.partner': {readonly url: string; readonly reason: string};
}

export type ErrorCode = keyof Failures;

export interface ErrorText {
  /** What is, and why: one sentence without a full stop. */
  readonly message: string;
  /** What to do next: names the option or the command that helps. */
  readonly hint: string;
  readonly cause?: unknown;
}

/** A failure that this program expects; everything else that is thrown is a bug. */
export class HaError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'HaError';
  readonly code: C;
  readonly details: Failures[C];
  readonly hint: string;

  constructor(code: C, details: Failures[C], text: ErrorText) {
    super(text.message, 'cause' in text ? {cause: text.cause} : undefined);
    this.code = code;
    this.details = details;
    this.hint = text.hint;
  }
}

/** Narrows to one code: `if (isHaError(error, 'store.missing')) …`; without a code, to any expected failure. */
export function isHaError<C extends ErrorCode = ErrorCode>(error: unknown, code?: C): error is HaError<C> {
  return error instanceof HaError && (code === undefined || error.code === code);
}

/** Refused before anything was done: the exit status is 3, not 2. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'config.invalid',
  'config.unwritable',
  'log.unusable',
  'pidFile.live',
  'pidFile.unusable',
  'state.live',
  'state.corrupt',
  'state.unusable',
  'store.exists',
  'store.notOurs',
  'store.newer',
  'cluster.masterLives',
  'cluster.nodeIdTaken',
  'cluster.refused',
  'containment.unavailable',
  'vip.unusable',
  'watchdog.unusable',
  'service.unusable',
  'unit.refused',
  'http.badFile',
  'proxy.template',
]);

/** @returns the exit status that interface.md promises: 3 refused, 2 failed while running. */
export const exitStatus = (error: unknown): 2 | 3 => (isHaError(error) && REFUSALS.has(error.code) ? 3 : 2);

/**
 * The text for an operator: an expected error without its stack but with its causes and its hint, a bug with the stack.
 * @returns one or more lines, the last without a newline.
 */
export function describeError(error: unknown): string {
  if (!(error instanceof HaError)) return error instanceof Error ? (error.stack ?? error.message) : String(error);
  const lines = [error.message];
  if (isHaError(error, 'config.invalid')) lines.push(...error.details.problems.map((problem) => `  ${describeProblem(problem)}`));
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) {
    if (!lines.some((line) => line.includes(cause.message))) lines.push(`  because: ${cause.message}`);
  }
  lines.push(`  what to do: ${error.hint}`);
  return lines.join('\n');
}

/** `port (ha.yaml:3): found "abc", expected a number from 1 to 65535`. */
export function describeProblem(problem: ConfigProblem): string {
  const found = problem.found === undefined ? 'found nothing' : `found ${problem.found}`;
  return `${problem.key} (${problem.where}): ${found}, expected ${problem.expected}`;
}

/** The short reason of whatever was thrown, for `reason` fields and log lines. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The system's error code (`ENOENT`), or undefined where the thrown thing has none. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

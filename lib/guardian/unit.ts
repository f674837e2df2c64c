// One systemd unit as systemctl shows it, and the processes in its control groups.
import {readdirSync, readFileSync} from 'node:fs';
import {basename} from 'node:path';
import {runCommand, type CommandEnd} from './command.ts';
import {hasCode, lookAt} from './proc.ts';

/** How long systemd may take to answer a question, ms. */
export const ASK_MS = 5_000;
/** More than this of an answer is not kept, characters. */
const ANSWER_MAX = 256 * 1024;
/** Where the hierarchy that systemd keeps track of processes in may be mounted: unified, hybrid, legacy. */
const HIERARCHIES = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified', '/sys/fs/cgroup/systemd'];
const PROPERTIES = [
  ...['Id', 'LoadState', 'ActiveState', 'SubState', 'Result', 'MainPID', 'Job', 'ControlGroup', 'Slice'],
  ...['NeedDaemonReload', 'DropInPaths', 'FragmentPath', 'UnitFileState', 'TriggeredBy', 'WantedBy', 'RequiredBy'],
  ...['Type', 'BusName', 'KillMode'],
];

export interface Answer {
  readonly end: CommandEnd;
  readonly stdout: string;
  /** The first line of what it complained of, or how it ended: the second half of a sentence. */
  readonly because: string;
}

/** A call of systemctl that is under way. */
export interface Asked {
  /** Never rejects. */
  readonly answer: Promise<Answer>;
  /** Ends the call; what systemd has been told by then it does all the same. */
  kill(): void;
}

/**
 * @param words a verb and what it is about; no shell is involved.
 * @param launcher what the call is started through.
 */
export function systemctl(words: readonly string[], timeoutMs: number, launcher: readonly string[] = []): Asked {
  const texts = {stdout: '', stderr: ''};
  const closed: Promise<unknown>[] = [];
  const command = runCommand(['systemctl', '--no-pager', '--no-ask-password', ...words], {
    launcher,
    cwd: '/',
    environment: {...process.env, LC_ALL: 'C', SYSTEMD_COLORS: '0'},
    timeoutMs,
    drain(stream, from) {
      if (!from) return;
      closed.push(new Promise((resolve) => from.once('close', resolve)));
      from.setEncoding('utf8');
      from.on('data', (text: string) => (texts[stream] = (texts[stream] + text).slice(0, ANSWER_MAX)));
      from.on('error', () => undefined);
    },
  });
  const answer = command.done.then(async (end) => {
    await Promise.all(closed);
    const [complaint = ''] = texts.stderr.trim().split('\n');
    return {end, stdout: texts.stdout, because: complaint === '' ? end.because : complaint};
  });
  return {answer, kill: () => command.signal('SIGKILL')};
}

/** A unit at one moment. */
export interface UnitLook {
  /** Its canonical name, also where it was asked for by an alias. */
  readonly id: string;
  readonly loadState: string;
  readonly activeState: string;
  readonly subState: string;
  readonly result: string;
  /** 0 if it has none. */
  readonly mainPid: number;
  /** Something is still to be done with it. */
  readonly hasJob: boolean;
  /** As systemd has it at this moment; empty if none. */
  readonly controlGroup: string;
  readonly slice: string;
  readonly needsReload: boolean;
  readonly dropIns: readonly string[];
  /** Where it is defined; empty if nowhere. */
  readonly file: string;
  readonly fileState: string;
  /** Sockets, timers and paths that start it. */
  readonly triggers: readonly string[];
  /** Units that pull it in when they are started. */
  readonly wantedBy: readonly string[];
  readonly type: string;
  readonly busName: string;
  readonly killMode: string;
}

export type Looked = {readonly ok: true; readonly look: UnitLook} | {readonly ok: false; readonly because: string};

export async function lookAtUnit(unit: string): Promise<Looked> {
  const words = ['show', `--property=${PROPERTIES.join(',')}`, '--', unit];
  const {end, stdout, because} = await systemctl(words, ASK_MS).answer;
  if (end.status !== 0) return {ok: false, because: `systemd does not say what ${unit} does: ${because}`};
  const look = parseLook(stdout);
  return look ? {ok: true, look} : {ok: false, because: `systemctl does not show ${unit} as expected`};
}

/** @returns undefined for whatever is not the answer to `systemctl show`. */
export function parseLook(text: string): UnitLook | undefined {
  const found = new Map<string, string>();
  for (const line of text.split('\n')) {
    const at = line.indexOf('=');
    if (at > 0) found.set(line.slice(0, at), line.slice(at + 1));
  }
  const value = (name: string): string => found.get(name) ?? '';
  const words = (name: string): string[] => value(name).split(' ').filter(Boolean);
  const mainPid = Number(value('MainPID'));
  if (value('Id') === '' || value('ActiveState') === '' || !Number.isSafeInteger(mainPid)) return undefined;
  return {
    id: value('Id'),
    loadState: value('LoadState'),
    activeState: value('ActiveState'),
    subState: value('SubState'),
    result: value('Result'),
    mainPid,
    hasJob: !['', '0'].includes(value('Job')),
    controlGroup: value('ControlGroup'),
    slice: value('Slice'),
    needsReload: value('NeedDaemonReload') === 'yes',
    dropIns: words('DropInPaths'),
    file: value('FragmentPath'),
    fileState: value('UnitFileState'),
    triggers: words('TriggeredBy'),
    wantedBy: [...words('WantedBy'), ...words('RequiredBy')],
    type: value('Type'),
    busName: value('BusName'),
    killMode: value('KillMode'),
  };
}

/** Whether systemd runs nothing of it, and is not about to. */
export const isDown = (look: UnitLook): boolean => ['inactive', 'failed'].includes(look.activeState) && !look.hasJob;

/** `active (running)`, for people. */
export const stateText = ({activeState, subState, result}: UnitLook): string =>
  `${activeState} (${subState}${['', 'success'].includes(result) ? '' : `, ${result}`})`;

/**
 * Where processes of the unit may be. systemd forgets the control group of an inactive unit although processes may be left in it, so the
 * one that it makes of slice and name is among them.
 */
export function controlGroupsOf({id, slice, controlGroup}: Pick<UnitLook, 'id' | 'slice' | 'controlGroup'>): string[] {
  const parent = `${managerGroup()}${groupOfSlice(slice)}`;
  // A name that means something to the kernel gets an underscore in front.
  const groups = [controlGroup, `${parent}/${id}`, `${parent}/_${id}`];
  return [...new Set(groups.filter((group) => basename(group).endsWith('.service')))];
}

/** `a-b.slice` lies in `a.slice`. */
function groupOfSlice(slice: string): string {
  const name = (slice === '' ? 'system.slice' : slice).replace(/\.slice$/, '');
  if (name === '-') return '';
  const parts = name.split('-');
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('-')}.slice`).join('');
}

/** In a container systemd may not have the root of the hierarchy for itself. */
function managerGroup(): string {
  const lines = readIfThere('/proc/1/cgroup')?.split('\n') ?? [];
  const line = lines.find((each) => /^\d+:(name=systemd)?:/.test(each) && each.endsWith('/init.scope'));
  return line?.replace(/^\d+:[^:]*:/, '').replace(/\/init\.scope$/, '') ?? '';
}

/**
 * The living processes in these control groups and below them; 0 stands for one that cannot be seen from here.
 * @returns undefined where no hierarchy is mounted that could tell.
 */
export function processesIn(groups: readonly string[]): number[] | undefined {
  const roots = HIERARCHIES.filter((root) => readIfThere(`${root}/cgroup.procs`) !== undefined);
  if (roots.length === 0) return undefined;
  const pids = new Set<number>();
  for (const root of roots) for (const group of groups) collect(`${root}${group}`, pids);
  return [...pids].filter((pid) => pid === 0 || lookAt(pid)?.dead === false);
}

function collect(directory: string, pids: Set<number>): void {
  const text = readIfThere(`${directory}/cgroup.procs`) ?? '';
  for (const word of text.split('\n')) if (word !== '') pids.add(Number(word));
  for (const name of subdirectories(directory)) collect(`${directory}/${name}`, pids);
}

function subdirectories(directory: string): string[] {
  try {
    const entries = readdirSync(directory, {withFileTypes: true});
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENODEV')) return [];
    throw error;
  }
}

/** @returns undefined if it is not there (any more); the processes of a threaded group are listed above it. */
export function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENODEV', 'ENOTDIR', 'EOPNOTSUPP', 'ENOTSUP')) return undefined;
    throw error;
  }
}

// Tells a story: reads a scenario's commands, plays them in the simulated world without any chance, and returns what was to be seen.
import {nodeStateOf} from '../../lib/protocol/agent-report.ts';
import type {Mode} from '../../lib/protocol/heartbeat.ts';
import {DEFAULT_TIMING} from '../../lib/protocol/timing.ts';
import {epoch, nodeId} from '../../lib/protocol/words.ts';
import {crashBoth, crashHost, start} from '../sim/faults.ts';
import type {NodePlan, Plan} from '../sim/plan.ts';
import {trueEpoch, trueLock} from '../sim/server.ts';
import {wake} from '../sim/store-calls.ts';
import {killAgentProc, send, thawAgent} from '../sim/world-agent.ts';
import {killGuardianProc} from '../sim/world-guardian.ts';
import {buildWorld} from '../sim/world.ts';
import {localNow, type Host, type World} from '../sim/world-types.ts';

/** A script is blocks of commands, each followed by `----` and what they lead to. */
export interface Block {
  readonly commands: readonly string[];
  readonly expected: readonly string[];
}

export interface Script {
  readonly why: readonly string[];
  readonly blocks: readonly Block[];
}

export function parseScript(text: string): Script {
  const lines = text.split('\n');
  const why = lines.filter((line) => line.startsWith('#'));
  const blocks: {commands: string[]; expected: string[]}[] = [];
  for (const paragraph of lines.filter((line) => !line.startsWith('#')).join('\n').split(/\n\s*\n/)) {
    const [commands = '', expected = ''] = paragraph.trim().split(/^----$/m);
    if (commands.trim() === '') continue;
    blocks.push({commands: clean(commands), expected: clean(expected)});
  }
  return {why, blocks};
}

const clean = (text: string): string[] => text.split('\n').map((line) => line.trim()).filter((line) => line !== '');

export const formatScript = ({why, blocks}: Script): string =>
  `${why.join('\n')}\n\n${blocks.map(({commands, expected}) => [...commands, '----', ...expected].join('\n')).join('\n\n')}\n`;

/** @returns the script with what really happened in the place of what was expected. */
export function play(script: Script): Script {
  let w: World | undefined;
  const seen = new Map<string, string>();
  const blocks = script.blocks.map(({commands}) => {
    const from = w?.log.lines.length ?? 0;
    for (const command of commands) {
      const [word = '', ...rest] = command.split(/\s+/);
      if (word === 'cluster') w = found(rest);
      else if (w) act(w, word, rest);
      else throw new Error(`"${command}": a script begins with "cluster N"`);
    }
    if (!w) throw new Error('a script begins with "cluster N"');
    return {commands, expected: [...w.log.lines.slice(from).flatMap((line) => tell(line)), ...standing(w, seen)]};
  });
  return {...script, blocks};
}

/** `cluster 3`, with `mode standby` for all, `held`: born with a lock that nobody holds, `grace 5s`. */
function found(words: readonly string[]): World {
  const option = (name: string): string | undefined => {
    const at = words.indexOf(name);
    return at < 0 ? undefined : words[at + 1];
  };
  const nodes = Array.from({length: Number(words[0])}, (_, i): NodePlan => ({
    nodeId: `n${i + 1}`,
    timing: DEFAULT_TIMING,
    priority: 0,
    mode: (option('mode') ?? 'auto') as Mode,
    hasService: true,
    graceMs: milliseconds(option('grace') ?? '0s'),
    drift: 0,
    startsAtMs: 10 * i,
  }));
  const plan: Plan = {
    seed: 1,
    nodes,
    virgin: words.includes('held') ? 'held' : 'free',
    faults: [],
    healAtMs: Infinity,
    falseProof: false,
    lame: undefined,
  };
  const w = buildWorld(plan, true);
  w.faults = false;
  return w;
}

function act(w: World, word: string, rest: readonly string[]): void {
  const last = rest.at(-1) ?? '';
  if (word === 'run') {
    w.clock.runUntil(w.clock.now + milliseconds(last));
    return;
  }
  if (operate(w, word, rest)) return;
  const host = hostOf(w, rest.find((each) => /^\d+$/.test(each)) ?? '');
  const agent = host.agent;
  switch (word) {
    case 'crash':
      return crash(w, host, rest[0] ?? '');
    case 'restart':
      return start(w, host, rest.includes('--replace'));
    case 'freeze':
      if (agent) agent.frozen = true;
      w.clock.after(milliseconds(last), () => {
        if (agent) thawAgent(w, agent);
      });
      return;
    case 'cut':
    case 'mend':
      host.weather.cut = word === 'cut';
      return wake(host);
    case 'unmount':
    case 'mount':
      host.weather.unmounted = word === 'unmount';
      return;
    case 'break':
    case 'repair':
      host.service.cannotStart = word === 'break' ? 1 : 0;
      return;
    case 'mode':
      host.settings = {...host.settings, mode: last as Mode};
      if (agent) send(w, agent, () => ({type: 'settings', settings: host.settings}));
      return;
    case 'end':
      if (agent) send(w, agent, () => ({type: 'end', keepService: rest.includes('--keepService'), because: 'SIGTERM'}));
      return;
    default:
      throw new Error(`no such command: ${word} ${rest.join(' ')}`);
  }
}

/** What is asked of the cluster as a whole. */
function operate(w: World, word: string, rest: readonly string[]): boolean {
  const {server} = w;
  switch (word) {
    case 'pause':
    case 'resume':
      server.wishes = {...server.wishes, paused: word === 'pause'};
      return true;
    case 'switchover': {
      const to = rest[0] === 'to' ? nodeId(`n${rest[1]}`) : undefined;
      server.wishes = {...server.wishes, switchovers: [{epoch: trueEpoch(server), to}]};
      return true;
    }
    case 'statement': {
      const owner = trueLock(server)?.writer?.nodeId;
      if (owner) server.wishes = {...server.wishes, statements: [{epoch: epoch(trueEpoch(server)), owner}]};
      return true;
    }
    default:
      return false;
  }
}

function crash(w: World, host: Host, what: string): void {
  if (what === 'agent' && host.agent) killAgentProc(w, host.agent, 'kill -9');
  else if (what === 'guardian') for (const guardian of [...host.guardians]) killGuardianProc(w, guardian, 'kill -9');
  else if (what === 'both') crashBoth(w, host, 'kill -9 of both');
  else crashHost(w, host);
}

function hostOf(w: World, number: string): Host {
  const host = w.hosts[Number(number) - 1];
  if (!host) throw new Error(`no node ${number}`);
  return host;
}

function milliseconds(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s)$/.exec(text);
  if (!match) throw new Error(`not a duration: ${text}`);
  return Number(match[1]) * (match[2] === 's' ? 1_000 : 1);
}

/** The lines of the transcript that make a story, with whole seconds. */
function tell(line: string): string[] {
  const match = /^\s*(\d+)\.\d+ {2}(\S+)\s+(.*)$/.exec(line);
  if (!match) return [];
  const [, second, who, what = ''] = match;
  const said = /^agent: (claiming|exits|lost|giving|released|refused|switchover refused|adopting|paused|waiting for a first|this is not|trust|the service failed|could not renew|kills)|^SERVICE|^guardian: (releases|ends|dies|adopted)|^the host/.test(what);
  return said ? [`${second}s ${who} ${what.replace(/a000000(\d)/g, 'instance-$1')}`] : [];
}

/** Who is what now, where it has changed. */
function standing(w: World, seen: Map<string, string>): string[] {
  return w.hosts.flatMap((host) => {
    const {agent} = host;
    const state = agent ? `${nodeStateOf(agent.state, localNow(w, host))}${agent.frozen ? ' (frozen)' : ''}` : 'no agent';
    if (seen.get(host.name) === state) return [];
    seen.set(host.name, state);
    return [`= ${host.name} ${state}`];
  });
}

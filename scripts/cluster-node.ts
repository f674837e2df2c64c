// One node of `npm start`: started in a session of its own, looked at through what it leaves on disk, and ended until nothing is left.
import {spawn} from 'node:child_process';
import fs from 'node:fs/promises';
import {setTimeout as sleep} from 'node:timers/promises';
import {parseKept} from '../lib/agent/kept-guardians.ts';
import {readLocalState, type AgentRecord} from '../lib/agent/local-state.ts';
import {commandLineOf, isAgentCommand} from '../lib/agent/process-look.ts';
import {allProcesses, identityOf, isAlive, signal, type ProcessIdentity} from '../lib/guardian/proc.ts';
import {killGuardian} from '../lib/guardian/record.ts';
import {AGENT, type NodePlace, type NodeSpot} from './cluster-places.ts';

/** How often it is looked whether something has ended, ms. */
const LOOK_MS = 50;
/** A clean end: the service may take stopTimeout (10 s) to stop, then the lock is released, ms. */
const END_LIMIT_MS = 20_000;
const KILL_LIMIT_MS = 5_000;

/**
 * Starts the agent so that Ctrl-C in this terminal reaches only `npm start`, which then ends it in order.
 * @param onEnd called if it ends, whenever that is, with what it was that ended it.
 */
export async function startNode(node: NodeSpot, onEnd: (how: string) => void): Promise<void> {
  const log = await fs.open(node.logFile, 'a');
  try {
    const child = spawn(process.execPath, [AGENT, 'launch', '--config', node.configFile], {
      cwd: node.folder,
      env: plainEnvironment(),
      stdio: ['ignore', log.fd, log.fd],
      detached: true,
    });
    child.once('error', (error) => onEnd(error.message));
    child.once('exit', (code, name) => onEnd(name ?? `exit status ${code ?? 'unknown'}`));
    child.unref();
  } finally {
    await log.close();
  }
}

/** Settings of the user's own agents are not for these. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HA_')));
}

/** The agent that lives in this folder, whoever started it. */
export const liveAgent = (node: NodePlace): Promise<AgentRecord | undefined> => readLocalState(node.stateDir).liveAgent();

/** The last line of the node's log, for people who wonder why it has ended. */
export async function lastWords(node: NodePlace): Promise<string> {
  const text = await fs.readFile(node.logFile, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').at(-1) ?? '';
}

export interface EndReport {
  /** Whether there was anything to end. */
  readonly found: boolean;
  /** Processes that could not be ended. */
  readonly left: readonly number[];
}

/**
 * Ends agent, guardian and service of a node, in this order, and sees them gone.
 * @param hurry fires when waiting is over: everything is killed then.
 */
export async function endNode(node: NodePlace, hurry: AbortSignal): Promise<EndReport> {
  const agents = await agentsOf(node);
  if (!hurry.aborted) for (const agent of agents) signal(agent, 'SIGTERM');
  await untilGone(agents, END_LIMIT_MS, hurry);
  for (const agent of agents) signal(agent, 'SIGKILL');
  await untilGone(agents, KILL_LIMIT_MS);
  const ended: ProcessIdentity[] = [...agents];
  const survivors: number[] = [];
  for (const {record, instances} of parseKept(await readLocalState(node.stateDir).guardian())) {
    if (isAlive(record.guardian)) ended.push(record.guardian);
    // A guardian whose agent is dead stops the service by itself, and ends.
    await untilGone([record.guardian], END_LIMIT_MS, hurry);
    survivors.push(...(await killGuardian(record, true, KILL_LIMIT_MS)).survivors);
    const helpers = await findCommands((words) => isReleaseOf(words, instances));
    await untilGone(helpers, KILL_LIMIT_MS);
    ended.push(...helpers);
  }
  return report(ended, survivors);
}

/** The agent that has claimed the node's state, and whoever was started with its config file and has not come so far yet. */
async function agentsOf(node: NodePlace): Promise<readonly ProcessIdentity[]> {
  const claimed = await liveAgent(node);
  const started = await findCommands((words) => isAgentCommand(words) && words.includes(node.configFile));
  return claimed ? [claimed, ...started.filter(({pid}) => pid !== claimed.pid)] : started;
}

/** The short-lived process that a guardian gives a dead agent's lock back with. */
const isReleaseOf = (words: readonly string[], instances: readonly string[]): boolean =>
  words.some((word) => word.endsWith('/guardian/release.js')) &&
  words.some((word) => word.split(',').some((part) => instances.includes(part)));

async function findCommands(holds: (words: readonly string[]) => boolean): Promise<readonly ProcessIdentity[]> {
  const found: ProcessIdentity[] = [];
  for (const {pid} of allProcesses()) {
    const words = await commandLineOf(pid);
    const identity = words !== undefined && holds(words) ? identityOf(pid) : undefined;
    if (identity) found.push(identity);
  }
  return found;
}

function report(ended: readonly ProcessIdentity[], survivors: readonly number[]): EndReport {
  const left = ended.filter(isAlive).map(({pid}) => pid);
  return {found: ended.length > 0, left: [...new Set([...left, ...survivors])]};
}

async function untilGone(processes: readonly ProcessIdentity[], limitMs: number, hurry?: AbortSignal): Promise<void> {
  for (let waitedMs = 0; waitedMs < limitMs && processes.some(isAlive); waitedMs += LOOK_MS) {
    if (hurry?.aborted) return;
    await sleep(LOOK_MS);
  }
}

// One node of `npm start`: started in a session of its own, looked at through what it leaves on disk, and ended until nothing is left.
import {spawn} from 'node:child_process';
import fs from 'node:fs/promises';
import {setTimeout as sleep} from 'node:timers/promises';
import {parseKept} from '../lib/agent/earlier.ts';
import {readLocalState, type AgentRecord} from '../lib/agent/local-state.ts';
import {isAlive, signal} from '../lib/guardian/proc.ts';
import {findMarked, killGuardian, type GuardianRecord} from '../lib/guardian/record.ts';
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
  const agent = await liveAgent(node);
  if (agent) {
    if (!hurry.aborted) signal(agent, 'SIGTERM');
    await untilGone([agent], END_LIMIT_MS, hurry);
    if (signal(agent, 'SIGKILL')) await untilGone([agent], KILL_LIMIT_MS);
  }
  const guardian = await guardianOf(node);
  if (!guardian || !isRunning(guardian)) return report(agent !== undefined, [agent]);
  // A guardian whose agent is dead stops the service by itself, and ends.
  await untilGone([guardian.guardian], END_LIMIT_MS, hurry);
  const killed = await killGuardian(guardian, true, KILL_LIMIT_MS);
  return report(true, [agent, guardian.guardian], killed.survivors);
}

function report(
  found: boolean,
  ended: readonly (AgentRecord | GuardianRecord['guardian'] | undefined)[],
  more: readonly number[] = [],
): EndReport {
  const left = ended.flatMap((process) => (process && isAlive(process) ? [process.pid] : []));
  return {found, left: [...new Set([...left, ...more])]};
}

const isRunning = (record: GuardianRecord): boolean => isAlive(record.guardian) || findMarked(record.marker).length > 0;

async function guardianOf(node: NodePlace): Promise<GuardianRecord | undefined> {
  return parseKept(await readLocalState(node.stateDir).guardian())?.record;
}

async function untilGone(processes: readonly GuardianRecord['guardian'][], limitMs: number, hurry?: AbortSignal): Promise<void> {
  for (let waitedMs = 0; waitedMs < limitMs && processes.some(isAlive); waitedMs += LOOK_MS) {
    if (hurry?.aborted) return;
    await sleep(LOOK_MS);
  }
}

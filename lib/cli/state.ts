// state: what the local agent is, in one word.
import {readLocalState} from '../agent/local-state.ts';
import {HaError, reasonOf} from '../errors.ts';
import {agentOptions, configOf, print, type Call, type Command} from './command.ts';

export const commands: readonly Command[] = [
  {
    usage: 'state',
    describe: "the local agent's state, one word",
    example: ['$0 state --persistenceDir /mnt/ha', 'MASTER, STANDBY, …'],
    options: agentOptions,
    run: state,
  },
];

/** How long the local agent may take to answer, ms. */
const ANSWER_MS = 5_000;

async function state(call: Call): Promise<void> {
  const config = await configOf(call);
  const agent = await readLocalState(config.stateDir).liveAgent();
  if (agent?.url === undefined || agent.url === null)
    throw noAgent(config.nodeId, agent ? 'it does not listen yet' : 'none runs here');
  const found = await ask(new URL('health', agent.url), config.nodeId);
  print(call, {nodeId: config.nodeId, state: found}, found);
}

/** The health endpoint needs no password and tells the state. */
async function ask(url: URL, nodeId: string): Promise<string> {
  let body: unknown;
  try {
    const response = await fetch(url, {signal: AbortSignal.timeout(ANSWER_MS)});
    body = await response.json();
  } catch (error) {
    throw noAgent(nodeId, `${url.href} does not answer: ${reasonOf(error)}`);
  }
  if (typeof body === 'object' && body !== null && 'state' in body && typeof body.state === 'string') return body.state;
  throw noAgent(nodeId, `${url.href} is not an agent`);
}

const noAgent = (nodeId: string, reason: string): HaError =>
  new HaError(
    'http.unreachable',
    {url: '', reason},
    {
      message: `the local agent of node ${nodeId} cannot be asked: ${reason}`,
      hint: 'start it with "ha-agent launch", or give the --nodeId and --persistenceDir that it was started with',
    },
  );

// stop: ends the local agent cleanly, and waits until it is gone.
import {parseKept} from '../agent/kept-guardians.ts';
import {readLocalState} from '../agent/local-state.ts';
import {HaError} from '../errors.ts';
import {isAlive, signal} from '../guardian/proc.ts';
import {agentOptions, configOf, print, type Call, type Command} from './command.ts';
import {NOTHING_TO_KEEP_BY} from './keep-service.ts';

export const commands: readonly Command[] = [
  {
    usage: 'stop',
    describe: 'stop the local agent: service stopped, lock released',
    example: ['$0 stop --keepService --persistenceDir /mnt/ha', 'upgrade: the next launch adopts the service'],
    options: {
      ...agentOptions,
      keepService: {
        type: 'boolean',
        describe: 'the guardian keeps the service until the lease ends, for the next launch to adopt',
      },
    },
    run: stop,
  },
];

const LOOK_MS = 50;
/** How long a dismissed guardian may take to end, ms. */
const GUARDIAN_END_MS = 1_500;

async function stop(call: Call): Promise<void> {
  const config = await configOf(call);
  const keep = call.argv['keepService'] === true;
  const agent = await readLocalState(config.stateDir).liveAgent();
  if (!agent) return print(call, {stopped: false}, `no agent of node ${config.nodeId} runs here`);
  if (keep && agent.alone === true) throw nothingToKeepBy(agent.pid);
  if (agent.stopped) signal(agent, 'SIGCONT');
  signal(agent, keep ? 'SIGUSR2' : 'SIGTERM');
  // A store that hangs is waited for until the lease is over; then the agent ends all the same.
  const limitMs = config.timing.leaseTimeoutMs + config.timing.stopTimeoutMs + 5_000;
  for (let waitedMs = 0; isAlive(agent); waitedMs += LOOK_MS) {
    if (waitedMs >= limitMs) {
      const text = {
        message: `process ${agent.pid} has not ended after ${limitMs / 1_000} s`,
        hint: 'see its log for what it waits for',
      };
      throw new HaError('process.stays', {pid: agent.pid, waitedMs}, text);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  if (!keep) return print(call, {stopped: true, pid: agent.pid}, `stopped process ${agent.pid}`);
  const kept = await keepsService(config.stateDir);
  const what = kept ? 'its service is kept for the next launch' : 'it ran no service that could be kept';
  print(call, {stopped: true, pid: agent.pid, kept}, `stopped process ${agent.pid}; ${what}`);
}

const nothingToKeepBy = (pid: number): HaError =>
  new HaError(
    'cluster.refused',
    {what: 'stop', reason: NOTHING_TO_KEEP_BY},
    {
      message: `process ${pid} goes on with its service: ${NOTHING_TO_KEEP_BY}`,
      hint: 'leave out --keepService to stop both; for upgrades without a pause launch with --highAvailability auto',
    },
  );

/** A guardian that has nothing to keep ends with its agent. */
async function keepsService(stateDir: string): Promise<boolean> {
  const [newest] = parseKept(await readLocalState(stateDir).guardian());
  if (!newest) return false;
  for (let waitedMs = 0; waitedMs < GUARDIAN_END_MS; waitedMs += LOOK_MS) {
    if (!isAlive(newest.record.guardian)) return false;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return true;
}

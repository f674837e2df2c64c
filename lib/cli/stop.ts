// stop: ends the local agent cleanly, and waits until it is gone.
import {readLocalState} from '../agent/local-state.ts';
import {HaError} from '../errors.ts';
import {isAlive, signal} from '../guardian/proc.ts';
import {configOf, nodeOptions, print, type Call, type Command} from './command.ts';

export const commands: readonly Command[] = [
  {
    usage: 'stop',
    describe: 'stop the local agent: service stopped, lock released',
    example: ['$0 stop --keepService --persistenceDir /mnt/ha', 'upgrade: the next launch adopts the service'],
    options: {
      ...nodeOptions,
      keepService: {
        type: 'boolean',
        describe: 'the guardian keeps the service until the lease ends, for the next launch to adopt',
      },
    },
    run: stop,
  },
];

const LOOK_MS = 50;

async function stop(call: Call): Promise<void> {
  const config = await configOf(call);
  const keep = call.argv['keepService'] === true;
  const agent = await readLocalState(config.stateDir).liveAgent();
  if (!agent) return print(call, {stopped: false}, `no agent of node ${config.nodeId} runs here`);
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
  print(
    call,
    {stopped: true, pid: agent.pid},
    `stopped process ${agent.pid}${keep ? '; its service is kept for the next launch' : ''}`,
  );
}

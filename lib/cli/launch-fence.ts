// Runs the fence command when the protocol says whom to fence, and gives its success back to it.
import type {Agent} from '../agent/agent.ts';
import type {Config} from '../config/config.ts';
import {createFence} from '../service/fence.ts';
import {scriptRunner} from '../service/script.ts';
import {environmentOf, type Attendants, type AttendantsBench} from './launch-attendants.ts';

/** Closed with the node; costs nothing while no command is configured. */
export function attendFence({config, clock, log, closers}: AttendantsBench, agent: Agent): Attendants {
  const proven = (epoch: Parameters<Parameters<typeof createFence>[3]>[0]): void =>
    agent.input({type: 'proof', proof: {kind: 'fence', epoch}});
  const fence = createFence(config.fence, scriptRunner(log, process.cwd()), log, proven, () => clock.now());
  let waits = config.fence;
  let timer: NodeJS.Timeout | undefined;

  function look(): void {
    const target = agent.fenceTarget(waits);
    if (target) fence.look(target, {...environmentOf(agent.port.status()), HA_FENCE_URI: uriOf(agent, target.owner)});
  }

  function configure(next: Config): void {
    waits = next.fence;
    fence.configure(next.fence);
    clearInterval(timer);
    timer = next.fence.command ? setInterval(look, next.timing.pollIntervalMs) : undefined;
  }

  configure(config);
  closers.push(async () => {
    clearInterval(timer);
    await fence.close();
  });
  return {configure};
}

const uriOf = (agent: Agent, nodeId: string): string =>
  agent.port.status().nodes.find((node) => node.nodeId === nodeId)?.uri ?? '';

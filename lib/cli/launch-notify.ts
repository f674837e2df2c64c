// Keeps systemd informed, where it has started this agent: its state in a sentence, and a sign of life for as long as the loop turns.
import type {AgentPort} from '../agent/status.ts';
import type {Workbench} from './launch-bench.ts';

/** How often the state is looked at although nothing was told of it, ms: a node that waits for its store tells nothing. */
const LOOK_MS = 5_000;

/**
 * The agent is ready when it listens: a store that is not there yet must not hold up the start of the host. An agent whose loop has
 * stopped turning gives no sign of life, whatever else of it still runs.
 */
export function attendSystemd({notifier, closers}: Pick<Workbench, 'notifier' | 'closers'>, port: AgentPort): void {
  if (!notifier.listening) return;
  let told = '';
  let stopping = false;

  function tell(): void {
    const {state, because, shuttingDown} = port.status();
    const text = `${state}: ${because}`;
    if (text !== told) notifier.status(text);
    told = text;
    if (shuttingDown && !stopping) notifier.stopping();
    stopping ||= shuttingDown;
  }

  function tick(): void {
    tell();
    if (notifier.aliveEveryMs !== undefined && port.status().healthy) notifier.alive();
  }

  notifier.ready();
  tick();
  // Each sign of life costs a process: no more of them than are asked for.
  const timer = setInterval(tick, notifier.aliveEveryMs ?? LOOK_MS);
  const unsubscribe = port.subscribe(tell);
  closers.push(async () => {
    clearInterval(timer);
    unsubscribe();
    if (!stopping) notifier.stopping();
    await notifier.flush();
  });
}

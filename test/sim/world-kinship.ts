// How an agent comes by its guardian: by adopting a living one, or by a new one once it is proven what became of the old.
import {connectTo, killGuardianProc, spawnGuardianProc} from './world-guardian.ts';
import {send} from './world-agent.ts';
import {livingRuns} from './service-model.ts';
import type {AgentProc, World} from './world-types.ts';

/** How often a new agent asks the old guardian, ms. */
const ASK_MS = 150;

/** The old guardian is adopted if it lets itself be, and awaited if it is about to end. */
export function seekGuardian(w: World, agent: AgentProc): void {
  const turn = ++agent.seeking;
  const {host} = agent;
  const look = (): void => {
    if (!agent.alive || agent.seeking !== turn || agent.channel) return;
    if (agent.frozen || host.suspended) {
      w.clock.after(ASK_MS, look);
      return;
    }
    const [old] = host.guardians;
    if (old) {
      // One that nobody ever reached knows nothing and runs nothing.
      if (old.state.link.kind === 'awaited' && old.candidate === undefined)
        killGuardianProc(w, old, 'orphaned before it was reached');
      else connectTo(w, old, agent);
      w.clock.after(ASK_MS, look);
      return;
    }
    if (livingRuns(host).length > 0) {
      w.clock.after(ASK_MS, look);
      return;
    }
    prove(w, agent);
    w.clock.after(host.rng.real(20, 150), () => {
      if (!agent.alive || agent.seeking !== turn) return;
      connectTo(w, spawnGuardianProc(w, host), agent);
      // It may die before it has answered.
      w.clock.after(ASK_MS, look);
    });
  };
  w.clock.after(host.rng.real(1, 30), look);
}

/** Local proof: agent, guardian and service of the earlier instances are gone from this host, in this order. */
function prove(w: World, agent: AgentProc): void {
  const {host} = agent;
  for (const earlier of host.instances) {
    if (earlier === agent.instance) continue;
    w.checks.proofGiven(agent);
    send(w, agent, () => ({type: 'proof', proof: {kind: 'local', instanceId: earlier}}));
  }
}

/** (K) The guardian is killed and seen gone, and so is every process of the service. */
export function killOwnGuardian(w: World, agent: AgentProc): void {
  const {host} = agent;
  agent.seeking++;
  agent.channel = undefined;
  w.clock.after(host.rng.real(1, 20), () => {
    for (const guardian of [...host.guardians]) killGuardianProc(w, guardian, 'killed by its agent');
    const look = (): void => {
      if (!agent.alive) return;
      if (livingRuns(host).length > 0) {
        w.clock.after(20, look);
        return;
      }
      w.checks.guardianSeenGone(agent);
      send(w, agent, () => ({type: 'guardianGone', proven: true, because: 'guardian and service are gone'}));
    };
    w.clock.after(host.rng.real(1, 30), look);
  });
}

// What keeps a node from its store at this moment: derived from the state, so that it is never said longer than it is true.
import type {AgentState} from './agent-state.ts';
import {SILENT_POLLS} from './timing.ts';
import {advice} from './trust.ts';

/** @returns a sentence; undefined while the store is fine, as far as this node knows. */
export function obstacleOf(s: AgentState): string | undefined {
  if (s.storeSilent) {
    const then = s.lease.kind === 'owned' ? ': the service is stopped before the lease ends' : '';
    return `the store has not answered for more than ${(SILENT_POLLS * s.self.timing.pollIntervalMs) / 1_000} s${then}`;
  }
  if (s.trust.kind !== 'fine') return advice(s.trust);
  return s.blind ?? (s.lease.kind === 'none' ? undefined : s.renameFault);
}

/** Why the node does what it does: what keeps it from knowing the lock goes before what it makes of what it knew. */
export const becauseNow = (s: AgentState): string => obstacleOf(s) ?? s.because;

/** What a step has brought that is to be said, in order: a decision, and an obstacle that has come, changed or gone. */
export function newsOf(before: AgentState, after: AgentState): readonly string[] {
  const [was, is] = [obstacleOf(before), obstacleOf(after)];
  const news: string[] = [];
  if (after.because !== before.because && after.because !== is) news.push(after.because);
  if (is !== was)
    news.push(is ?? (before.trust.kind === 'fine' ? 'the store answers again' : 'the store is the right one again'));
  return news;
}

// (B) Which store is this? Evidence that it is not the one we knew, and when that is confirmed.
import type {AgentState, Trust} from './agent-state.ts';
import {DOUBT_MS} from './timing.ts';
import {after, type MonoMs} from './words.ts';

/** From the first sight of evidence nothing is claimed; it is confirmed if it still stands after more than 60 s of forced refreshes. */
export function doubt(state: AgentState, reason: string, now: MonoMs): AgentState {
  const {trust} = state;
  if (trust.kind === 'fine') return {...state, trust: {kind: 'doubted', reason, since: now}};
  const confirmed = trust.kind === 'wrong' || now > after(trust.since, DOUBT_MS);
  const next: Trust = {kind: confirmed ? 'wrong' : 'doubted', reason, since: trust.since};
  return {...state, trust: next};
}

/** One well-formed name with an epoch that is not smaller than the known one: the store is right (again). */
export const believe = (state: AgentState): AgentState =>
  state.trust.kind === 'fine' ? state : {...state, trust: {kind: 'fine'}};

export const advice = (trust: Trust): string =>
  trust.kind === 'fine'
    ? ''
    : `this is not the store we knew: ${trust.reason}; ` +
      (trust.kind === 'doubted'
        ? 'looking again before it is believed'
        : 'bring the right one back, or decide with "ha-agent accept"');

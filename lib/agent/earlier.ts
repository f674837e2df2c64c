// What is left on this host of this node's earlier instance, and what that proves (K, "a node that restarts").
import {whatIsLeft, type GuardianRecord} from '../guardian/record.ts';

export type Earlier =
  /** Nothing is known here, or what is known says nothing about this host. */
  | {readonly kind: 'nothing'; readonly because: string}
  /** Its guardian lives: it is taken over, or finishes what it has begun. */
  | {readonly kind: 'guardian'; readonly record: GuardianRecord}
  /** Agent, guardian and service are gone, in this order. */
  | {readonly kind: 'proven'; readonly because: string}
  /** Agent and guardian are gone; only the passive form can tell about the service. */
  | {readonly kind: 'passive'}
  /** Processes of its service are left without a guardian. */
  | {readonly kind: 'left'; readonly pids: readonly number[]};

/** The old agent is dead already: while it lives, stopped or not, this one refuses to start. */
export function lookAtEarlier(record: GuardianRecord | undefined): Earlier {
  if (!record) return {kind: 'nothing', because: 'this host remembers no earlier instance'};
  const left = whatIsLeft(record);
  if (left.kind === 'elsewhere') return {kind: 'nothing', because: left.because};
  if (left.agent === 'alive') return {kind: 'nothing', because: 'the earlier agent lives'};
  if (left.guardian === 'alive') return {kind: 'guardian', record};
  switch (left.service.kind) {
    case 'gone':
      return {kind: 'proven', because: `agent, guardian and service are gone (${left.service.how})`};
    case 'left':
      return {kind: 'left', pids: left.service.pids};
    case 'unknown':
      return record.service === 'ensure' ? {kind: 'passive'} : {kind: 'nothing', because: left.service.because};
    default:
      return left.service satisfies never;
  }
}

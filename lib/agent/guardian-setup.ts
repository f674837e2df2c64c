// What a guardian was told by the agent before, against what this agent would tell it.
import {isDeepStrictEqual} from 'node:util';
import type {GuardianSetup} from '../guardian/wire.ts';

/** @returns the names of the parts that differ and that only a new guardian takes over. */
export function outdatedParts(told: GuardianSetup, wanted: Omit<GuardianSetup, 'marker'>): string[] {
  const parts: readonly (readonly [string, unknown, unknown])[] = [
    ['stopTimeout', told.config.timing.stopTimeoutMs, wanted.config.timing.stopTimeoutMs],
    ['safetyMargin', told.config.timing.safetyMarginMs, wanted.config.timing.safetyMarginMs],
    ['agentLossGrace', told.config.agentLossGraceMs, wanted.config.agentLossGraceMs],
    ['service', told.service, wanted.service],
    ['floating addresses and watchdog', told.around, wanted.around],
    ['working directory', told.cwd, wanted.cwd],
    ['lock directory', told.lockDirectory, wanted.lockDirectory],
  ];
  return parts.filter(([, before, now]) => !isDeepStrictEqual(asSent(before), asSent(now))).map(([name]) => name);
}

/** What came over the channel is JSON: what is undefined is not there. */
function asSent(value: unknown): unknown {
  if (value === undefined) return undefined;
  const sent: unknown = JSON.parse(JSON.stringify(value));
  return sent;
}

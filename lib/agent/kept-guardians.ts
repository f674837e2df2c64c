// The guardians of this node's instances that are not known to be over, as guardian.json keeps them: newest first, each with its instances.
import {isAddresses} from '../guardian/around.ts';
import type {GuardianRecord} from '../guardian/record.ts';
import {isObject} from '../guardian/values.ts';
import {isInstanceId, type InstanceId} from '../protocol/words.ts';

/** A guardian's record, and the instances that it has obeyed. */
export interface KeptGuardian {
  readonly instances: readonly InstanceId[];
  readonly record: GuardianRecord;
}

/** More starts in a row without a lease than any node has: older ones only cost a wait. */
const KEPT_MAX = 20;

/** What `parseKept` reads. */
export const formatKept = ([newest, ...earlier]: readonly KeptGuardian[]): unknown => ({...newest, earlier});

/** @returns none for whatever is not made by `formatKept`; an older program may have written something else. */
export function parseKept(value: unknown): readonly KeptGuardian[] {
  const newest = parseOne(value);
  if (!newest) return [];
  const earlier = isObject(value) && Array.isArray(value['earlier']) ? value['earlier'] : [];
  return [newest, ...earlier.flatMap((each: unknown) => parseOne(each) ?? [])];
}

/** An instance has a guardian, its first one, another one, or the same one with more known of it. */
export function keep(kept: readonly KeptGuardian[], instance: InstanceId, record: GuardianRecord): readonly KeptGuardian[] {
  const same = kept.find((each) => each.record.marker === record.marker);
  const others = kept.filter((each) => each !== same);
  const instances = [...new Set([...(same?.instances ?? []), instance])];
  return [{instances, record}, ...others].slice(0, KEPT_MAX);
}

/** An instance is over only if every guardian that it commanded is. */
export function provenInstances(
  kept: readonly KeptGuardian[],
  isProven: (guardian: KeptGuardian) => boolean,
): readonly InstanceId[] {
  const open = new Set(kept.filter((each) => !isProven(each)).flatMap((each) => each.instances));
  return [...new Set(kept.flatMap((each) => each.instances))].filter((instance) => !open.has(instance));
}

function parseOne(value: unknown): KeptGuardian | undefined {
  if (!isObject(value) || !isObject(value['record']) || !Array.isArray(value['instances'])) return undefined;
  const {record} = value;
  const instances = value['instances'].filter((each): each is InstanceId => typeof each === 'string' && isInstanceId(each));
  return isRecord(record) ? {instances, record} : undefined;
}

const SERVICES: readonly unknown[] = ['none', 'ensure', 'namespace', 'group'];

function isRecord(r: Record<string, unknown>): r is GuardianRecord & Record<string, unknown> {
  const texts = [r['socketPath'], r['token'], r['marker'], r['pidNamespace'], r['machineId']];
  if (r['addresses'] !== undefined && !isAddresses(r['addresses'])) return false;
  if (r['version'] !== 1 || !texts.every((each) => typeof each === 'string') || !SERVICES.includes(r['service'])) return false;
  return isProcess(r['guardian']) && isProcess(r['agent']) && (r['holder'] === undefined || isProcess(r['holder']));
}

const isProcess = (p: unknown): boolean =>
  isObject(p) && typeof p['pid'] === 'number' && typeof p['startTicks'] === 'number' && typeof p['bootId'] === 'string';

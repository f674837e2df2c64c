// Verdicts on time between hosts: these timings, those of the other nodes, how fast their clocks run, how soon changes are seen.
import {rideOutMs, timingFaults, type Timing} from '../protocol/timing.ts';
import type {Outcome} from './calls.ts';
import {rateBetween, type ClockRate} from './clock-rate.ts';
import type {Findings, PartnerFound, Visibility} from './findings.ts';
import {rename} from './store-verdicts.ts';
import {ok, seconds, unsafe, warning, type Check, type Verdict} from './verdict.ts';

export function timingVerdicts(findings: Findings): Verdict[] {
  const {timing, partner} = findings;
  return [
    timings(timing),
    ...otherTimings(findings),
    ...clockRates(findings),
    ...(partner ? partnerVerdicts(partner, timing) : []),
  ];
}

function timings(timing: Timing): Verdict {
  const {leaseTimeoutMs: lease, stopTimeoutMs: stop, safetyMarginMs: margin, heartbeatIntervalMs: beat} = timing;
  const faults = timingFaults(timing);
  if (faults.length > 0) return unsafe('timings', faults.join('; '), 'raise leaseTimeout or lower the others');
  const sum = `S ${seconds(stop)} + d ${seconds(margin)} + 3 * heartbeatInterval ${seconds(beat)} = ${seconds(stop + margin + 3 * beat)} <= T ${seconds(lease)}`;
  return ok('timings', `${sum}; without its store a master rides out T - S - d = ${seconds(rideOutMs(timing))}`);
}

const SAME =
  'give all nodes the same timings: it is safe all the same, because T stands in the lock, but nobody knows what to expect';

function otherTimings({peers, timing, partner, nodeId}: Findings): Verdict[] {
  const found = peers.kind === 'measured' ? peers.value : null;
  const differences: string[] = [];
  const compared: string[] = [];
  for (const node of found?.nodes ?? []) {
    if (!node.alive || node.heartbeatIntervalMs === null) continue;
    compared.push(node.nodeId === nodeId ? `${node.nodeId} (this node's agent)` : node.nodeId);
    if (node.heartbeatIntervalMs !== timing.heartbeatIntervalMs)
      differences.push(
        `heartbeatInterval of ${node.nodeId} is ${seconds(node.heartbeatIntervalMs)}, here ${seconds(timing.heartbeatIntervalMs)}`,
      );
  }
  if (found?.held) {
    const {nodeId: owner, leaseTimeoutMs} = found.held;
    compared.push(`the lock, held by ${owner}`);
    if (leaseTimeoutMs !== timing.leaseTimeoutMs)
      differences.push(
        `leaseTimeout of ${owner}, as in the lock, is ${seconds(leaseTimeoutMs)}, here ${seconds(timing.leaseTimeoutMs)}`,
      );
  }
  if (partner) {
    compared.push(`the doctor on ${partner.host}`);
    differences.push(...differencesOf(timing, partner));
  }
  if (compared.length === 0) return [];
  if (differences.length === 0) return [ok('otherTimings', `the same, as far as they can be seen: ${compared.join(', ')}`)];
  return [warning('otherTimings', differences.join('; '), SAME)];
}

function differencesOf(timing: Timing, {host, timing: theirs}: PartnerFound): string[] {
  return (Object.keys(timing) as (keyof Timing)[])
    .filter((key) => timing[key] !== theirs[key])
    .map((key) => `${key.replace(/Ms$/, '')} on ${host} is ${seconds(theirs[key])}, here ${seconds(timing[key])}`);
}

function clockRates({peers, partner, timing, nodeId}: Findings): Verdict[] {
  const allowed = timing.safetyMarginMs / timing.leaseTimeoutMs;
  const sure = partner?.clock ? [{who: partner.host, rate: partner.clock, certain: true}] : [];
  const nodes = peers.kind === 'measured' && peers.value ? peers.value.nodes : [];
  const seen = nodes.flatMap((node) => {
    const rate = node.alive && node.seen && node.nodeId !== nodeId ? rateBetween(node.seen.first, node.seen.last) : undefined;
    return rate ? [{who: node.nodeId, rate, certain: false}] : [];
  });
  const all = [...sure, ...seen];
  if (all.length === 0) return [];
  const text = all.map(
    ({who, rate}) => `${who} ${percent(rate.deviation)} (± ${percent(rate.uncertainty, false)}, over ${seconds(rate.overMs)})`,
  );
  const reason = `against this host's: ${text.join(', ')}; d in T allows ${percent(allowed, false)}`;
  const remedy =
    'see what clock source that host and this one use and whether time is kept (dmesg, chronyc tracking), or raise safetyMargin';
  const bad = all.filter(({rate}) => surely(rate) > allowed);
  if (bad.some(({certain}) => certain)) return [unsafe('clockRate', reason, remedy)];
  if (bad.length > 0)
    return [
      warning(
        'clockRate',
        `${reason}; a wall clock that was just set looks the same`,
        `measure again, or with --with on that host; ${remedy}`,
      ),
    ];
  const vague = all.filter(({rate}) => rate.uncertainty > allowed).map(({who}) => who);
  return [ok('clockRate', vague.length === 0 ? reason : `${reason}; too short a look to be sure of ${vague.join(', ')}`)];
}

/** What the deviation amounts to at least. */
const surely = (rate: ClockRate): number => Math.max(0, Math.abs(rate.deviation) - rate.uncertainty);

const percent = (part: number, signed = true): string => `${signed && part >= 0 ? '+' : ''}${(part * 100).toFixed(2)} %`;

function partnerVerdicts(partner: PartnerFound, timing: Timing): Verdict[] {
  const again = `start "ha-agent doctor --serve" on ${partner.host} again, and measure again`;
  const {sameStore, race, visibility} = partner;
  const broken = <T>(check: Check, what: string, outcome: Outcome<T>): Verdict[] => {
    if (outcome.kind === 'failed') return [unsafe(check, `${what} could not be tried to its end: ${outcome.reason}`, again)];
    if (outcome.kind === 'silent')
      return [
        unsafe(
          check,
          `${what}: the store does not answer since ${seconds(outcome.waitedMs)}`,
          'see whether the server and the network answer',
        ),
      ];
    return [];
  };
  if (sameStore.kind !== 'measured')
    return deniedOr(sameStore, partner) ?? broken('renameBetweenHosts', 'finding the same directory there', sameStore);
  if (!sameStore.value) {
    const reason = `${partner.host} does not see the directory that was just made here: it is not the same share, or its cache is older than that`;
    return [
      unsafe(
        'renameBetweenHosts',
        reason,
        `mount the same export there and here, and give both doctors its directory; then ${again}`,
      ),
    ];
  }
  return [
    ...(race.kind === 'measured'
      ? [rename('renameBetweenHosts', race.value, `on this host and on ${partner.host}`)]
      : broken('renameBetweenHosts', 'the race of two hosts', race)),
    ...(visibility.kind === 'measured'
      ? [visible(visibility.value, partner, timing)]
      : broken('visibility', 'seeing changes of another host', visibility)),
  ];
}

function deniedOr(outcome: Outcome<boolean>, {host}: PartnerFound): Verdict[] | undefined {
  if (outcome.kind !== 'failed' || !/^(EACCES|EPERM)$/.test(outcome.errno)) return undefined;
  return [
    unsafe(
      'renameBetweenHosts',
      `${host} may not enter what was made here (${outcome.reason}): the agents of all hosts have to be one and the same user for the server, or the store be open to their group`,
      'run all agents, and both doctors, as one user with the same number on every host, or make the store with "ha-agent init --storeGroup" (nfs-setup.md, Permissions)',
    ),
  ];
}

function visible({changes, listedMs, readMs, limitMs}: Visibility, {host}: PartnerFound, timing: Timing): Verdict {
  const late = (ms: number | null): string => (ms === null ? `not within ${seconds(limitMs)}` : `within ${seconds(ms)}`);
  const reason = `of ${changes} changes made by ${host}, a rename was seen in a listing ${late(listedMs)}, a heartbeat in a read ${late(readMs)}`;
  const worst = Math.max(listedMs ?? Infinity, readMs ?? Infinity);
  if (worst <= timing.pollIntervalMs) return ok('visibility', reason);
  return warning(
    'visibility',
    `${reason}: an old listing never costs safety, but a failover takes longer by as much, and nodes may look dead`,
    'see the mount options in force on both hosts: no nocto, no long attribute cache; then measure the other way round too',
  );
}

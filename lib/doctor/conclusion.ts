// All verdicts of a doctor, what it could not look at, and the one sentence at the end: what this deployment promises.
import {kindOfType} from '../agent/mount.ts';
import {takeoverTerms} from '../agent/promise.ts';
import {rideOutMs} from '../protocol/timing.ts';
import type {Findings} from './findings.ts';
import {hostVerdicts} from './host-verdicts.ts';
import {mountVerdicts} from './mount-verdicts.ts';
import {storeVerdicts} from './store-verdicts.ts';
import {timingVerdicts} from './timing-verdicts.ts';
import {CHECKS, seconds, type Check, type Verdict} from './verdict.ts';

export interface Report {
  /** In the order of CHECKS. */
  readonly verdicts: readonly Verdict[];
  /** Sentences. */
  readonly notTried: readonly string[];
  readonly promise: string;
  /** Nothing is unsafe. */
  readonly safe: boolean;
}

export function conclude(findings: Findings): Report {
  const order = Object.keys(CHECKS);
  const verdicts = [
    ...storeVerdicts(findings),
    ...mountVerdicts(findings.mount, findings.timing),
    ...hostVerdicts(findings.host, findings.timing, findings.uid),
    ...timingVerdicts(findings),
  ].sort((a, b) => order.indexOf(a.check) - order.indexOf(b.check));
  const safe = !verdicts.some(({level}) => level === 'unsafe');
  return {verdicts, notTried: notTried(findings, verdicts), promise: promise(findings, verdicts), safe};
}

function notTried({partner, mount}: Findings, verdicts: readonly Verdict[]): string[] {
  const judged = new Set<Check>(verdicts.map(({check}) => check));
  const missing = (['rename', 'fullDirectory', 'latency'] as const)
    .filter((check) => !judged.has(check))
    .map((check) => CHECKS[check]);
  const said: string[] = [];
  if (missing.length > 0) said.push(`${missing.join(', ')}: because of what is unsafe above`);
  const shared = mount === undefined || kindOfType(mount.type) !== 'local';
  if (!partner && shared)
    said.push(
      'rename and visibility between two hosts: start "ha-agent doctor --serve ADDRESS" on another one, and do there what it says',
    );
  if (!judged.has('clockRate') && shared) said.push('clock rate: no other node was seen to live in this store');
  if (mount !== undefined && isNfs(mount.type))
    said.push('whether the server exports with "sync": only its /etc/exports tells; without it the promise does not hold');
  return said;
}

function promise({timing, mount, host, partner}: Findings, verdicts: readonly Verdict[]): string {
  const unsafe = [...new Set(verdicts.filter(({level}) => level === 'unsafe').map(({check}) => CHECKS[check]))];
  if (unsafe.length > 0) return `This deployment promises nothing until what is unsafe has been mended: ${unsafe.join(', ')}.`;
  const warned = (wanted: Check): boolean => verdicts.some(({check, level}) => check === wanted && level === 'warning');
  const limits = host.containment.safe ? '' : ', though not against kill -9 of agent and guardian together';
  const late = warned('visibility')
    ? `, both later by as long as changes made by ${partner?.host ?? 'others'} stay unseen here`
    : '';
  const restart = warned('serverLease') ? ', which a restart of the server may outlast' : '';
  return (
    `This deployment promises at most one active service${whereOf(mount?.type)}${limits}: ${takeoverTerms(timing, ' + start')}${late}; ` +
    `${seconds(rideOutMs(timing))} (T - S - d) without the store are ridden out${restart}.`
  );
}

function whereOf(type: string | undefined): string {
  if (type === undefined) return ' if this file system renames as NFS does';
  if (kindOfType(type) === 'local') return ' among the processes of this host alone';
  return isNfs(type) ? '' : ` if ${type} renames as NFS does`;
}

const isNfs = (type: string): boolean => /^nfs4?$/.test(type);

// The first line that a node prints: who it is, which store, and what these timings promise, as sums whose terms are named.
import type {Config} from '../config/config.ts';
import {describeAddress} from '../guardian/address.ts';
import type {Containment} from '../guardian/containment.ts';
import type {Timing} from '../protocol/timing.ts';
import type {MountKind} from './mount.ts';

/** @param containment undefined where no `exec` service is to be held. */
export function promiseLine(
  config: Config,
  url: string,
  containment: Containment | undefined,
  mount: MountKind | undefined,
): string {
  const where = config.persistenceDir === undefined ? 'no store' : `store ${config.persistenceDir} (app ${config.app})`;
  const parts = [`${config.nodeId}: ${where}, ${url}`];
  if (config.highAvailability === 'disabled')
    parts.push('alone: without a lease nobody else takes over, and nothing keeps another node from running the service too');
  else {
    parts.push(takeoverTerms(config.timing, startTerms(config)));
  }
  parts.push(`service: ${serviceText(config, containment)}`);
  parts.push(...aroundText(config));
  const unsafe = unsafeHere(config, containment, mount);
  if (unsafe.length > 0) parts.push(`not safe here: ${unsafe.join('; ')}`);
  return parts.join(' | ');
}

function startTerms({service, timing}: Config): string {
  if (service.kind === 'none') return '';
  const standby = service.kind === 'exec' && service.standby !== undefined;
  return standby ? ` + ${seconds(timing.stopTimeoutMs)} (stop of standbyExec there, at most S) + start` : ' + start';
}

/** @param start the term for what the service needs to start; empty if there is none. */
export const takeoverTerms = ({leaseTimeoutMs, stopTimeoutMs, pollIntervalMs}: Timing, start: string): string =>
  `another node serves after a silent host within ${seconds(leaseTimeoutMs)} (T)${start}, ` +
  `after a crash of the agent within ${seconds(stopTimeoutMs)} (stop of the service, at most S) + ${seconds(pollIntervalMs)} (notice)${start}`;

function serviceText(config: Config, containment: Containment | undefined): string {
  switch (config.service.kind) {
    case 'none':
      return 'none, this node only elects';
    case 'ensure':
      return 'started, checked and stopped by commands; the success of the passive one is the proof that it does not run';
    case 'systemd':
      return `the unit ${config.service.unit}, started and stopped by systemd on the guardian's word, stopped by systemd when the guardian dies`;
    case 'exec':
      return containment
        ? `contained in a ${containment.kind === 'namespace' ? 'PID namespace' : 'process group'} (${containment.because})`
        : 'contained';
    default:
      return config.service satisfies never;
  }
}

/** With what it does not cover. */
function aroundText({vip, watchdog}: Config): string[] {
  const text: string[] = [];
  if (vip.length > 0)
    text.push(
      `floating address ${vip.map(describeAddress).join(', ')}: up before the service, down before the lease is released, also after ` +
        'kill -9 of agent and guardian; if the process that holds it is killed with them, it stays up until the next launch here',
    );
  if (watchdog.mode !== 'off')
    text.push(
      `watchdog ${watchdog.device} (${watchdog.mode}): resets this host before another node may take over, if the service cannot be ` +
        'stopped or the guardian does not run; kill -9 of the guardian resets it too, unless the service is started again before it fires',
    );
  return text;
}

function unsafeHere(config: Config, containment: Containment | undefined, mount: MountKind | undefined): string[] {
  const unsafe: string[] = [];
  if (containment && !containment.safe) unsafe.push('not safe against kill -9 of agent and guardian together');
  if (mount?.kind === 'local')
    unsafe.push(`${config.persistenceDir ?? ''} is a local file system (${mount.type}): only this host sees it`);
  return unsafe;
}

const seconds = (ms: number): string => `${ms / 1_000} s`;

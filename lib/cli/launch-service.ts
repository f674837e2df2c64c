// The service as guardian and machine take it, from the configuration.
import type {PassiveFacts} from '../agent/ports.ts';
import type {Prelude} from '../agent/prelude.ts';
import type {Config} from '../config/config.ts';
import type {Containment} from '../guardian/containment.ts';
import {dropInOf, environmentFileOf} from '../guardian/unit-gate.ts';
import type {GuardianSetup, ServiceSpec} from '../guardian/wire.ts';
import type {Settings} from '../protocol/agent-state.ts';
import {aroundOf} from './launch-around.ts';

/** @param containment needed for `exec`; `launcher` for the commands of `ensure` and `systemd`. */
export function guardianSetup(
  config: Config,
  prelude: Prelude,
  lockDirectory: string | undefined,
  hold: {readonly containment: Containment | undefined; readonly launcher: readonly string[]},
): Omit<GuardianSetup, 'marker'> {
  const environment = {
    HA_APP: config.app,
    HA_NODE_ID: config.nodeId,
    HA_URI: prelude.uri ?? '',
    HA_PERSISTENCE_DIR: config.persistenceDir ?? '',
  };
  return {
    config: {timing: config.timing, agentLossGraceMs: config.agentLossGraceMs},
    service: specOf(config, hold),
    cwd: process.cwd(),
    environment,
    lockDirectory,
    around: aroundOf(config),
  };
}

/** The `ensure` form of it may change while the guardian lives. */
export function specOf(config: Config, {containment, launcher}: Parameters<typeof guardianSetup>[3]): ServiceSpec {
  const {service} = config;
  switch (service.kind) {
    case 'none':
      return {kind: 'none'};
    case 'exec':
      if (!containment) throw new Error('an exec service needs a containment');
      return {kind: 'exec', command: service.command, containment, standby: service.standby};
    case 'ensure': {
      const {active, passive, monitorIntervalMs, commandTimeoutMs: timeoutMs, attempts, backoffMs} = service;
      // As long as a service of any other kind has to be ready before its failures are forgiven.
      const steadyMs = config.timing.leaseTimeoutMs;
      return {kind: 'ensure', active, passive, launcher, monitorIntervalMs, timeoutMs, attempts, backoffMs, steadyMs};
    }
    case 'systemd': {
      const {unit, monitorIntervalMs} = service;
      const environmentFile = environmentFileOf(config.app, unit);
      return {kind: 'systemd', unit, environmentFile, dropIn: dropInOf(unit), launcher, monitorIntervalMs};
    }
    default:
      return service satisfies never;
  }
}

/** How often it is looked whether a standby process runs, ms: that costs two short messages. */
const STANDBY_LOOK_MS = 1_000;

/** The passive form of the service; undefined: it has none. */
export function passiveOf({service}: Config): PassiveFacts | undefined {
  if (service.kind === 'none') return undefined;
  if (service.kind === 'exec') return service.standby && {everyMs: STANDBY_LOOK_MS, proves: false};
  return {everyMs: service.monitorIntervalMs, proves: true};
}

/** The checks of the service where it runs, and those of the node, whoever is master. */
export const checksOf = ({health}: Config): {readonly service: Config['health']; readonly node: Config['health']} => ({
  service: health.filter(({on}) => on === 'active'),
  node: health.filter(({on}) => on !== 'active'),
});

/** What the machine needs; `ensure` counts its attempts in the guardian, so that one failed run is the whole of them. */
export function settingsOf(config: Config): Settings {
  const {service, highAvailability, priority} = config;
  const {backoffMs, startTimeoutMs, coolDownMs} = service;
  const shared = {mode: highAvailability, priority, backoffMs, coolDownMs};
  if (service.kind !== 'ensure') {
    // A start begins with the end of what stands by.
    const standbyMs = service.kind === 'exec' && service.standby ? config.timing.stopTimeoutMs : 0;
    return {...shared, attempts: service.attempts, startTimeoutMs: startTimeoutMs + standbyMs};
  }
  const wholeStartMs = service.attempts * (service.commandTimeoutMs + backoffMs) + startTimeoutMs;
  return {...shared, attempts: 1, startTimeoutMs: wholeStartMs};
}

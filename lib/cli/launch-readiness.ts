// Readiness of the service, from the configuration's checks.
import type {Readiness} from '../agent/ports.ts';
import type {Config} from '../config/config.ts';
import {createReadiness} from '../service/checks.ts';

/** With no checks a service is ready as soon as it is started. */
export const readinessFor = (config: Config): Readiness => createReadiness(config.health);

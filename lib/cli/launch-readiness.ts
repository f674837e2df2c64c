// Readiness of the service, from the configuration's checks, which may change while the service runs.
import type {Readiness} from '../agent/ports.ts';
import type {Config} from '../config/config.ts';
import {createReadiness} from '../service/checks.ts';

export interface LiveReadiness extends Readiness {
  /** A run that is being checked goes on with the new checks. */
  configure(config: Config): void;
}

/** With no checks a service is ready as soon as it is started. */
export function createLiveReadiness(config: Config): LiveReadiness {
  let readiness = createReadiness(config.health);
  let current: Parameters<Readiness['start']> | undefined;
  return {
    start(...run) {
      current = run;
      readiness.start(...run);
    },
    stop() {
      current = undefined;
      readiness.stop();
    },
    configure(next) {
      readiness.stop();
      readiness = createReadiness(next.health);
      if (current) readiness.start(...current);
    },
  };
}

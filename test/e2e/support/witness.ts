// The service of the end-to-end tests, in its forms, and what its log proves: an overlap of two runs is the failure.
import {join} from 'node:path';
import {repoRoot} from '../../support/paths.ts';

export const WITNESS = join(repoRoot, 'test/fixtures/witness.mjs');

/** Where the service of one node lives. */
export interface ServicePlace {
  readonly nodeId: string;
  /** What all witnesses of this host append to. */
  readonly logFile: string;
  /** Where this node's service serves, on loopback. */
  readonly port: number;
}

/** How a node is told what to run. */
export interface Service {
  /** What follows `--`. */
  readonly command?: readonly string[];
  /** Keys of the config file. */
  readonly config?: Readonly<Record<string, unknown>>;
}

export type ServiceOf = (place: ServicePlace) => Service;

/**
 * - `--ignore-term`: only SIGKILL ends it.
 * - `--escape`: it leaves a grandchild in a session of its own, with an empty environment, that ignores SIGTERM and goes on bearing witness.
 * - `--mute`: it never serves, so it never becomes ready.
 * - `--crash=MS`: it ends with status 7 after so long.
 * - `--print=MIB`: it prints so much as fast as it is read.
 */
export type WitnessMode = '--ignore-term' | '--escape' | '--mute' | `--crash=${number}` | `--print=${number}`;

/** An `exec` service that is ready when it serves. */
export const witness =
  (...modes: readonly WitnessMode[]): ServiceOf =>
  (place) => ({command: commandOf(place, [], modes), config: {health: [healthOf(place)]}});

/** An `exec` service that publishes where it serves. */
export const published: ServiceOf = (place) => {
  const {config, ...rest} = witness()(place);
  return {...rest, config: {...config, service: {uri: `http://127.0.0.1:${place.port}`}}};
};

/** An `ensure` service: `active` starts it in the background (2) or finds it running (0), `passive` ends it. */
export const ensuredWitness =
  (...modes: readonly WitnessMode[]): ServiceOf =>
  (place) => ({
    config: {
      service: {
        active: commandOf(place, ['active'], modes),
        passive: commandOf(place, ['passive'], modes),
        monitorInterval: '300ms',
        backoff: '100ms',
        commandTimeout: '10s',
      },
      health: [healthOf(place)],
    },
  });

function commandOf({nodeId, logFile, port}: ServicePlace, verb: readonly string[], modes: readonly string[]): string[] {
  return [process.execPath, WITNESS, ...verb, `--log=${logFile}`, `--node=${nodeId}`, `--port=${port}`, ...modes];
}

const healthOf = ({port}: ServicePlace): object => ({
  http: `http://127.0.0.1:${port}/`,
  period: '200ms',
  timeout: '2s',
  failures: 5,
});

// Everything a doctor has found out, as plain data: verdicts are functions of it alone.
import type {Mount} from '../agent/mount.ts';
import type {Need} from '../guardian/address-needs.ts';
import type {Containment} from '../guardian/containment.ts';
import type {WatchdogLook, WatchdogSpec} from '../guardian/watchdog-device.ts';
import type {Timing} from '../protocol/timing.ts';
import type {FullDirectory, Latencies, Outcome, Peers, Place, RivalTally} from './calls.ts';
import type {ClockRate} from './clock-rate.ts';

export interface Findings {
  readonly persistenceDir: string;
  readonly app: string;
  readonly nodeId: string;
  readonly uid: number;
  readonly timing: Timing;
  readonly place: Outcome<Place>;
  /** Whether a private directory could be made. */
  readonly workplace: Outcome<unknown>;
  /** Undefined where /proc does not say. */
  readonly mount: MountFound | undefined;
  readonly rivals: Outcome<RivalTally>;
  readonly fullDirectory: Outcome<FullDirectory>;
  readonly latency: Outcome<Latencies>;
  /** Not tried where there is no store yet. */
  readonly peers: Outcome<Peers | null>;
  readonly host: HostFound;
  /** Undefined: nobody was asked. */
  readonly partner: PartnerFound | undefined;
}

export interface MountFound extends Mount {
  /** The lease time that the server told this client, ms; only of version 4. */
  readonly serverLeaseMs: number | undefined;
  /** Other mount points of the same source, whose options may be the ones in force. */
  readonly twins: readonly string[];
}

export interface HostFound {
  readonly containment: Containment;
  /** By how much a process that has just started reads the suspend-aware clock differently, ms; undefined if none could be asked. */
  readonly clockDifferenceMs: number | undefined;
  /** By how much a timer of this process came late at most, ms. */
  readonly latenessMs: number;
  readonly stateDir: StateDirFound;
  readonly watchdogs: readonly {readonly device: string; readonly usable: boolean}[];
  /** The one that is configured; undefined where none is. */
  readonly watchdog: {readonly device: string; readonly mode: WatchdogSpec['mode']; readonly look: WatchdogLook} | undefined;
  /** The floating addresses that are configured, and what they lack here; undefined where there are none. */
  readonly vip: {readonly addresses: string; readonly needs: readonly Need[]} | undefined;
}

export interface StateDirFound {
  readonly path: string;
  /** The nearest directory above it that exists, itself if it does. */
  readonly existing: string;
  /** Taken for granted where it is not local. */
  readonly writable: boolean;
  readonly mountType: string | undefined;
}

/** What the doctor on another host contributed. */
export interface PartnerFound {
  readonly url: string;
  readonly host: string;
  readonly nodeId: string;
  readonly timing: Timing;
  /** Whether it saw the private directory through its own mount. */
  readonly sameStore: Outcome<boolean>;
  readonly race: Outcome<RivalTally>;
  readonly visibility: Outcome<Visibility>;
  readonly clock: ClockRate | undefined;
}

export interface Visibility {
  readonly changes: number;
  /** Longest times until a change was seen, ms; null: one of them was not seen within `limitMs`. */
  readonly listedMs: number | null;
  readonly readMs: number | null;
  readonly limitMs: number;
}

// Where requests should go, by what was seen last and how long ago: to the present master, to the waiting room, or nowhere.
import {parseServiceUri, type ServiceAddress} from '../config/service-uri.ts';

export interface SeenNode {
  readonly nodeId: string;
  /** One of the seven states. */
  readonly state: string;
  readonly alive: boolean;
  readonly eligible: boolean;
  /** The agent's URL. */
  readonly uri: string | undefined;
  readonly serviceUri: string | undefined;
}

/** The cluster at one moment. */
export interface Sighting {
  readonly nodes: readonly SeenNode[];
  /** Who holds a lease that is being renewed, and has a service that is ready. */
  readonly masterId: string | undefined;
  readonly epoch: number;
  readonly leaseTimeoutMs: number;
}

interface Known {
  readonly nodes: readonly SeenNode[];
  /** Nothing can be seen at present: no change would be noticed. */
  readonly blind: boolean;
  readonly epoch: number;
  readonly because: string;
}

export type Situation =
  | (Known & {readonly kind: 'master'; readonly masterId: string; readonly address: ServiceAddress})
  /** The master has gone a moment ago, and another node can take over. */
  | (Known & {readonly kind: 'changing'})
  | (Known & {readonly kind: 'nobody'});

export interface Tracker {
  see(sighting: Sighting): void;
  /** Whether the source sees nothing now. */
  setBlind(blind: boolean): void;
  situation(): Situation;
  /** @returns the function that unsubscribes. */
  onChange(listener: (situation: Situation) => void): () => void;
  close(): void;
}

export interface TrackerOptions {
  /** For how long after the end of a master the next one is waited for, ms; 0: not at all. */
  readonly holdMs: number;
  /** After this long without a first sighting that is told, ms. */
  readonly patienceMs: number;
  /** A clock that counts suspends, ms. */
  readonly now: () => number;
}

/** Follows one sighting after another; what nobody has confirmed for a whole lease is not believed any longer. */
export function createTracker({holdMs, patienceMs, now}: TrackerOptions): Tracker {
  const listeners = new Set<(situation: Situation) => void>();
  let seen: {readonly sighting: Sighting; readonly at: number} | undefined;
  let masterAt: number | undefined;
  let blind = false;
  let told = '';
  // Whoever follows the cluster keeps the process alive, not the clock.
  let timer = setTimeout(tell, patienceMs).unref();

  function situation(): Situation {
    const at = now();
    if (!seen) return {kind: 'nobody', nodes: [], epoch: 0, blind, because: NOTHING_YET};
    const sinceMasterMs = masterAt === undefined ? Infinity : at - masterAt;
    return judge(seen.sighting, {ageMs: at - seen.at, sinceMasterMs, holdMs, blind});
  }

  function tell(): void {
    const next = situation();
    const words = JSON.stringify(next);
    schedule(next);
    if (words === told) return;
    told = words;
    for (const listener of listeners) listener(next);
  }

  /** Time alone may end what holds now. */
  function schedule({kind}: Situation): void {
    clearTimeout(timer);
    if (!seen || kind === 'nobody') return;
    const ends = [seen.at + seen.sighting.leaseTimeoutMs];
    if (kind === 'changing' && masterAt !== undefined) ends.push(masterAt + holdMs);
    timer = setTimeout(tell, Math.max(1, Math.min(...ends) - now() + 1)).unref();
  }

  return {
    see(sighting) {
      const at = now();
      seen = {sighting, at};
      if (sighting.masterId !== undefined) masterAt = at;
      tell();
    },
    setBlind(next) {
      if (blind === next) return;
      blind = next;
      if (seen) tell();
    },
    situation,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      clearTimeout(timer);
      listeners.clear();
    },
  };
}

const NOTHING_YET = 'nothing has been seen of the cluster yet';

interface Circumstances {
  readonly ageMs: number;
  readonly sinceMasterMs: number;
  readonly holdMs: number;
  readonly blind: boolean;
}

function judge(sighting: Sighting, {ageMs, sinceMasterMs, holdMs, blind}: Circumstances): Situation {
  const {nodes, masterId, epoch, leaseTimeoutMs} = sighting;
  const known = {nodes, epoch, blind};
  if (ageMs >= leaseTimeoutMs) {
    const because = `nothing has been seen of the cluster for ${leaseTimeoutMs / 1_000} s, in which any lease has ended`;
    return {...known, kind: 'nobody', because};
  }
  if (masterId !== undefined) {
    const uri = nodes.find((node) => node.nodeId === masterId)?.serviceUri;
    const address = uri === undefined ? undefined : parseServiceUri(uri);
    if (address) return {...known, kind: 'master', masterId, address, because: `${masterId} is master under epoch ${epoch}`};
    const lack =
      uri === undefined ? 'does not say where its service answers: give it --serviceUri' : 'has an unusable service.uri';
    return {...known, kind: 'nobody', because: `${masterId} is master and ${lack}`};
  }
  if (!nodes.some(({alive, eligible}) => alive && eligible)) {
    return {...known, kind: 'nobody', because: 'nobody is master, and no node that could be is alive'};
  }
  if (!blind && sinceMasterMs < holdMs)
    return {...known, kind: 'changing', because: 'the master has gone: the next one is waited for'};
  return {...known, kind: 'nobody', because: 'nobody is master'};
}

// The cluster as its nodes tell it over HTTP: each is asked in turn, and its events say when to ask again.
import {readFile} from 'node:fs/promises';
import {createHintChannel} from '../client/hint-channel.ts';
import {reasonOf} from '../errors.ts';
import {compareNatural} from '../protocol/election.ts';
import {fetchView, type NodeView} from './node-view.ts';
import {createPacer, type Pacer} from './pacer.ts';
import type {SeenNode, Sighting} from './situation.ts';
import type {Source, SourceListener} from './source.ts';

export interface NodesSourceOptions extends SourceListener {
  /** Where to begin; the nodes name each other. */
  readonly urls: readonly string[];
  readonly pollIntervalMs: number;
  /** A file with the authorities of the nodes' certificates, PEM. */
  readonly tlsCa: string | undefined;
  /** A clock that counts suspends, ms. */
  readonly now: () => number;
  readonly signal: AbortSignal;
}

/** What a node said, and when it was asked. */
export interface Told {
  readonly view: NodeView;
  readonly at: number;
}

const NODES_MAX = 64;
/** What a node said counts for so many polls. */
const FRESH_POLLS = 3;
const ANSWER_MS = 2_000;

/** Asks each of them in its own pace: one that does not answer holds nobody up. */
export function followNodes(options: NodesSourceOptions): Source {
  const {urls, pollIntervalMs, onSighting, onFault, now, signal} = options;
  const pacers = new Map<string, Pacer>();
  const told = new Map<string, Told>();
  const faults = new Map<string, string>();

  const follows = (): boolean => !signal.aborted;
  const hurry = (): void => pacers.forEach((pacer) => pacer.hurry());

  function follow(url: string): void {
    if (pacers.has(url) || pacers.size >= NODES_MAX || signal.aborted) return;
    const pacer = createPacer(pollIntervalMs, signal);
    pacers.set(url, pacer);
    createHintChannel({onHint: hurry, signal}).follow(url);
    void askAgain(url, pacer);
  }

  async function askAgain(url: string, pacer: Pacer): Promise<void> {
    while (follows()) {
      const at = now();
      try {
        const ca = options.tlsCa === undefined ? undefined : await readFile(options.tlsCa);
        told.set(url, {view: await fetchView(url, {ca, timeoutMs: ANSWER_MS, signal}), at});
        faults.delete(url);
        if (follows()) tell();
      } catch (error) {
        faults.set(url, `${url}: ${reasonOf(error)}`);
        if (follows() && faults.size === pacers.size) onFault(`no node answers: ${[...faults.values()].join('; ')}`);
      }
      await pacer.pause();
    }
  }

  /** A node has answered. */
  function tell(): void {
    onFault(undefined);
    const freshMs = FRESH_POLLS * Math.max(pollIntervalMs, ANSWER_MS);
    const fresh = [...told.values()].filter(({at}) => now() - at < freshMs);
    const sighting = merge(fresh, now());
    onSighting(sighting);
    for (const {uri} of sighting.nodes) if (uri !== undefined) follow(new URL(uri).href);
  }

  for (const url of urls) follow(new URL(url).href);
  return {hurry};
}

/** A node knows best what it is itself, while nobody knows of a later epoch; of one that does not answer, the others' word counts. */
export function merge(told: readonly Told[], now: number): Sighting {
  const newest = [...told].sort((a, b) => b.view.epoch - a.view.epoch || b.at - a.at);
  const own = new Map(newest.map(({view}) => [view.ownId, view]));
  const epoch = newest[0]?.view.epoch ?? 0;
  const current = newest.filter(({view}) => view.epoch === epoch);
  const holder = current.find(
    ({view, at}) => view.state === 'MASTER' && (view.leaseLeftMs === null || at + view.leaseLeftMs > now),
  );
  const heard = current.find(({view: {masterId, nodes}}) => {
    const silent = masterId !== null && !own.has(masterId);
    return silent && nodes.some(({nodeId, state}) => nodeId === masterId && state === 'MASTER');
  });
  const ids = [...new Set(newest.flatMap(({view}) => view.nodes.map(({nodeId}) => nodeId)))].sort(compareNatural);
  return {
    nodes: ids.flatMap((id) => nodeOf(id, own, newest) ?? []),
    masterId: holder?.view.ownId ?? heard?.view.masterId ?? undefined,
    epoch,
    leaseTimeoutMs: Math.max(0, ...newest.map(({view}) => view.leaseTimeoutMs)),
  };
}

function nodeOf(id: string, own: ReadonlyMap<string, NodeView>, newest: readonly Told[]): SeenNode | undefined {
  const teller = own.get(id) ?? newest.find(({view}) => view.nodes.some(({nodeId}) => nodeId === id))?.view;
  return teller?.nodes.find(({nodeId}) => nodeId === id);
}

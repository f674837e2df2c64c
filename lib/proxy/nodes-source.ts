// The cluster as its nodes tell it over HTTP: each is asked in turn, and its events say when to ask again.
import {readFile} from 'node:fs/promises';
import {askNode, type ClusterReport, type ReportedNode} from '../client/cluster-report.ts';
import {createHintChannel} from '../client/hint-channel.ts';
import {judge, type Answer} from '../client/present-master.ts';
import {reasonOf} from '../errors.ts';
import {compareNatural} from '../protocol/election.ts';
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

const NODES_MAX = 64;
/** What a node said counts for so many polls. */
const FRESH_POLLS = 3;
const ANSWER_MS = 2_000;

/** Asks each of them in its own pace: one that does not answer holds nobody up. */
export function followNodes(options: NodesSourceOptions): Source {
  const {urls, pollIntervalMs, onSighting, onFault, now, signal} = options;
  const pacers = new Map<string, Pacer>();
  const told = new Map<string, Answer>();
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
      const askedAt = now();
      try {
        const ca = options.tlsCa === undefined ? undefined : await readFile(options.tlsCa);
        // Without a password: what the events begin with is for everybody.
        const report = await askNode(url, {authorization: undefined, ca, timeoutMs: ANSWER_MS, signal});
        told.set(url, {url, report, askedAt});
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
    const fresh = [...told.values()].filter(({askedAt}) => now() - askedAt < freshMs);
    const sighting = merge(fresh, now());
    onSighting(sighting);
    for (const {uri} of sighting.nodes) if (uri !== undefined) follow(new URL(uri).href);
  }

  for (const url of urls) follow(new URL(url).href);
  return {hurry};
}

/** Each node in its own words where it answers, and in those of whoever knows of the latest epoch where it does not. */
export function merge(answers: readonly Answer[], now: number): Sighting {
  const newest = [...answers].sort((a, b) => b.report.epoch - a.report.epoch || b.askedAt - a.askedAt).map(({report}) => report);
  const ids = [...new Set(newest.flatMap(({nodes}) => nodes.map(({nodeId}) => nodeId)))].sort(compareNatural);
  const {epoch, master} = judge(answers, 0, now);
  return {
    nodes: ids.flatMap((id) => nodeOf(id, newest) ?? []),
    masterId: master?.nodeId,
    epoch,
    leaseTimeoutMs: Math.max(0, ...newest.map(({leaseTimeoutMs}) => leaseTimeoutMs)),
  };
}

function nodeOf(id: string, newest: readonly ClusterReport[]): SeenNode | undefined {
  const knows = ({nodes}: ClusterReport): boolean => nodes.some(({nodeId}) => nodeId === id);
  const teller = newest.find(({ownId}) => ownId === id) ?? newest.find(knows);
  const node = teller?.nodes.find(({nodeId}) => nodeId === id);
  return node && seenNode(node);
}

const GONE: readonly string[] = ['FAILED', 'TERMINATED'];

function seenNode({nodeId, state, eligible, uri, serviceUri}: ReportedNode): SeenNode {
  const alive = !GONE.includes(state);
  return {nodeId, state, alive, eligible: eligible && alive, uri, serviceUri};
}

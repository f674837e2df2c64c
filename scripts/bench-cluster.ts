// The cluster of a benchmark: nodes on one store in a temporary directory, each with the service that writes down when it was active.
import {spawn} from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {initStore} from '../lib/store/birth.ts';
import {storePaths} from '../lib/store/paths.ts';
import {get} from './bench-http.ts';
import {endNode, lastWords, liveAgent, plainEnvironment} from './cluster-node.ts';
import {AGENT, freePorts, ROOT, urlsOf, type NodePlace} from './cluster-places.ts';

export const SERVICE = path.join(ROOT, 'scripts', 'bench-service.mjs');
/** Somewhere in here, so that benchmarks at the same time do not take the ports of each other's nodes that are being restarted. */
const FIRST_PORT = 10_000;
const PORTS = 20_000;
const LOOK_MS = 25;
/** A node that has not come up by then never will, ms. */
const SETTLE_LIMIT_MS = 120_000;

export interface BenchNode extends NodePlace {
  readonly url: string;
  readonly serviceUrl: string;
}

export interface BenchCluster {
  readonly directory: string;
  readonly store: string;
  /** What the services write. */
  readonly witness: string;
  readonly nodes: readonly BenchNode[];
  /** Options of `launch` beside those of the places. */
  readonly options: readonly string[];
}

/** Makes store and nodes, and starts them. @param options timings, for example. */
export async function openCluster(count: number, options: readonly string[]): Promise<BenchCluster> {
  const directory = await fs.mkdtemp(path.join(os.tmpdir(), 'ha-agent-bench-'));
  const ports = await freePorts(randomPort(), count);
  const store = path.join(directory, 'store');
  const nodes = Array.from({length: count}, (_, index) => {
    return nodePlace(directory, `n${index + 1}`, ports[index] ?? 0);
  });
  const cluster = {directory, store, witness: path.join(directory, 'witness.log'), nodes, options};
  await fs.mkdir(store);
  await initStore(storePaths(store, 'default'));
  for (const node of nodes) await fs.mkdir(node.folder);
  for (const node of nodes) await launch(cluster, node);
  return cluster;
}

export const randomPort = (): number => FIRST_PORT + Math.floor(PORTS * Math.random());

function nodePlace(directory: string, nodeId: string, port: number): BenchNode {
  const folder = path.join(directory, nodeId);
  return {
    nodeId,
    folder,
    stateDir: path.join(folder, 'state'),
    pidFile: path.join(folder, 'pid.txt'),
    configFile: path.join(folder, 'ha-agent.yaml'),
    logFile: path.join(folder, 'agent.log'),
    ...urlsOf(port),
  };
}

export async function launch(cluster: BenchCluster, node: BenchNode): Promise<void> {
  const port = (url: string): string => new URL(url).port;
  const config = {health: [{http: `${node.serviceUrl}health`}]};
  await fs.writeFile(node.configFile, JSON.stringify(config));
  const own = ['--config', node.configFile, '--nodeId', node.nodeId, '--persistenceDir', cluster.store];
  const local = ['--stateDir', node.stateDir, '--pidFile', node.pidFile, '--port', port(node.url)];
  const service = [process.execPath, SERVICE, '--log', cluster.witness, '--node', node.nodeId, '--port', port(node.serviceUrl)];
  const log = await fs.open(node.logFile, 'a');
  try {
    const words = [AGENT, 'launch', ...own, ...local, ...cluster.options, '--', ...service];
    const child = spawn(process.execPath, words, {env: plainEnvironment(), stdio: ['ignore', log.fd, log.fd], detached: true});
    child.once('error', (error) => process.stderr.write(`${node.nodeId}: ${error.message}\n`));
    child.unref();
  } finally {
    await log.close();
  }
}

/**
 * Waits until one node is MASTER and all others stand by and have listened for long enough to take over.
 * @returns the master. @throws when `signal` fires, or with the last words of a node that does not come.
 */
export async function settle(cluster: BenchCluster, signal: AbortSignal): Promise<BenchNode> {
  const endAt = performance.now() + SETTLE_LIMIT_MS;
  for (;;) {
    signal.throwIfAborted();
    const roles = await Promise.all(cluster.nodes.map(roleOf));
    const masters = cluster.nodes.filter((_, index) => roles[index] === 'master');
    const [master] = masters;
    if (master && masters.length === 1 && roles.every((role) => role !== undefined)) return master;
    if (performance.now() > endAt) {
      const missing = cluster.nodes.find((_, index) => roles[index] === undefined) ?? cluster.nodes[0];
      throw new Error(`the cluster does not settle: ${missing ? `${missing.nodeId}: ${await lastWords(missing)}` : ''}`);
    }
    await sleep(LOOK_MS, undefined, {signal});
  }
}

/** @returns undefined for a node that is not there, or not yet able to take over. */
async function roleOf(node: BenchNode): Promise<'master' | 'standby' | undefined> {
  const master = await get(`${node.url}master`);
  if (master?.status === 200) return 'master';
  const standby = await get(`${node.url}standby`);
  if (standby?.status !== 200) return undefined;
  const {phase} = JSON.parse(standby.text) as {readonly phase?: unknown};
  return phase === 'standby' ? 'standby' : undefined;
}

/** @throws if its agent does not live. */
export async function agentPid(node: BenchNode): Promise<number> {
  const agent = await liveAgent(node);
  if (!agent) throw new Error(`${node.nodeId} does not live: ${await lastWords(node)}`);
  return agent.pid;
}

/** Ends every node and removes everything. @returns processes that could not be ended. */
export async function closeCluster(cluster: BenchCluster, hurry: AbortSignal): Promise<readonly number[]> {
  const reports = await Promise.all(cluster.nodes.map((node) => endNode(node, hurry)));
  await fs.rm(cluster.directory, {recursive: true, force: true});
  return reports.flatMap(({left}) => left);
}

// Where everything of `npm start` lies: three nodes below one folder, each with its ports, its files and the lines that are shown for it.
import fs from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';

const BUILD = path.resolve(import.meta.dirname, '..');
export const ROOT = path.resolve(BUILD, '..');
const SERVER = path.join(ROOT, 'examples', 'http-service', 'server.mjs');
/** The command line of this build. */
export const AGENT = path.join(BUILD, 'lib', 'cli', 'main.cjs');

const NODE_IDS = ['n1', 'n2', 'n3'] as const;
/** From here on free ports are looked for: below the range that the kernel gives to outgoing connections. */
const FIRST_PORT = 8081;
const PORT_MAX = 32_000;
/** A service's port lies this far above its agent's. The agent always listens, so it keeps the port of a standby's service free, too. */
const SERVICE_OFFSET = 100;

export interface NodePlace {
  readonly nodeId: string;
  readonly folder: string;
  readonly stateDir: string;
  readonly pidFile: string;
  readonly configFile: string;
  readonly logFile: string;
}

/** A node with the ports that it has for the whole life of one `npm start`. */
export interface NodeSpot extends NodePlace {
  readonly url: string;
  readonly serviceUrl: string;
}

export interface ClusterPlace {
  readonly directory: string;
  readonly store: string;
  /** pid.txt of `npm start` itself. */
  readonly pidFile: string;
  /** What a second `npm start` shows of the first. */
  readonly spotsFile: string;
  readonly nodes: readonly NodePlace[];
}

/** @param directory undefined for `.cluster` in the project. */
export function clusterPlace(directory: string | undefined): ClusterPlace {
  const base = path.resolve(directory ?? path.join(ROOT, '.cluster'));
  return {
    directory: base,
    store: path.join(base, 'store'),
    pidFile: path.join(base, 'pid.txt'),
    spotsFile: path.join(base, 'nodes.json'),
    nodes: NODE_IDS.map((nodeId) => {
      const folder = path.join(base, nodeId);
      return {
        nodeId,
        folder,
        stateDir: path.join(folder, 'state'),
        pidFile: path.join(folder, 'pid.txt'),
        configFile: path.join(folder, 'ha-agent.yaml'),
        logFile: path.join(folder, 'agent.log'),
      };
    }),
  };
}

/** Finds free ports, and writes each node's config file. */
export async function furnish(place: ClusterPlace): Promise<readonly NodeSpot[]> {
  const ports = await freePorts(FIRST_PORT, place.nodes.length);
  const spots = place.nodes.map((node, index) => ({...node, ...urlsOf(ports[index] ?? 0)}));
  for (const spot of spots) {
    await fs.mkdir(spot.folder, {recursive: true});
    await fs.writeFile(spot.configFile, configOf(place, spot));
  }
  await fs.writeFile(place.spotsFile, JSON.stringify(spots, undefined, 2));
  return spots;
}

/** What the first `npm start` wrote; undefined if it has not come so far. */
export async function readSpots(place: ClusterPlace): Promise<readonly NodeSpot[] | undefined> {
  const text = await fs.readFile(place.spotsFile, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as readonly NodeSpot[]);
}

export const killLine = (node: NodePlace): string => `kill -9 $(cat ${quote(node.pidFile)})`;

/** What `npm start` runs too; in another terminal it stays in the foreground. */
export const launchLine = (node: NodePlace): string =>
  ['node', AGENT, 'launch', '--config', node.configFile].map(quote).join(' ');

export const statusLine = (place: ClusterPlace): string =>
  ['node', AGENT, 'status', '--persistenceDir', place.store].map(quote).join(' ');

const quote = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

function configOf(place: ClusterPlace, {nodeId, url, serviceUrl}: NodeSpot): string {
  const command = [process.execPath, SERVER, '--port', new URL(serviceUrl).port];
  return `# Written by npm start. The timings are the defaults: 30 s until a silent host is replaced.
nodeId: ${nodeId}
persistenceDir: ${JSON.stringify(place.store)}
stateDir: ./state
pidFile: ./pid.txt
port: ${new URL(url).port}
service:
  command: ${JSON.stringify(command)}
  uri: ${serviceUrl}
health:
  - http: ${serviceUrl}health
    period: 1s
    timeout: 1s
`;
}

/** @param port one of `freePorts`. */
export const urlsOf = (port: number): Pick<NodeSpot, 'url' | 'serviceUrl'> => ({
  url: `http://127.0.0.1:${port}/`,
  serviceUrl: `http://127.0.0.1:${port + SERVICE_OFFSET}/`,
});

/** Ports for agents, each with a free one for its service; all are held until all are found, so that none is counted twice. */
export async function freePorts(first: number, count: number): Promise<readonly number[]> {
  const held: net.Server[] = [];
  const ports: number[] = [];
  try {
    for (let port = first; ports.length < count; port++) {
      if (port > PORT_MAX) throw new Error(`no ${count} free ports between ${first} and ${PORT_MAX}`);
      const pair = await Promise.all([listen(port), listen(port + SERVICE_OFFSET)]);
      const servers = pair.filter((server) => server !== undefined);
      held.push(...servers);
      if (servers.length === pair.length) ports.push(port);
    }
    return ports;
  } finally {
    for (const server of held) await new Promise((resolve) => server.close(resolve));
  }
}

function listen(port: number): Promise<net.Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(undefined);
      else reject(error);
    });
    server.listen({port, host: '127.0.0.1', exclusive: true}, () => resolve(server));
  });
}

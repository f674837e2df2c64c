// `npm start`: three nodes on one store below .cluster/, with an example service; follows them until Ctrl-C, which ends everything.
// Option: `--directory DIR` instead of .cluster/.
import fs from 'node:fs/promises';
import {createInterface} from 'node:readline';
import {setTimeout as sleep} from 'node:timers/promises';
import {parseArgs} from 'node:util';
import {claimPidFile, type PidFile} from '../lib/agent/pid-file.ts';
import {describeError, exitStatus, isHaError, reasonOf, systemCode} from '../lib/errors.ts';
import {initStore} from '../lib/store/birth.ts';
import {storePaths} from '../lib/store/paths.ts';
import {followService, type Sighting} from './cluster-follow.ts';
import {endNode, lastWords, liveAgent, startNode} from './cluster-node.ts';
import {
  clusterPlace,
  furnish,
  killLine,
  launchLine,
  readSpots,
  statusLine,
  type ClusterPlace,
  type NodePlace,
  type NodeSpot,
} from './cluster-places.ts';

/** How often it is looked which agents live, ms. */
const LOOK_MS = 100;
/** A second Ctrl-C ends the patience, ms after the first: npm may pass one on twice. */
const SAME_WISH_MS = 500;

/** The same status as of a refused `launch`. */
const REFUSED = 3;

/** Something that the user can mend; shown without a stack. */
class StartError extends Error {}

interface Ending {
  /** The wish to end. */
  readonly leaving: AbortController;
  /** The wish not to wait for a clean end. */
  readonly hurry: AbortController;
}

async function main(): Promise<void> {
  const {values} = parseArgs({options: {directory: {type: 'string'}}});
  const place = clusterPlace(values.directory);
  await fs.mkdir(place.directory, {recursive: true});
  const own = await takePlace(place);
  if (!own) return;
  const ending = listenToSignals();
  try {
    await clearLeftovers(place, ending.hurry.signal);
    if (!ending.leaving.signal.aborted) await runCluster(place, ending.leaving.signal);
  } finally {
    say('stopping the nodes (Ctrl-C once more: do not wait for them)');
    const left = await endAll(place, ending.hurry.signal);
    say(left.length === 0 ? 'nothing is left running' : `these processes could not be ended: ${left.join(' ')}`);
    if (left.length > 0) process.exitCode = 2;
    process.stdin.destroy();
    await own.release();
  }
}

/** @returns undefined, and says where it runs, if another `npm start` has this place. */
async function takePlace(place: ClusterPlace): Promise<PidFile | undefined> {
  const isCluster = (words: readonly string[]): boolean => words.some((word) => /(^|\/)scripts\/cluster\.js$/.test(word));
  try {
    return await claimPidFile(place.pidFile, {lastAgent: async () => undefined, log: () => undefined, isAgent: isCluster});
  } catch (error) {
    if (!isHaError(error, 'pidFile.live')) throw error;
    const nodes = (await readSpots(place))?.map(({nodeId, url}) => `${nodeId} ${url}`) ?? [];
    const where = nodes.length > 0 ? `: ${nodes.join(', ')}` : '';
    process.stderr.write(
      `npm start runs already, as process ${error.details.pid}${where}\nStop it with Ctrl-C in its terminal, or with: kill ${error.details.pid}\n`,
    );
    process.exitCode = REFUSED;
    return undefined;
  }
}

function listenToSignals(): Ending {
  const ending: Ending = {leaving: new AbortController(), hurry: new AbortController()};
  let wishedAt: number | undefined;
  const wish = (): void => {
    if (wishedAt !== undefined && performance.now() - wishedAt > SAME_WISH_MS) ending.hurry.abort();
    wishedAt ??= performance.now();
    ending.leaving.abort();
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, wish);
  // Whoever read what is said may be gone, with the terminal; the nodes have to be ended all the same.
  process.stdout.on('error', wish);
  if (process.env['npm_lifecycle_event'] === 'start') watchParent(wish);
  return ending;
}

/** npm does not pass SIGTERM on: where it was told to end, we learn it from its being gone. */
function watchParent(onGone: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    onGone();
  }, LOOK_MS).unref();
}

/** What an earlier `npm start` that was killed has left is ended, and its files make room: each start begins with a new store. */
async function clearLeftovers(place: ClusterPlace, hurry: AbortSignal): Promise<void> {
  try {
    await Promise.all(place.nodes.map((node) => clearNode(node, hurry)));
    for (const old of [place.store, place.spotsFile, ...place.nodes.map(({folder}) => folder)]) {
      await fs.rm(old, {recursive: true, force: true});
    }
  } catch (error) {
    if (!['EACCES', 'EPERM'].includes(systemCode(error) ?? '')) throw error;
    const what = `${place.directory} was left by another user (${reasonOf(error)})`;
    throw new StartError(`${what}: let that user, or root, end what runs there and remove it`);
  }
}

async function clearNode(node: NodePlace, hurry: AbortSignal): Promise<void> {
  const {found, left} = await endNode(node, hurry);
  if (left.length > 0)
    throw new StartError(`${node.nodeId} of an earlier npm start does not end: see process ${left.join(', ')}`);
  if (found) say(`${node.nodeId} was still running, left by an earlier npm start that was killed: it has been ended`);
}

async function runCluster(place: ClusterPlace, leaving: AbortSignal): Promise<void> {
  const begunAt = performance.now();
  const spots = await furnish(place);
  await fs.mkdir(place.store);
  await initStore(storePaths(place.store, 'default'));
  const revive = createReviver(leaving);
  introduce(place, spots);
  await Promise.all(spots.map(revive));
  readEnter(spots, revive);
  const tell = (sighting: Sighting): void => {
    const sinceStart = sighting.kind === 'serves' && sighting.awayMs === undefined ? performance.now() - begunAt : undefined;
    say(describe(sighting, sinceStart));
  };
  await Promise.all([
    followService(
      spots.map(({serviceUrl}) => serviceUrl),
      leaving,
      tell,
    ),
    watchNodes(spots, leaving),
  ]);
}

function introduce(place: ClusterPlace, spots: readonly NodeSpot[]): void {
  const nodes = spots.map(
    (spot) => `  ${spot.nodeId}  ${spot.url}   its service, while it is master: ${spot.serviceUrl}
      folder  ${spot.folder}
      kill    ${killLine(spot)}
`,
  );
  process.stdout.write(`Three nodes on one store, ${place.store}. This terminal follows them.

${nodes.join('\n')}
  look    ${statusLine(place)}

Kill the master with its line, in another terminal. Enter restarts what is dead; Ctrl-C ends everything.

`);
}

type Revive = (spot: NodeSpot) => Promise<void>;

function createReviver(leaving: AbortSignal): Revive {
  return async (spot) => {
    await startNode(spot, (how) => {
      if (how === 'SIGKILL' || how === 'exit status 0' || leaving.aborted) return;
      void lastWords(spot).then((words) => say(`${spot.nodeId} has ended (${how}): ${words}`));
    });
  };
}

/** Enter restarts every dead node. Without a terminal nobody presses it, and the nodes run on. */
function readEnter(spots: readonly NodeSpot[], revive: Revive): void {
  createInterface({input: process.stdin}).on('line', () => {
    void reviveDead(spots, revive);
  });
}

async function reviveDead(spots: readonly NodeSpot[], revive: Revive): Promise<void> {
  const dead: NodeSpot[] = [];
  for (const spot of spots) if (!(await liveAgent(spot))) dead.push(spot);
  if (dead.length === 0) return say('all three nodes live');
  await Promise.all(dead.map(revive));
}

/** Says when a node comes or goes, whoever started or ended it. */
async function watchNodes(spots: readonly NodeSpot[], leaving: AbortSignal): Promise<void> {
  const isOver = (): boolean => leaving.aborted;
  const known = new Map<string, number>();
  while (!isOver()) {
    for (const spot of spots) {
      const pid = (await liveAgent(spot))?.pid;
      const before = known.get(spot.nodeId);
      if (pid === before) continue;
      if (pid === undefined) known.delete(spot.nodeId);
      else known.set(spot.nodeId, pid);
      if (!isOver()) say(pid === undefined ? await obituary(spot) : `${spot.nodeId} lives, as process ${pid}`);
    }
    await sleep(LOOK_MS, undefined, {signal: leaving}).catch(() => undefined);
  }
}

/** A node that ends cleanly takes its pid file along. */
async function obituary(node: NodePlace): Promise<string> {
  const killed = await fs.access(node.pidFile).then(
    () => true,
    () => false,
  );
  return `${node.nodeId} ${killed ? 'was killed' : 'has ended'}. It stays dead until Enter, or until this line in another terminal:\n          ${launchLine(node)}`;
}

function describe(sighting: Sighting, sinceStartMs: number | undefined): string {
  switch (sighting.kind) {
    case 'serves': {
      const {answer, serviceUrl, awayMs} = sighting;
      const after =
        awayMs === undefined ? `${seconds(sinceStartMs ?? 0)} after the start` : `the service was away for ${seconds(awayMs)}`;
      return `${answer.node} is master under epoch ${answer.epoch}, its service answers at ${serviceUrl}: ${after}`;
    }
    case 'away':
      return `the service of ${sighting.node} does not answer any more, and no other does yet`;
    case 'two':
      return `TWO SERVICES ANSWER AT ONCE, of ${sighting.nodes.join(' and ')}: please report this`;
    default:
      return sighting satisfies never;
  }
}

async function endAll(place: ClusterPlace, hurry: AbortSignal): Promise<readonly number[]> {
  const reports = await Promise.all(place.nodes.map((node) => endNode(node, hurry)));
  return reports.flatMap(({left}) => left);
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(2)} s`;

function say(text: string): void {
  process.stdout.write(`${new Date().toTimeString().slice(0, 8)}  ${text}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`npm start: ${error instanceof StartError ? error.message : describeError(error)}\n`);
  process.exitCode = exitStatus(error);
});

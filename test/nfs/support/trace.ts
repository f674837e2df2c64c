// What a scenario waits for and measures beside states: the runs of the service on this host's clock, and the sentences that nodes say.
import {setTimeout as sleep} from 'node:timers/promises';
import type {Run} from '../../e2e/support/witness-log.ts';
import {eventually} from '../../support/eventually.ts';
import type {LabCluster} from './lab-cluster.ts';
import type {LabNode} from './lab-node.ts';

const SAYS_MS = 90_000;
const STOPPED_MS = 90_000;
const POLL_MS = 250;
/** A witness writes every 20 ms: one that has been silent for so long has ended, ns. */
const SILENT_NS = 2_000_000_000n;

/** Now, on the clock on which the runs are. */
export const hostNs = (): bigint => process.hrtime.bigint();

export const nsOf = (ms: number): bigint => BigInt(Math.round(ms * 1e6));

/** For a finding: `4.1 s`. */
export const seconds = (ns: bigint): string => `${(Number(ns) / 1e9).toFixed(1)} s`;

/** The longest that nothing happened between two moments. */
export function longestSilence(happened: readonly bigint[], fromNs: bigint, untilNs: bigint): bigint {
  const moments = [fromNs, ...happened.filter((at) => at > fromNs && at < untilNs), untilNs];
  return moments.slice(1).reduce((longest, at, index) => {
    const silence = at - (moments[index] ?? at);
    return silence > longest ? silence : longest;
  }, 0n);
}

/** All runs up to now, in the order in which they began, but for the last words of a machine that is off or frozen. @throws Error on an overlap, or an epoch that goes down */
export async function runsOf(cluster: LabCluster): Promise<readonly Run[]> {
  const {nodes} = await cluster.lab.status();
  const on = nodes.filter(({state}) => state === 'on').map(({node}) => node);
  const readable = cluster.nodes.filter(({machine, wasLaunched}) => wasLaunched && on.includes(machine));
  await Promise.all(readable.map((node) => node.witness.flush()));
  return (await cluster.witnessed()).runs;
}

/** @throws Error where nothing has run */
export async function lastRun(cluster: LabCluster): Promise<Run> {
  const last = (await runsOf(cluster)).at(-1);
  if (!last) throw new Error('no service has run yet');
  return last;
}

/** Waits until no service runs. @returns the run that was the last */
export async function awaitStopped(cluster: LabCluster, timeoutMs = STOPPED_MS): Promise<Run> {
  return eventually(
    async () => {
      await sleep(POLL_MS);
      const run = await lastRun(cluster);
      return hostNs() - run.to > SILENT_NS && run;
    },
    timeoutMs,
    'a service still runs',
  );
}

/** Waits until a service runs that began later than that one. */
export async function awaitRunAfter(cluster: LabCluster, before: Run, timeoutMs = STOPPED_MS): Promise<Run> {
  return eventually(
    async () => {
      await sleep(POLL_MS);
      const run = await lastRun(cluster);
      return run.from > before.to && run;
    },
    timeoutMs,
    'no service has been started again',
  );
}

/** Sleeps until that moment. */
export async function sleepUntil(atNs: bigint): Promise<void> {
  const leftMs = Number(atNs - hostNs()) / 1e6;
  if (leftMs > 0) await sleep(leftMs);
}

/** Waits until a node gives this reason for its state. @returns the whole sentence */
export async function awaitSays(node: LabNode, what: RegExp, timeoutMs = SAYS_MS): Promise<string> {
  let said = 'nothing';
  return eventually(
    async () => {
      await sleep(POLL_MS);
      said = (await node.state()).because;
      return what.test(said) && said;
    },
    timeoutMs,
    `${node.id} does not say ${String(what)}`,
  ).catch((error: unknown) => {
    throw new Error(`${node.id} should say ${String(what)}, but says: ${said}`, {cause: error});
  });
}

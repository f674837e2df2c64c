// highAvailability disabled shares nothing with a cluster that lives.
import type {Config} from '../config/config.ts';
import {HaError} from '../errors.ts';
import {storePaths} from '../store/paths.ts';
import {readIdentity} from '../store/identity.ts';
import {changesDuring, lockNames, longestOwned, outlasting} from '../store/watch.ts';
import {lookTwice} from './cluster-view.ts';
import {watchOf} from './command.ts';

/** @throws HaError cluster.refused if the store given has live nodes, or may have some. */
export async function refuseLiveStore(config: Pick<Config, 'persistenceDir' | 'app' | 'timing'>): Promise<void> {
  if (config.persistenceDir === undefined) return;
  const paths = storePaths(config.persistenceDir, config.app);
  const identity = await readIdentity(paths);
  if (identity.kind === 'missing') return;
  if (identity.kind !== 'store') throw refused(`who lives in the store at ${paths.root} is not known: ${identity.reason}`);
  const view = await lookTwice(paths, config.timing.heartbeatIntervalMs);
  const alive = view.nodes.filter((node) => node.alive).map((node) => node.nodeId);
  if (alive.length > 0) throw refused(`the store at ${paths.root} has live nodes: ${alive.join(', ')}`);
  // Heartbeats may be missing where a lease is held all the same.
  const look = async (): Promise<Map<string, string>> =>
    new Map([['lock', (await lockNames(paths, identity.storeId)).join('/')]]);
  const leaseTimeoutMs = longestOwned(await lockNames(paths, identity.storeId));
  if (leaseTimeoutMs === 0) return;
  const changed = await changesDuring(look, outlasting(watchOf(config), leaseTimeoutMs));
  if (changed.size > 0) throw refused(`the lease in the store at ${paths.root} is held and being renewed`);
}

const refused = (reason: string): HaError =>
  new HaError(
    'cluster.refused',
    {what: 'launch', reason},
    {
      message: `highAvailability disabled would run the service beside theirs: ${reason}`,
      hint: 'use --highAvailability auto, or stop those agents',
    },
  );

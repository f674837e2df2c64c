// highAvailability disabled shares nothing with a cluster that lives.
import type {Config} from '../config/config.ts';
import {HaError} from '../errors.ts';
import {storePaths} from '../store/paths.ts';
import {readIdentity} from '../store/identity.ts';
import {lookTwice} from './cluster-view.ts';

/** @throws HaError cluster.refused if the store given has live nodes. */
export async function refuseLiveStore(config: Config): Promise<void> {
  if (config.persistenceDir === undefined) return;
  const paths = storePaths(config.persistenceDir, config.app);
  if ((await readIdentity(paths)).kind !== 'store') return;
  const view = await lookTwice(paths, config.timing.heartbeatIntervalMs);
  const alive = view.nodes.filter((node) => node.alive).map((node) => node.nodeId);
  if (alive.length === 0) return;
  const reason = `the store at ${paths.root} has live nodes: ${alive.join(', ')}`;
  throw new HaError(
    'cluster.refused',
    {what: 'launch', reason},
    {
      message: `highAvailability disabled would run the service beside theirs: ${reason}`,
      hint: 'use --highAvailability auto, or stop those agents',
    },
  );
}

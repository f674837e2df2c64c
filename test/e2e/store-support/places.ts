// Where the things of a cluster's store lie, as the tests find them from outside.
import {readdirSync} from 'node:fs';
import {join} from 'node:path';
import {parseLockName, type LockName} from '../../../lib/protocol/lock-name.ts';
import type {Cluster} from '../support/cluster.ts';

/** `<persistenceDir>/default` */
export const rootOf = (cluster: Cluster): string => join(cluster.persistenceDir, 'default');

/** The one lock directory that is in its place. */
export function lockDirIn(cluster: Cluster): string {
  const names = readdirSync(rootOf(cluster)).filter((name) => name.startsWith('lock.'));
  if (names.length !== 1) throw new Error(`there are ${names.length} lock directories`);
  return join(rootOf(cluster), names[0] ?? '');
}

/** The well-formed names in the lock directory. */
export const locksIn = (cluster: Cluster): LockName[] =>
  readdirSync(lockDirIn(cluster)).flatMap((name) => parseLockName(name) ?? []);

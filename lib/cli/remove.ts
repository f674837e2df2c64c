// remove and clear: records of nodes that are gone for good.
import {removeDead} from '../store/admin.ts';
import {requireIdentity} from '../store/identity.ts';
import {clusterOptions, configOf, nodeArgument, pathsOf, print, watchOf, type Call, type Command} from './command.ts';
import {HaError} from '../errors.ts';

export const commands: readonly Command[] = [
  {
    usage: 'remove <node>',
    describe: 'drop the record of a dead node',
    example: ['$0 remove n3 --persistenceDir /mnt/ha', 'n3 was taken out of service'],
    options: clusterOptions,
    positionals: [{name: 'node', describe: 'the dead node', required: true}],
    run: remove,
  },
  {
    usage: 'clear',
    describe: 'drop the records of all dead nodes',
    example: ['$0 clear --persistenceDir /mnt/ha', 'tidy up after hosts that will not come back'],
    options: clusterOptions,
    run: clear,
  },
];

async function remove(call: Call): Promise<void> {
  const config = await configOf(call);
  const paths = pathsOf(config);
  const node = nodeArgument(call, 'node');
  await requireIdentity(paths);
  const {removed} = await removeDead(paths, node, watchOf(config));
  if (removed.length === 0) {
    const reason = `${node} is alive: its heartbeat changes`;
    throw new HaError('cluster.refused', {what: `remove ${node}`, reason}, {message: reason, hint: 'stop that agent first'});
  }
  print(call, {removed}, `removed the record of ${node}`);
}

async function clear(call: Call): Promise<void> {
  const config = await configOf(call);
  const paths = pathsOf(config);
  await requireIdentity(paths);
  const {removed, alive} = await removeDead(paths, 'all', watchOf(config));
  print(call, {removed, alive}, removed.length === 0 ? 'no node is dead' : `removed the records of ${removed.join(', ')}`);
}

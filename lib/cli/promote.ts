// promote: an operator's word that the owner of the present epoch is dead replaces the silence, for that epoch only.
import {HaError} from '../errors.ts';
import {placeStatement, requireSilentOwner} from '../store/admin.ts';
import {lookTwice} from './cluster-view.ts';
import {clusterOptions, configOf, nodeArgument, operator, pathsOf, print, watchOf, type Call, type Command} from './command.ts';
import {followChange} from './switchover.ts';
import {carryOut} from './wish.ts';

export const commands: readonly Command[] = [
  {
    usage: 'promote <node>',
    describe: 'make a node master without waiting, on your word that the owner of the present epoch is dead',
    example: ['$0 promote n2 --iHaveFenced n1 --persistenceDir /mnt/ha', 'the power of n1 has been cut'],
    options: {
      ...clusterOptions,
      iHaveFenced: {type: 'string', describe: 'the owner, which you have made sure is dead [ID]', requiresArg: true},
    },
    positionals: [{name: 'node', describe: 'the next master', required: true}],
    run: promote,
  },
];

async function promote(call: Call): Promise<void> {
  const config = await configOf(call);
  const paths = pathsOf(config);
  const node = nodeArgument(call, 'node');
  if (call.argv['iHaveFenced'] === undefined) {
    const reason = 'only your word that the owner is dead can replace the wait';
    throw new HaError(
      'cluster.refused',
      {what: 'promote', reason},
      {message: reason, hint: 'make sure of it, and say --iHaveFenced OWNER'},
    );
  }
  const owner = nodeArgument(call, 'iHaveFenced');
  const view = await lookTwice(paths, config.timing.heartbeatIntervalMs);
  const refuse = (reason: string, hint: string): never => {
    throw new HaError('cluster.refused', {what: 'promote', reason}, {message: reason, hint});
  };
  if (view.paused) refuse('the cluster is paused: nobody is elected', 'end that with "ha-agent resume"');
  const target = view.nodes.find((each) => each.nodeId === node);
  if (!target?.eligible)
    refuse(`${node} is not alive and eligible: ${target?.because ?? 'it has no record here'}`, 'start its agent first');
  const epoch = await requireSilentOwner(paths, owner, watchOf(config));
  const wish = {epoch, to: node};
  const state = (): Promise<void> => placeStatement(paths, {epoch, owner, successor: node}, operator());
  const master = await carryOut(paths, wish, state, (signal) => followChange(call, config, paths, wish, signal));
  print(call, {from: owner, to: master, epoch}, `${master} is MASTER`);
}

// accept: an operator's decision that a store which is not the one the nodes knew is the right one from now on.
import {openLocalState} from '../agent/local-state.ts';
import {commandLineOptions} from '../config/command-line.ts';
import {HaError} from '../errors.ts';
import {epoch} from '../protocol/words.ts';
import {acceptStore} from '../store/accept.ts';
import {configOf, nodeOptions, pathsOf, print, watchOf, type Call, type Command} from './command.ts';
import {groupOf} from './group.ts';

export const commands: readonly Command[] = [
  {
    usage: 'accept',
    describe: 'decide that the store that is there is the right one from now on; all nodes must be stopped',
    example: ['$0 accept --persistenceDir /mnt/ha', 'after the share was restored from a backup'],
    options: {...nodeOptions, ...commandLineOptions(['storeGroup'])},
    run: accept,
  },
];

async function accept(call: Call): Promise<void> {
  const config = await configOf(call);
  const paths = pathsOf(config);
  const state = await openLocalState(config.stateDir);
  const live = await state.liveAgent();
  if (live) {
    const reason = `the agent of this node lives (process ${live.pid})`;
    throw new HaError(
      'cluster.refused',
      {what: 'accept', reason},
      {message: reason, hint: 'stop every agent of the cluster first'},
    );
  }
  const known = await state.knownStore();
  const accepted = await acceptStore(paths, {
    leaseTimeoutMs: config.timing.leaseTimeoutMs,
    known: {epoch: known?.epoch ?? 0, storeIds: known ? [known.storeId] : []},
    watch: watchOf(config),
    group: await groupOf(config),
  });
  await state.adoptStore({storeId: accepted.storeId, epoch: epoch(accepted.epoch)});
  const text =
    `the store at ${paths.root} is ${accepted.storeId} from now on and begins with epoch ${accepted.epoch}\n` +
    `start the agents again: they wait one lease timeout before the first claim`;
  print(call, accepted, text);
}

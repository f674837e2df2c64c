// pause and resume: maintenance, during which nobody is elected.
import {pause, resume} from '../store/admin.ts';
import {requireIdentity} from '../store/identity.ts';
import {clusterOptions, configOf, operator, pathsOf, print, type Call, type Command} from './command.ts';

export const commands: readonly Command[] = [
  {
    usage: 'pause',
    describe: 'maintenance: nobody is elected and no service is stopped because of an election, until resumed',
    example: ['$0 pause --persistenceDir /mnt/ha', 'before working on the cluster'],
    options: clusterOptions,
    run: pauseCluster,
  },
  {
    usage: 'resume',
    describe: 'end the maintenance',
    example: ['$0 resume --persistenceDir /mnt/ha', 'elections take place again'],
    options: clusterOptions,
    run: resumeCluster,
  },
];

async function pauseCluster(call: Call): Promise<void> {
  const paths = pathsOf(await configOf(call));
  await requireIdentity(paths);
  const changed = await pause(paths, operator());
  print(
    call,
    {paused: true, changed},
    changed ? 'paused: nobody but the present owner takes the lease' : 'it was paused already',
  );
}

async function resumeCluster(call: Call): Promise<void> {
  const paths = pathsOf(await configOf(call));
  await requireIdentity(paths);
  const changed = await resume(paths);
  print(call, {paused: false, changed}, changed ? 'resumed' : 'it was not paused');
}

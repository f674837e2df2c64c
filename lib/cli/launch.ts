// launch: runs a node in the foreground.
import {commandLineOptions} from '../config/command-line.ts';
import type {Call, Command} from './command.ts';
import {configOf} from './command.ts';

export const commands: readonly Command[] = [
  {
    usage: 'launch',
    describe: 'run a node in the foreground; what follows -- is the service',
    example: ['$0 launch --highAvailability auto --persistenceDir /mnt/ha -- node server.js', 'on each host'],
    options: commandLineOptions(),
    run: launch,
  },
];

async function launch(call: Call): Promise<void> {
  const config = await configOf(call, true);
  const {launchNode} = await import('./launch-node.ts');
  await launchNode(config, () => configOf(call, true));
}

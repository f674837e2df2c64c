// launch: runs a node in the foreground.
import {commandLineOptions} from '../config/command-line.ts';
import type {Call, Command} from './command.ts';
import {configOf} from './command.ts';
import {HAL_POSITIONALS, HAL_WORDS, readHalWords} from './hal-words.ts';

export const commands: readonly Command[] = [
  {
    usage: `launch ${HAL_WORDS}`,
    describe: 'run a node in the foreground; what follows -- is the service',
    example: ['$0 launch --highAvailability auto --persistenceDir /mnt/ha -- node server.js', 'on each host'],
    options: commandLineOptions(),
    positionals: HAL_POSITIONALS,
    run: launch,
  },
];

async function launch(given: Call): Promise<void> {
  const call = await readHalWords(given);
  const config = await configOf(call, 'launch');
  const {launchNode} = await import('./launch-node.ts');
  await launchNode(config, () => configOf(call, 'launch'));
}

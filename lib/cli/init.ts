// init: the operator's word that a cluster begins here.
import {resolve} from 'node:path';
import {commandLineOptions} from '../config/command-line.ts';
import {writeSampleConfig} from '../config/sample.ts';
import {initStore} from '../store/birth.ts';
import {optionsFor} from '../store/paths.ts';
import {clusterOptions, configOf, pathsOf, print, type Call, type Command} from './command.ts';

export const commands: readonly Command[] = [
  {
    usage: 'init',
    describe: 'create the store in an empty directory, once per cluster; with --config FILE, write a commented config file',
    example: ['$0 init --persistenceDir /mnt/ha', 'prepare the share that is mounted at /mnt/ha'],
    options: {...clusterOptions, ...commandLineOptions(['persistenceDir', 'app'])},
    run: init,
  },
];

async function init(call: Call): Promise<void> {
  const {config: file, ...argv} = call.argv;
  const written = typeof file === 'string' ? resolve(file) : undefined;
  if (written !== undefined) await writeSampleConfig(written);
  if (written !== undefined && argv['persistenceDir'] === undefined && process.env['HA_AGENT_PERSISTENCE_DIR'] === undefined) {
    return print(call, {config: written}, `wrote ${written}`);
  }
  const paths = pathsOf(await configOf({...call, argv}));
  const storeId = await initStore(paths);
  const text = `created the store ${storeId} at ${paths.root}\nnext, on each host: ha-agent launch ${optionsFor(paths)} -- COMMAND`;
  print(call, {storeId, root: paths.root, ...(written !== undefined && {config: written})}, text);
}

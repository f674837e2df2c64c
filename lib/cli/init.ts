// init: the operator's word that a cluster begins here.
import {resolve} from 'node:path';
import {givenValues} from '../config/given-sample.ts';
import {writeSampleConfig} from '../config/sample.ts';
import {initStore} from '../store/birth.ts';
import {optionsFor} from '../store/paths.ts';
import {CLUSTER_KEYS, clusterOptions, configOf, pathsOf, print, type Call, type Command} from './command.ts';

export const commands: readonly Command[] = [
  {
    usage: 'init',
    describe: 'create the store in an empty directory, once per cluster; with --config FILE, write a commented config file',
    example: ['$0 init --persistenceDir /mnt/ha', 'prepare the share that is mounted at /mnt/ha'],
    options: clusterOptions,
    run: init,
  },
];

async function init(call: Call): Promise<void> {
  const {config: file, ...argv} = call.argv;
  const written = typeof file === 'string' ? resolve(file) : undefined;
  const around = {argv, env: process.env, cwd: process.cwd()};
  const values = written === undefined ? {} : await givenValues(CLUSTER_KEYS, around);
  // Where nothing but the file is wanted no directory needs to be known yet; what is refused leaves no file behind.
  const paths =
    written === undefined || values.persistenceDir !== undefined ? pathsOf(await configOf({...call, argv})) : undefined;
  if (written !== undefined) await writeSampleConfig(written, values);
  if (!paths) return print(call, {config: written}, `wrote ${written ?? ''}`);
  const storeId = await initStore(paths);
  const text = `created the store ${storeId} at ${paths.root}\nnext, on each host: ha-agent launch ${optionsFor(paths)} -- COMMAND`;
  print(call, {storeId, root: paths.root, ...(written !== undefined && {config: written})}, text);
}

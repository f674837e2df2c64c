// init: the operator's word that a cluster begins here.
import {stat} from 'node:fs/promises';
import {resolve} from 'node:path';
import {commandLineOptions} from '../config/command-line.ts';
import {givenValues} from '../config/given-sample.ts';
import {writeSampleConfig} from '../config/sample.ts';
import {initStore} from '../store/birth.ts';
import {optionsFor} from '../store/paths.ts';
import {CLUSTER_KEYS, clusterOptions, configOf, pathsOf, print, type Call, type Command} from './command.ts';
import {groupOf} from './group.ts';

export const commands: readonly Command[] = [
  {
    usage: 'init',
    describe: 'create the store in an empty directory, once per cluster; with --config FILE, write a commented config file',
    example: ['$0 init --persistenceDir /mnt/ha', 'prepare the share that is mounted at /mnt/ha'],
    options: {...clusterOptions, ...commandLineOptions(['storeGroup'])},
    run: init,
  },
];

async function init(call: Call): Promise<void> {
  const {config: file, ...argv} = call.argv;
  const written = typeof file === 'string' ? resolve(file) : undefined;
  const around = {argv, env: process.env, cwd: process.cwd()};
  const values = written === undefined ? {} : await givenValues([...CLUSTER_KEYS, 'storeGroup'], around);
  // Where nothing but the file is wanted no directory needs to be known yet; what is refused leaves no file behind.
  const config = written === undefined || values.persistenceDir !== undefined ? await configOf({...call, argv}) : undefined;
  const paths = config && pathsOf(config);
  const group = config && (await groupOf(config));
  if (written !== undefined) await writeSampleConfig(written, values);
  if (!paths) return print(call, {config: written}, `wrote ${written ?? ''}`);
  const storeId = await initStore(paths, group);
  const next = `next, on each host: ha-agent launch ${optionsFor(paths)} -- COMMAND`;
  const text = [
    `created the store ${storeId} at ${paths.root}`,
    ...(await unreachableFor(group, paths.persistenceDir)),
    next,
  ].join('\n');
  print(call, {storeId, root: paths.root, ...(written !== undefined && {config: written})}, text);
}

/** The store is open to the group; the directory around it was there before, and stays the operator's. */
async function unreachableFor(group: number | undefined, dir: string): Promise<readonly string[]> {
  if (group === undefined) return [];
  const {gid, mode} = await stat(dir);
  const entered = gid === group ? (mode & 0o010) !== 0 : (mode & 0o001) !== 0;
  return entered ? [] : [`group ${group} cannot enter ${dir} yet: chgrp ${group} ${dir} && chmod 2770 ${dir}`];
}

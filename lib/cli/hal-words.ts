// HAL 1's command line: the id of the node and the directory of its config.json, without option names.
import {stat} from 'node:fs/promises';
import {join} from 'node:path';
import {UsageError, type Call, type Command} from './command.ts';

/** What follows `launch` in the usage. */
export const HAL_WORDS = '[ID] [DIRECTORY]';

export const HAL_POSITIONALS: NonNullable<Command['positionals']> = [
  {name: 'ID', describe: "as HAL 1 has it: this node's id, instead of --id", required: false},
  {name: 'DIRECTORY', describe: 'and the directory of its config.json, instead of --config', required: false},
];

/** Words that are no options are a command without its `--` far more often: whatever is not exactly HAL's form is refused. */
const SERVICE_HINT = 'the command of a service follows "--"';

/** @returns the call with options in the place of such words. @throws UsageError */
export async function readHalWords(call: Call): Promise<Call> {
  const {ID: id, DIRECTORY: directory, ...options} = call.argv;
  if (id === undefined && directory === undefined) return call;
  if (typeof id !== 'string' || typeof directory !== 'string')
    throw new UsageError(`${JSON.stringify(id)} is no option: ${SERVICE_HINT}`);
  if (options['nodeId'] !== undefined || options['config'] !== undefined)
    throw new UsageError(`${id} ${directory} would be a second id and configuration beside --id and --config: ${SERVICE_HINT}`);
  const file = join(directory, 'config.json');
  const isThere = await stat(file).then(
    (stats) => stats.isFile(),
    () => false,
  );
  if (!isThere)
    throw new UsageError(`${id} ${directory} is not HAL 1's ID DIRECTORY, because there is no ${file}: ${SERVICE_HINT}`);
  return {...call, argv: {...options, nodeId: id, config: directory}};
}

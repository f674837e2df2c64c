// Which command restarts which node, as it stands under `restartPeer:`.
import {isNodeId} from '../protocol/words.ts';
import {readCommand, type Fault, type Kind, type Raw, type Read} from './kinds.ts';
import {joinWords} from './words.ts';

/** Program and arguments by node id. */
export type RestartCommands = Readonly<Record<string, readonly string[]>>;

export const restartCommands: Kind<RestartCommands> = {
  placeholder: 'MAP',
  read: readRestartCommands,
  show: (commands) => {
    const entries = Object.entries(commands).map(([id, words]) => `${id}: ${joinWords(words)}`);
    return entries.length === 0 ? 'none' : entries.join(', ');
  },
};

function readRestartCommands({value}: Raw): Read<RestartCommands> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return {ok: false, faults: [{path: [], expected: 'node ids, each with the command that restarts this node'}]};
  const faults: Fault[] = [];
  const commands: [string, readonly string[]][] = [];
  for (const [id, given] of Object.entries(value)) {
    const read = readCommand(given);
    if (!isNodeId(id)) faults.push({path: [id], expected: 'a node id in its place'});
    else if (read.ok) commands.push([id, read.value]);
    else faults.push(...read.faults.map((fault) => ({...fault, path: [id, ...fault.path]})));
  }
  return faults.length === 0 ? {ok: true, value: Object.fromEntries(commands)} : {ok: false, faults};
}

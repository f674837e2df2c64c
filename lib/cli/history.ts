// history: every change of owner, as the owners themselves wrote it.
import type {EpochRecord} from '../store/contract.ts';
import {readHistory} from '../store/history.ts';
import {requireIdentity} from '../store/identity.ts';
import {clusterOptions, configOf, pathsOf, print, type Call, type Command} from './command.ts';
import {drawTable} from './table.ts';

export const commands: readonly Command[] = [
  {
    usage: 'history',
    describe: 'every change of owner: epoch, from, to, when, why, and the measured phases',
    example: ['$0 history --persistenceDir /mnt/ha', 'who was master when, and how long each failover took'],
    options: clusterOptions,
    run: history,
  },
];

async function history(call: Call): Promise<void> {
  const paths = pathsOf(await configOf(call));
  const {records, faults} = await readHistory(paths).catch(async (error: unknown) => {
    // Where there is no store at all, that is what to say.
    await requireIdentity(paths);
    throw error;
  });
  for (const fault of faults) process.stderr.write(`ha-agent: ${fault.reason}\n`);
  const head = ['epoch', 'from', 'to', 'claimed', 'why', 'detected', 'claimed after', 'started', 'ready', 'ended'];
  print(call, records, drawTable(head, records.map(rowOf)));
}

function rowOf(record: EpochRecord): string[] {
  const {phasesMs, ended} = record;
  return [
    String(record.epoch),
    record.from.nodeId ?? '-',
    record.to.nodeId,
    new Date(record.claimedAtWallMs).toISOString(),
    record.because,
    milliseconds(phasesMs.detected),
    milliseconds(phasesMs.claimed),
    milliseconds(phasesMs.started),
    milliseconds(phasesMs.ready),
    ended ? `${new Date(ended.wallMs).toISOString()} ${ended.because}` : '',
  ];
}

const milliseconds = (ms: number | null): string => (ms === null ? '-' : `${ms} ms`);

// The first steps of a launch: the pid file written before anything else can fail, the log opened, what cannot work here refused; a live agent replaced.
import {openLocalState, readLocalState, type AgentRecord, type LocalState} from '../agent/local-state.ts';
import {claimPidFile} from '../agent/pid-file.ts';
import type {Config} from '../config/config.ts';
import {HaError} from '../errors.ts';
import {isAlive, signal} from '../guardian/proc.ts';
import {createLogger, type Fields, type RootLog} from '../log/log.ts';
import {checkUnit} from '../service/unit-check.ts';
import {refuseUnusable} from './launch-around.ts';
import type {Workbench} from './launch-bench.ts';

export interface Beginning {
  /** Without its file if that was not reached. */
  readonly log: RootLog;
  readonly closers: Workbench['closers'];
  /** What has failed; the launch is to end with it. */
  readonly failure: Error | undefined;
}

type Say = (sentence: string, fields?: Fields) => void;

/** Never rejects for what is expected to fail: that is for the log, which there is in any case. */
export async function beginLaunch(config: Config): Promise<Beginning> {
  const closers: Workbench['closers'] = [];
  const early: Parameters<Say>[] = [];
  let say: Say = (...words) => void early.push(words);
  let log: RootLog | undefined;
  let failure: Error | undefined;
  try {
    // Its pid file stands as long as it lives; and what would be refused afterwards must not cost its service.
    const live = config.replace ? await readLocalState(config.stateDir).liveAgent() : undefined;
    if (live) {
      log = await openLog(config, config.log.file);
      await refuseHere(config, say);
      await kill(live, say);
    }
    const lastAgent = async (): ReturnType<LocalState['agent']> => (await openLocalState(config.stateDir)).agent();
    const pidFile = await claimPidFile(config.pidFile, {lastAgent, log: (...words) => say(...words)});
    closers.push(() => pidFile.release());
    log ??= await openLog(config, config.log.file);
    if (!live) await refuseHere(config, say);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    failure = error;
  }
  const opened = log ?? (await openLog(config, undefined));
  say = (...words) => opened.warn(...words);
  for (const words of early) say(...words);
  return {log: opened, closers, failure};
}

const openLog = ({log: {level, format, maxSizeBytes, maxFiles}}: Config, file: string | undefined): Promise<RootLog> =>
  createLogger({level, format, file, maxSizeBytes, maxFiles});

/** @throws HaError for what cannot work on this host. */
async function refuseHere(config: Config, say: Say): Promise<void> {
  if (config.service.kind === 'systemd')
    for (const warning of await checkUnit(config.service.unit, process.getuid?.() ?? 0)) say(warning);
  await refuseUnusable(config);
}

/** How long a killed agent may take to be gone, ms. */
const DEATH_MS = 10_000;

/** Kills the live agent of this node and sees it gone. @throws HaError process.stays */
async function kill(live: AgentRecord, say: Say): Promise<void> {
  say('killing the live agent of this node, as --replace asks', {pid: live.pid});
  signal(live, 'SIGKILL');
  for (let waitedMs = 0; isAlive(live); waitedMs += 10) {
    if (waitedMs >= DEATH_MS) {
      const text = {
        message: `process ${live.pid} does not die of SIGKILL`,
        hint: 'it may hang in the kernel: free what it waits for, or reboot',
      };
      throw new HaError('process.stays', {pid: live.pid, waitedMs}, text);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

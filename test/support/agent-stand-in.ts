// Real processes that take a pid file or a state directory as an agent does, for tests of who may.
import {spawn, type ChildProcess} from 'node:child_process';
import {join} from 'node:path';
import {buildRoot} from './paths.ts';

export interface StandIn {
  readonly child: ChildProcess;
  readonly pid: number;
  /** `ready`, or the code of the error it met. */
  readonly outcome: Promise<string>;
}

const SCRIPT = `
  const {openLocalState} = await import(${JSON.stringify(join(buildRoot, 'lib/agent/local-state.js'))});
  const {claimPidFile} = await import(${JSON.stringify(join(buildRoot, 'lib/agent/pid-file.js'))});
  const [pidFile, stateDir, gate] = process.argv.slice(3);
  if (gate) while (Date.now() < Number(gate)) {}
  try {
    const state = stateDir ? await openLocalState(stateDir) : undefined;
    const own = pidFile ? await claimPidFile(pidFile, {lastAgent: async () => state?.agent(), log: () => {}}) : undefined;
    await state?.claim('0123abcd');
    process.on('SIGTERM', async () => { await own?.release(); process.exit(0); });
    process.send('ready');
  } catch (error) {
    process.send(String(error.code ?? error.stack));
  }
  setInterval(() => {}, 1000);`;

const running = new Set<ChildProcess>();

/**
 * Its command line looks like that of an agent.
 * @param pidFile taken first; empty: none.
 * @param stateDir taken then; empty: none.
 * @param gate wall clock in ms since 1970 that all wait for, to begin at once.
 */
export function startStandIn(pidFile: string, stateDir: string, gate = 0): StandIn {
  const child = spawn(
    process.execPath,
    ['--input-type=module', '-e', SCRIPT, '--', 'ha-agent', 'launch', pidFile, stateDir, gate === 0 ? '' : String(gate)],
    {stdio: ['ignore', 'ignore', 'inherit', 'ipc']},
  );
  running.add(child);
  const outcome = new Promise<string>((resolve) => {
    child.once('message', (said) => resolve(typeof said === 'string' ? said : JSON.stringify(said)));
    child.once('exit', (code, signal) => resolve(`exit ${code ?? signal ?? ''}`));
  });
  if (child.pid === undefined) throw new Error('node could not be started');
  return {child, pid: child.pid, outcome};
}

/** Ends it with this signal and waits until it is reaped. */
export async function endStandIn({child}: StandIn, signal: NodeJS.Signals): Promise<void> {
  running.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await gone;
}

/** For afterEach: kills what a test left behind. */
export async function endAllStandIns(): Promise<void> {
  for (const child of running) await endStandIn({child, pid: child.pid ?? 0, outcome: Promise.resolve('')}, 'SIGKILL');
}

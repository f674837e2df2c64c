// Checks by a process: whether a command exits with 0, run without a shell in a process group of its own, which ends with the timeout.
import {spawn, type ChildProcess} from 'node:child_process';
import {setTimeout as sleep} from 'node:timers/promises';
import type {CommandQuestion, Outcome, Probe} from './check.ts';

/** How much of what a command says last goes into the reason, characters. */
const LAST_WORDS = 300;
/** How long its pipes may stay open after its end, ms: a process that it left behind may hold them for ever. */
const PIPES_MS = 100;
/** How often it is looked whether what was killed is gone, ms. */
const GONE_LOOK_MS = 20;

export const probeCommand = ({command, timeoutMs}: CommandQuestion): Probe =>
  probeProcess({command, timeoutMs, name: `"${command.join(' ')}"`});

export interface ProcessQuestion {
  readonly command: readonly string[];
  readonly timeoutMs: number;
  /** What the reason begins with. */
  readonly name: string;
  /** What a run that exited with 0 means, by what it printed last; undefined: that all is well. */
  readonly judge?: (lastWords: string) => Outcome;
}

export function probeProcess(question: ProcessQuestion): Probe {
  // Processes that cannot be killed (stuck in the kernel) must not be joined by more of them.
  let running = false;
  let killed: number | undefined;
  return async (signal) => {
    const stuck = {ok: false, because: `${question.name}: an earlier check has not ended`};
    if (running) return stuck;
    running = true;
    // What was killed goes soon, unless it is stuck.
    if (killed !== undefined && !(await isGone(killed, question.timeoutMs, signal))) {
      running = false;
      return stuck;
    }
    killed = undefined;
    return run(question, signal, {gone: () => (running = false), killed: (group) => (killed = group)});
  };
}

interface Watcher {
  /** The process itself has ended. */
  readonly gone: () => void;
  /** All that it started was killed with it, and may take its time to go. */
  readonly killed: (group: number | undefined) => void;
}

function run(question: ProcessQuestion, signal: AbortSignal, {gone, killed}: Watcher): Promise<Outcome> {
  const {command, timeoutMs, name, judge} = question;
  const [file = '', ...args] = command;
  return new Promise((resolve) => {
    const child = spawnOr(file, args, (reason) => {
      gone();
      resolve({ok: false, because: `${name} cannot be run: ${reason}`});
    });
    if (!child) return;
    const lastWords = listen(child);
    const say = (ok: boolean, because: string): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
      resolve({ok, because: `${name} ${because}`});
    };
    const kill = (): void => {
      killed(child.pid);
      killGroup(child);
    };
    const stop = (): void => {
      kill();
      say(false, 'was stopped');
    };
    const timer = setTimeout(() => {
      kill();
      say(false, `took longer than ${timeoutMs} ms and was killed`);
    }, timeoutMs);
    signal.addEventListener('abort', stop, {once: true});
    if (signal.aborted) stop();
    child.on('error', (error) => {
      if (child.pid === undefined) gone();
      say(false, `cannot be run: ${error.message}`);
    });
    child.on('exit', (code, killedBy) => {
      gone();
      clearTimeout(timer);
      void pipesClosed(child).then(() => {
        const words = lastWords();
        if (code === 0 && judge) {
          const {ok, because} = judge(words);
          return say(ok, because);
        }
        if (code === 0) return say(true, 'exited with 0');
        const how = code === null ? `was ended by ${killedBy}` : `exited with ${code}`;
        say(false, words === '' ? how : `${how}: ${words}`);
      });
    });
  });
}

/** Most reasons come as an event later; some, such as a lack of memory, at once. */
function spawnOr(file: string, args: readonly string[], failed: (reason: string) => void): ChildProcess | undefined {
  try {
    return spawn(file, args, {detached: true, stdio: ['ignore', 'pipe', 'pipe']});
  } catch (error) {
    failed(error instanceof Error ? error.message : String(error));
    return undefined;
  }
}

/** Reads everything, so that no pipe fills up, and keeps the end of it. */
function listen(child: ChildProcess): () => string {
  let tail = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-LAST_WORDS);
    });
    stream?.on('error', () => undefined);
  }
  return () => tail.trim().replace(/\s*\n\s*/g, ' | ');
}

/** The leader of the group has not been waited for yet, or others of it live: the number is still theirs. */
function killGroup({pid, exitCode, signalCode}: ChildProcess): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

/** Looks until nothing of the group is left, or the time is over. */
async function isGone(group: number, limitMs: number, signal: AbortSignal): Promise<boolean> {
  for (let leftMs = limitMs; groupLives(group); leftMs -= GONE_LOOK_MS) {
    if (leftMs <= 0 || signal.aborted) return false;
    await sleep(GONE_LOOK_MS);
  }
  return true;
}

/** The number of a group is nobody else's as long as one of its processes is there. */
function groupLives(group: number): boolean {
  try {
    process.kill(-group, 0);
    return true;
  } catch (error) {
    // EPERM: it is somebody else's by now.
    if (error instanceof Error && 'code' in error && (error.code === 'ESRCH' || error.code === 'EPERM')) return false;
    throw error;
  }
}

function pipesClosed(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, PIPES_MS);
    child.once('close', done);
    function done(): void {
      clearTimeout(timer);
      child.stdout?.destroy();
      child.stderr?.destroy();
      resolve();
    }
  });
}

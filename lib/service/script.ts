// One run of a command that the agent itself owns, a hook or a restart: limited in time, its output in the log line by line.
import {StringDecoder} from 'node:string_decoder';
import {runCommand, type RunningCommand} from '../guardian/command.ts';
import {OutputLines} from '../guardian/output-lines.ts';

export interface ScriptLog {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

export interface Script {
  /** For the log: `onActive`, `restartPeer n2`. */
  readonly name: string;
  /** Program and arguments; no shell. */
  readonly command: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
}

/** Starts one; several may run side by side. */
export type RunScript = (script: Script) => RunningCommand;

/** It is no part of the service: it is not marked as that, and outlives neither its time limit nor, where asked, the agent. */
export const scriptRunner =
  (log: ScriptLog, cwd: string): RunScript =>
  ({name, command, environment, timeoutMs}) => {
    const lines = new OutputLines(({stream, text}) => log[stream === 'stderr' ? 'warn' : 'info'](text, {from: name, stream}));
    const running = runCommand(command, {
      launcher: [],
      cwd,
      environment,
      timeoutMs,
      drain(stream, from) {
        const decoder = new StringDecoder('utf8');
        from?.on('data', (chunk: Buffer) => lines.push(name, stream, decoder.write(chunk)));
        from?.on('close', () => lines.end());
        // A broken pipe of a script is its own affair.
        from?.on('error', () => undefined);
      },
    });
    return running;
  };

// The rendered file in its place: written by rename, checked, put back if it is refused, and the proxy reloaded, only on a change.
import {randomBytes} from 'node:crypto';
import {open, readFile, rename, rm} from 'node:fs/promises';
import {reasonOf, systemCode} from '../errors.ts';
import type {Log} from '../log/log.ts';
import {whenChanged} from '../log/when-changed.ts';
import {probeCommand} from '../service/command-check.ts';

export interface OutputOptions {
  /** Absolute. */
  readonly file: string;
  /** Exits with 0 if the proxy would accept the file in its place. */
  readonly check: readonly string[] | undefined;
  readonly reload: readonly string[] | undefined;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface Output {
  /** The text that is to stand there; while an earlier one is under way only the latest is kept. */
  put(text: string): void;
  /** Resolves when nothing is under way. */
  settled(): Promise<void>;
}

const COMMAND_MS = 30_000;
/** After this long what failed is tried again, ms. */
const RETRY_MS = 2_000;

export function createOutput(options: OutputOptions): Output {
  const {signal} = options;
  const bring = createBringer(options);
  let wanted: string | undefined;
  let working = false;
  let work = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;

  const ended = (): boolean => signal.aborted;

  function kick(): void {
    clearTimeout(timer);
    if (working || ended()) return;
    working = true;
    work = bringAll();
  }

  async function bringAll(): Promise<void> {
    let done = true;
    for (let text: string | undefined; wanted !== text && !ended();) {
      text = wanted ?? '';
      done = await bring(text);
    }
    working = false;
    if (!done && !ended()) timer = setTimeout(kick, RETRY_MS);
  }

  return {
    put(text) {
      if (text === wanted) return;
      wanted = text;
      kick();
    },
    async settled() {
      clearTimeout(timer);
      await work;
    },
  };
}

/** @returns what brings one text into its place and the proxy to read it, and says false where that has to be tried again. */
function createBringer({file, check, reload, log, signal}: OutputOptions): (text: string) => Promise<boolean> {
  const say = whenChanged(log);
  let owesReload = false;

  async function replace(text: string): Promise<boolean> {
    const before = await textOf(file);
    await put(file, text);
    const fault = await faultOf('check', check);
    if (fault === undefined) {
      owesReload = reload !== undefined;
      log.info(`wrote ${file}`);
      return true;
    }
    if (before === undefined) await rm(file, {force: true});
    else await put(file, before);
    await put(`${file}.rejected`, text);
    complain('check', `${fault}: ${file} is refused: the old one stays, and what was refused is ${file}.rejected`);
    return false;
  }

  /** @returns what is wrong, a sentence. */
  async function faultOf(what: 'check' | 'reload', command: readonly string[] | undefined): Promise<string | undefined> {
    if (command === undefined) return undefined;
    const {ok, because} = await probeCommand({kind: 'command', command, timeoutMs: COMMAND_MS})(signal);
    if (ok) say(what, `--${what} is content`, {}, 'debug');
    return ok ? undefined : `--${what} failed: ${because}`;
  }

  function complain(what: 'check' | 'reload', complaint: string): void {
    if (!signal.aborted) say(what, complaint, {}, 'error');
  }

  return async (text) => {
    try {
      if ((await textOf(file)) !== text && !(await replace(text))) return false;
      const fault = owesReload ? await faultOf('reload', reload) : undefined;
      owesReload = fault !== undefined;
      if (fault !== undefined) complain('reload', fault);
      return fault === undefined;
    } catch (error) {
      say('file', `${file} cannot be written, and is tried again: ${reasonOf(error)}`, {}, 'error');
      return false;
    }
  };
}

async function textOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whole or not at all, also for a proxy that starts at this very moment. */
async function put(file: string, text: string): Promise<void> {
  const temporary = `${file}.${randomBytes(4).toString('hex')}.new`;
  try {
    const handle = await open(temporary, 'wx', 0o644);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, {force: true});
    throw error;
  }
}

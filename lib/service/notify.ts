// What systemd is told of an agent that it has started (Type=notify): that it is ready, what it does, and that its loop turns.
import {scriptRunner, type RunScript, type ScriptLog} from './script.ts';

/** Where systemd listens; none: it has not started this process, or does not want to know. */
export interface NotifySocket {
  readonly path: string;
  /** Without a sign of life for so long systemd kills the agent, ms; undefined: it does not watch. */
  readonly watchdogMs: number | undefined;
}

export interface Notifier {
  /** How often `alive` is to be said, ms; undefined: nobody listens for it. */
  readonly aliveEveryMs: number | undefined;
  /** Whether anybody listens at all. */
  readonly listening: boolean;
  ready(): void;
  /** A sentence of one line for `systemctl status`. */
  status(text: string): void;
  alive(): void;
  stopping(): void;
  /** Resolves when all that was said is out. */
  flush(): Promise<void>;
}

/** How long one message may take, ms. */
const SEND_LIMIT_MS = 5_000;
/** So many signs of life may get lost before systemd acts. */
const SIGNS = 3;

/** Takes it out of the environment: the service must not speak for the agent, nor keep a frozen one alive. */
export function takeNotifySocket(env: NodeJS.ProcessEnv, ownPid: number): NotifySocket | undefined {
  const {NOTIFY_SOCKET: path, WATCHDOG_USEC: usec, WATCHDOG_PID: pid} = env;
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) Reflect.deleteProperty(env, name);
  if (path === undefined || path === '') return undefined;
  const watchdogMs = Number(usec) / 1_000;
  const meant = pid === undefined || Number(pid) === ownPid;
  return {path, watchdogMs: meant && watchdogMs > 0 ? watchdogMs : undefined};
}

/**
 * Node has no datagram sockets of the unix kind, so systemd-notify of the systemd package speaks: one short process for each message, one
 * at a time, what is said meanwhile goes into the next.
 */
export function createNotifier(
  socket: NotifySocket | undefined,
  log: ScriptLog,
  run: RunScript = scriptRunner(log, '/'),
): Notifier {
  let waiting = new Map<string, string>();
  let sending: Promise<void> | undefined;
  let failed = '';

  async function sendAll(path: string): Promise<void> {
    for (; waiting.size > 0;) {
      const words = [...waiting].map(([name, value]) => `${name}=${value}`);
      waiting = new Map();
      const command = ['systemd-notify', ...words];
      const environment = {...process.env, NOTIFY_SOCKET: path};
      const {status, because} = await run({name: 'systemd-notify', command, environment, timeoutMs: SEND_LIMIT_MS}).done;
      const failure = status === 0 ? '' : because;
      if (failure !== '' && failure !== failed) log.warn('systemd cannot be told what this agent does', {because: failure});
      failed = failure;
    }
  }

  function say(name: string, value: string): void {
    if (!socket) return;
    waiting.set(name, value);
    sending ??= sendAll(socket.path).finally(() => (sending = undefined));
  }

  return {
    aliveEveryMs: socket?.watchdogMs === undefined ? undefined : socket.watchdogMs / SIGNS,
    listening: socket !== undefined,
    ready: () => say('READY', '1'),
    status: (text) => say('STATUS', text.replace(/\s+/g, ' ')),
    alive: () => say('WATCHDOG', '1'),
    stopping: () => say('STOPPING', '1'),
    flush: async () => sending,
  };
}

// The systemd unit of an agent, as text.

export interface AgentUnitPlan {
  readonly description: string;
  /** Program and arguments of the agent; absolute. */
  readonly command: readonly string[];
  readonly environment: readonly (readonly [name: string, value: string])[];
  /** Undefined: root. */
  readonly user: string | undefined;
  readonly group: string | undefined;
  readonly workingDirectory: string;
  /** Below /var/lib, made by systemd for the user; undefined: it is somewhere else, and there already. */
  readonly stateDirectory: string | undefined;
  /** Without a sign of life for so long the agent is killed and started again, ms. */
  readonly watchdogMs: number;
  /** How long a clean end may take, ms. */
  readonly stopMs: number;
}

/** By its first line a unit is known as made here. */
export const UNIT_MARK = '# Made by "ha-agent service install".';

/**
 * The service of kind `exec` and every command run inside of it, so nothing here restricts what they may see or do.
 * - KillMode=process: the guardian outlives the agent, stops the service in order and releases the lock; the next agent meets it.
 * - no RequiresMountsFor=: an agent whose share is not mounted waits, and says so; it must neither be kept from starting nor be ended.
 * - WatchdogSignal=SIGKILL: an agent that is stopped does not react to SIGABRT.
 * - no OOMScoreAdjust=: the service would inherit it.
 */
export function agentUnitText(plan: AgentUnitPlan): string {
  const {user, group, stateDirectory} = plan;
  const lines = [
    `${UNIT_MARK} Change it by saying that again, or with "systemctl edit".`,
    '[Unit]',
    `Description=${plain(plan.description)}`,
    'Wants=network-online.target',
    'After=network-online.target remote-fs.target',
    'StartLimitIntervalSec=0',
    '',
    '[Service]',
    'Type=notify',
    // systemd-notify speaks for the agent, which only root may do in the name of the main process.
    `NotifyAccess=${user === undefined ? 'main' : 'all'}`,
    `ExecStart=${plan.command.map(commandWord).join(' ')}`,
    'ExecReload=/bin/kill -HUP $MAINPID',
    ...(user === undefined ? [] : [`User=${user}`]),
    ...(group === undefined ? [] : [`Group=${group}`]),
    ...(stateDirectory === undefined ? [] : [`StateDirectory=${plain(stateDirectory)}`, 'StateDirectoryMode=0700']),
    `WorkingDirectory=${plain(plan.workingDirectory)}`,
    ...plan.environment.map(([name, value]) => `Environment=${quoted(`${name}=${value}`)}`),
    `WatchdogSec=${seconds(plan.watchdogMs)}`,
    'WatchdogSignal=SIGKILL',
    'Restart=on-failure',
    'RestartSec=1s',
    // Refused: the configuration, a live agent, a master that exists. Trying again would not help.
    'RestartPreventExitStatus=3',
    'KillMode=process',
    `TimeoutStopSec=${seconds(plan.stopMs)}`,
    'OOMPolicy=continue',
    'TasksMax=infinity',
    '',
    '[Install]',
    'WantedBy=multi-user.target',
    '',
  ];
  return lines.join('\n');
}

/** A word of a command line: quoted, nothing expanded. */
export const commandWord = (word: string): string => quoted(word).replaceAll('$', '$$$$');

/** In quotes where it needs them; `%` would begin a specifier. */
function quoted(text: string): string {
  const escaped = text
    .replace(/[\\"]/g, '\\$&')
    .replace(/[\0-\x1f\x7f]/g, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
    .replaceAll('%', '%%');
  return /^[A-Za-z0-9@%+=:,./_-]+$/.test(text) ? escaped : `"${escaped}"`;
}

/** The rest of a line. */
const plain = (text: string): string => text.replace(/[\0-\x1f\x7f]/g, ' ').replaceAll('%', '%%');

const seconds = (ms: number): string => `${Math.ceil(ms / 1_000)}s`;

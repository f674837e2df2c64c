// Who may start a unit: nobody but the guardian. A drop-in asserts that a file is there, which the guardian makes before it starts the unit
// and removes before it stops it; the same file gives the unit its epoch. Both lie below /run and are gone after a reboot.
import {mkdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {dirname} from 'node:path';
import {ASK_MS, lookAtUnit, readIfThere, systemctl, type Looked} from './unit.ts';
import type {UnitSpec} from './wire.ts';

/** What the unit finds in its environment. */
const VARIABLES = ['HA_APP', 'HA_NODE_ID', 'HA_ROLE', 'HA_EPOCH', 'HA_URI', 'HA_PERSISTENCE_DIR'];
const SCOPE_NAME = /^ha-agent-guardian-[0-9a-f]+\.scope$/;

export const environmentFileOf = (app: string, unit: string): string => `/run/ha-agent/${app}/${unit.replaceAll('\\', '_')}.env`;

export const dropInOf = (unit: string): string => `/run/systemd/system/${unit}.d/50-ha-agent.conf`;

/**
 * What a guardian of a unit is started through: in a scope of its own it survives whatever systemd does to the agent's unit, and systemd
 * notices its end.
 */
export const guardianScope = (marker: string): string[] => [
  ...['systemd-run', '--quiet', '--scope', '--collect', `--unit=ha-agent-guardian-${marker}`],
  ...['--description=guardian of ha-agent', '--'],
];

/** The scope that this process runs in. */
export function ownScope(): string | undefined {
  const names = readFileSync('/proc/self/cgroup', 'latin1')
    .split('\n')
    .map((line) => line.slice(line.lastIndexOf('/') + 1));
  return names.find((name) => SCOPE_NAME.test(name));
}

/** @param scope with it, systemd stops the unit when the last process of that scope has gone. */
export function dropInText(environmentFile: string, stopTimeoutMs: number, scope: string | undefined): string {
  return [
    '# Made by ha-agent, which guards this unit: it runs under the lease of this node or not at all. It is gone after the next boot.',
    '# To have the unit without ha-agent before that, remove this file and say "systemctl daemon-reload".',
    '[Unit]',
    `AssertPathExists=${environmentFile}`,
    ...(scope === undefined ? [] : [`BindsTo=${scope}`, `After=${scope}`]),
    '[Service]',
    `EnvironmentFile=${environmentFile}`,
    `TimeoutStopSec=${stopTimeoutMs}ms`,
    '',
  ].join('\n');
}

/** As the quotes of an EnvironmentFile want it. */
export function environmentText(environment: NodeJS.ProcessEnv): string {
  const lines = VARIABLES.map((name) => `${name}="${(environment[name] ?? '').replace(/["\\$`]/g, '\\$&')}"`);
  return `${lines.join('\n')}\n`;
}

/** From now on the unit can be started. */
export function openGate(environmentFile: string, environment: NodeJS.ProcessEnv): void {
  replaceFile(environmentFile, environmentText(environment));
}

/** From now on it cannot, whoever asks; one that systemd has begun to start is seen as such. */
export function closeGate(environmentFile: string): void {
  rmSync(environmentFile, {force: true});
}

/** Sees to it that the drop-in is there and in force. @returns the unit with it. */
export async function guardUnit({unit, dropIn: file}: Pick<UnitSpec, 'unit' | 'dropIn'>, text: string): Promise<Looked> {
  const changed = readIfThere(file) !== text;
  if (changed) replaceFile(file, text);
  const looked = await lookAtUnit(unit);
  if (!looked.ok || (!changed && looked.look.dropIns.includes(file) && !looked.look.needsReload)) return looked;
  const {end, because} = await systemctl(['daemon-reload'], 4 * ASK_MS).answer;
  if (end.status !== 0) return {ok: false, because: `systemd does not read ${file}: ${because}`};
  return lookAtUnit(unit);
}

function replaceFile(file: string, text: string): void {
  mkdirSync(dirname(file), {recursive: true, mode: 0o755});
  const fresh = `${file}.new`;
  writeFileSync(fresh, text, {mode: 0o644});
  renameSync(fresh, file);
}

// Whether a systemd unit can be the service of a node: nobody but the guardian may start it.
import {readFile} from 'node:fs/promises';
import {HaError, reasonOf} from '../errors.ts';
import {controlGroupsOf, lookAtUnit, type UnitLook} from '../guardian/unit.ts';

/** Units whose state says whether they will start something. */
export type StateOf = (unit: string) => Promise<Pick<UnitLook, 'activeState' | 'fileState'> | undefined>;

export interface UnitVerdict {
  /** Why it cannot be the service, and what to do; undefined: it can. */
  readonly refusal: {readonly reason: string; readonly hint: string} | undefined;
  /** Sentences. */
  readonly warnings: readonly string[];
}

/** @returns warnings for the log. @throws HaError service.unusable */
export async function checkUnit(unit: string, uid: number): Promise<readonly string[]> {
  if (uid !== 0) throw unusable(unit, 'only root may start and stop units of the system', 'run the agent as root');
  const looked = await lookAtUnit(unit);
  if (!looked.ok) throw unusable(unit, looked.because, 'a unit needs systemd as the manager of this host: is "systemctl" there?');
  const ownGroups = await readFile('/proc/self/cgroup', 'latin1').catch((error: unknown) => reasonOf(error));
  if (controlGroupsOf(looked.look).some((group) => ownGroups.split('\n').some((line) => line.endsWith(`:${group}`))))
    throw unusable(unit, 'it is the unit of this agent itself', 'name the unit of the service');
  const {refusal, warnings} = await judgeUnit(looked.look, async (name) => {
    const other = await lookAtUnit(name);
    return other.ok ? other.look : undefined;
  });
  if (refusal) throw unusable(unit, refusal.reason, refusal.hint);
  return warnings;
}

/** Whatever would start it by itself, at boot or later, is refused; what cannot be told for certain is warned of. */
export async function judgeUnit(look: UnitLook, stateOf: StateOf): Promise<UnitVerdict> {
  const {id} = look;
  if (look.loadState !== 'loaded') {
    const hint = `see "systemctl status ${id}"`;
    return {refusal: {reason: `systemd has no usable unit of this name (${look.loadState})`, hint}, warnings: []};
  }
  if (/^(enabled|enabled-runtime)$/.test(look.fileState)) {
    const reason = 'it is enabled, so that it would run after a boot without the lease';
    return {refusal: {reason, hint: `say "systemctl disable ${id}": the agent starts it when this node is master`}, warnings: []};
  }
  const warnings: string[] = [];
  for (const trigger of look.triggers) {
    const state = await stateOf(trigger);
    const live = state && (state.activeState === 'active' || state.fileState.startsWith('enabled'));
    if (live) {
      const hint = `say "systemctl disable --now ${trigger}"`;
      return {refusal: {reason: `${trigger} starts it`, hint}, warnings: []};
    }
    warnings.push(`${id} would be started by ${trigger}: leave that disabled ("systemctl mask ${trigger}")`);
  }
  if (look.wantedBy.length > 0)
    warnings.push(`${id} is pulled in by ${look.wantedBy.join(', ')}: after a boot it may run until this agent stops it`);
  if (look.type === 'dbus' && look.busName !== '')
    warnings.push(`${id} may be started by D-Bus for whoever asks for ${look.busName}: after a boot until this agent runs`);
  if (look.killMode === 'process' || look.killMode === 'none')
    warnings.push(
      `${id} has KillMode=${look.killMode}: what it leaves behind is killed by the guardian after stopTimeout, by nobody if the guardian dies`,
    );
  return {refusal: undefined, warnings};
}

const unusable = (unit: string, reason: string, hint: string): HaError<'service.unusable'> =>
  new HaError('service.unusable', {unit, reason}, {message: `the unit ${unit} cannot be the service: ${reason}`, hint});

// Verdicts on this host: its clock, its guardian, its state directory, its watchdog, its floating addresses.
import {kindOfType} from '../agent/mount.ts';
import {watchdogTimingFault, WATCHDOG_TIMING_REMEDY} from '../agent/watchdog-timing.ts';
import type {Timing} from '../protocol/timing.ts';
import type {HostFound, StateDirFound} from './findings.ts';
import {ok, seconds, unsafe, warning, type Verdict} from './verdict.ts';

/** Two processes know the boot clock in steps of 10 ms each; a process that is kept waiting adds to it, ms. */
const CLOCK_STEPS_MS = 100;

export function hostVerdicts(host: HostFound, timing: Timing, user: number): Verdict[] {
  return [
    clock(host),
    scheduling(host, timing),
    guardian(host),
    stateDir(host.stateDir),
    watchdog(host, timing, user),
    ...floatingAddress(host),
  ];
}

function clock({clockDifferenceMs: difference}: HostFound): Verdict {
  const remedy =
    'see that /proc/uptime tells the uptime of the host, suspends counted; in a container, mount the /proc of the kernel';
  if (difference === undefined) return unsafe('clock', 'no second process could be asked for the time since boot', remedy);
  if (Math.abs(difference) > CLOCK_STEPS_MS)
    return unsafe(
      'clock',
      `a process that has just started reads the time since boot ${seconds(difference)} off: agent and guardian would not agree on a deadline`,
      remedy,
    );
  return ok('clock', `the time since boot, suspends counted, is the same in two processes (${difference} ms apart)`);
}

function scheduling({latenessMs}: HostFound, {safetyMarginMs}: Timing): Verdict {
  const reason = `a timer came ${seconds(latenessMs)} late at most; safetyMargin is ${seconds(safetyMarginMs)}`;
  if (latenessMs < safetyMarginMs / 2) return ok('scheduling', reason);
  return warning(
    'scheduling',
    `${reason}, from which the guardian has to kill what is left of the service`,
    'see what keeps this host from running its processes (swap, load, a virtual machine that is not given time), or raise safetyMargin and leaseTimeout',
  );
}

function guardian({containment}: HostFound): Verdict {
  if (containment.safe) return ok('guardian', containment.because);
  return warning('guardian', containment.because, 'run the agent as root, or with --containment namespace');
}

function stateDir({path, existing, writable, mountType}: StateDirFound): Verdict {
  const choose = 'choose another one with --stateDir';
  const what = existing === path ? path : `${path} (below ${existing}, which exists)`;
  if (!writable)
    return unsafe(
      'stateDir',
      `${what} cannot be written by this user: the agent would not start`,
      `let this user own it, or ${choose}`,
    );
  if (mountType !== undefined && kindOfType(mountType) !== 'local')
    return warning(
      'stateDir',
      `${what} lies on ${mountType}: what a node remembers must be there while the share is not`,
      choose,
    );
  if (mountType === 'tmpfs' || mountType === 'ramfs')
    return warning('stateDir', `${what} lies on ${mountType}: after a reboot the node has forgotten which store it knew`, choose);
  return ok('stateDir', `${what} is local and can be written`);
}

/** To open a watchdog is to arm it: permissions and attributes alone are looked at. */
function watchdog({watchdog: wanted, watchdogs}: HostFound, timing: Timing, user: number): Verdict {
  if (wanted) return wantedWatchdog(wanted, timing);
  const usable = watchdogs.filter((each) => each.usable).map(({device}) => device);
  if (watchdogs.length === 0)
    return ok(
      'watchdog',
      'there is none, and none is used: a host that freezes for longer than its lease is held off by HA_EPOCH alone',
    );
  if (usable.length > 0) return ok('watchdog', `${usable.join(', ')} may be opened by this user; none is used (--watchdog)`);
  return warning(
    'watchdog',
    `${watchdogs.map(({device}) => device).join(', ')} may not be opened by this user (uid ${user}); none is used`,
    'give this user write permission by a udev rule, before a watchdog is relied upon (--watchdog)',
  );
}

function wantedWatchdog({device, mode, look}: NonNullable<HostFound['watchdog']>, timing: Timing): Verdict {
  const bad = mode === 'required' ? unsafe : warning;
  if (!look.usable) return bad('watchdog', look.because, look.remedy);
  const fault = watchdogTimingFault(timing, look.timeoutMs);
  if (fault !== undefined) return bad('watchdog', fault, WATCHDOG_TIMING_REMEDY);
  return ok(
    'watchdog',
    `${device} may be opened, and fires ${seconds(look.timeoutMs)} after it is fed last: before the lease ends`,
  );
}

function floatingAddress({vip}: HostFound): Verdict[] {
  if (!vip) return [];
  const {addresses, needs} = vip;
  if (needs.length === 0)
    return [ok('vip', `${addresses}: this user may hold it here, and the programs that announce it are there`)];
  const [because, remedy] = [needs.map((need) => need.because), needs.map((need) => need.remedy)];
  return [unsafe('vip', `${addresses} cannot be held here: ${because.join('; ')}`, remedy.join('; '))];
}

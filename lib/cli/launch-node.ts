// Runs a node from its first breath to its last: what is opened on the way is closed at the end, in the opposite order.
import {randomBytes} from 'node:crypto';
import {hostname} from 'node:os';
import type {Ending} from '../agent/agent.ts';
import {AloneNode} from '../agent/alone.ts';
import {createGuardianPort} from '../agent/guardian-port.ts';
import {formatKept, keep, type KeptGuardian} from '../agent/kept-guardians.ts';
import {openLocalState} from '../agent/local-state.ts';
import {mountKindOf} from '../agent/mount.ts';
import type {Clock} from '../agent/ports.ts';
import type {Prelude} from '../agent/prelude.ts';
import {promiseLine} from '../agent/promise.ts';
import {createSwitchboard} from '../agent/switchboard.ts';
import {describeChange} from '../config/changes.ts';
import type {Config} from '../config/config.ts';
import {watchConfig, type ConfigWatch, type ReloadReport} from '../config/watch.ts';
import type {Key} from '../config/options.ts';
import {describeError, describeProblem, exitStatus} from '../errors.ts';
import {bootNow} from '../guardian/clock.ts';
import {probeContainment} from '../guardian/containment-probe.ts';
import type {RootLog} from '../log/log.ts';
import {instanceId} from '../protocol/words.ts';
import {createReadiness} from '../service/checks.ts';
import {createNotifier, takeNotifySocket} from '../service/notify.ts';
import {attend} from './launch-attendants.ts';
import {attendSystemd} from './launch-notify.ts';
import {attendFence} from './launch-fence.ts';
import {removeLeftAddresses, settleWatchdog} from './launch-around.ts';
import type {Workbench} from './launch-bench.ts';
import {beginLaunch} from './launch-begin.ts';
import {joinCluster, type ClusterNode} from './launch-cluster.ts';
import {settleEarlier} from './launch-earlier.ts';
import {serveHttp} from './launch-http.ts';
import {guardianSetup, specOf} from './launch-service.ts';
import {leaveProcess} from './leave-process.ts';
import {NOTHING_TO_KEEP_BY} from './keep-service.ts';
import {refuseLiveStore} from './live-store.ts';
import {VERSION} from './version.ts';

/** Never returns: the process ends with the status that interface.md promises. */
export async function launchNode(config: Config, load: () => Promise<Config>): Promise<never> {
  // Before anything is started that would inherit it.
  const notifySocket = takeNotifySocket(process.env, process.pid);
  const {log, closers, failure} = await beginLaunch(config);
  const notifier = createNotifier(notifySocket, log);
  let code: number;
  try {
    if (failure) throw failure;
    const ending = await runNode(config, load, {log, notifier, closers});
    log.info(`ended: ${ending.because}`, {code: ending.code});
    code = ending.code;
  } catch (error) {
    for (const line of describeError(error).split('\n')) log.error(line.trim());
    code = exitStatus(error);
  }
  for (const close of closers.reverse()) await close();
  await log.close();
  return leaveProcess(code);
}

async function runNode(
  given: Config,
  load: () => Promise<Config>,
  {log, notifier, closers}: Pick<Workbench, 'log' | 'notifier' | 'closers'>,
): Promise<Ending> {
  const config = await settleWatchdog(given, log);
  const instance = instanceId(randomBytes(4).toString('hex'));
  const state = await openLocalState(config.stateDir);
  await state.claim(instance, config.highAvailability === 'disabled' ? 'alone' : 'member');
  const clock: Clock = {now: bootNow, wallMs: () => Date.now()};
  const prelude: Prelude = {version: VERSION, instanceId: instance, startedAtWallMs: clock.wallMs(), uri: null};
  const held = await hold(config);
  const bench: Workbench = {
    config,
    log,
    notifier,
    clock,
    prelude,
    state,
    instance,
    ...held,
    leaving: new AbortController(),
    closers,
  };
  for (const warning of config.warnings) log.warn(warning);
  return config.highAvailability === 'disabled' ? runAlone(bench, load) : runInCluster(bench, load);
}

/** Without being asked, commands of `ensure` and `systemd` are at least made to die with the guardian. */
async function hold(config: Config): Promise<Pick<Workbench, 'containment' | 'launcher'>> {
  if (config.service.kind === 'exec') {
    const containment = await probeContainment(config.containment);
    return {containment, launcher: []};
  }
  const launcher = config.service.kind === 'none' ? [] : (await probeContainment('group')).launcher;
  return {containment: undefined, launcher};
}

async function runInCluster(bench: Workbench, load: () => Promise<Config>): Promise<Ending> {
  const {config, prelude, clock, leaving, log, state, closers} = bench;
  const joined: {node?: ClusterNode} = {};
  const end = (because: string, keepService: boolean): void => {
    leaving.abort(because);
    joined.node?.agent.mailbox.end(because, keepService);
  };
  const board = createSwitchboard(config, prelude, clock, () => end('a shutdown was requested', false));
  const http = await serveHttp(config, board.port, log);
  closers.push(() => http.close());
  prelude.uri = http.uri;
  await state.setUrl(http.url);
  const attendants = [attend(bench, board.port)];
  const changed = new Set<Key>();
  let latest = config;
  const watch = await watchConfiguration(bench, load, (next, keys) => {
    latest = next;
    for (const key of keys) changed.add(key);
    for (const attendant of attendants) attendant.configure(next);
    // What changes before there is a node is taken over when there is.
    if (!joined.node) return;
    joined.node.configure(next, new Set(keys));
  });
  listenToSignals(bench, end, async () => {
    await watch.reload();
    await http.reload();
  });
  await announce(bench, http.url);
  attendSystemd(bench, board.port);
  const node = await joinCluster(bench, board);
  if (!node) return {code: 0, because: String(leaving.signal.reason)};
  joined.node = node;
  attendants.push(attendFence({...bench, config: latest}, node.agent));
  if (changed.size > 0) node.configure(latest, changed);
  if (leaving.signal.aborted) node.agent.mailbox.end(String(leaving.signal.reason), false);
  return node.agent.ended;
}

async function runAlone(bench: Workbench, load: () => Promise<Config>): Promise<Ending> {
  const {config, prelude, clock, log, state, instance, closers} = bench;
  await refuseLiveStore(config);
  const setup = guardianSetup(config, prelude, undefined, bench);
  let kept: readonly KeptGuardian[] = [];
  const guardian = createGuardianPort({
    instanceId: instance,
    stateDir: state.dir,
    setup,
    earlier: undefined,
    remember(record) {
      kept = keep(kept, instance, record);
      return state.setGuardian(formatKept(kept));
    },
    lost: () => undefined,
    blocked: () => undefined,
    log,
  });
  const readiness = createReadiness(checksAlone(config));
  const node = new AloneNode({config, prelude, clock, guardian, readiness, log});
  const http = await serveHttp(config, node.port, log);
  closers.push(() => http.close());
  prelude.uri = http.uri;
  await state.setUrl(http.url);
  const attendants = attend(bench, node.port);
  const watch = await watchConfiguration(bench, load, (next, keys) => {
    attendants.configure(next);
    readiness.configure(checksAlone(next));
    if (next.service.kind === 'ensure') guardian.setService(specOf(next, bench));
    if (keys.includes('uri') && next.http.uri !== undefined) prelude.uri = next.http.uri;
    node.configure(next);
  });
  const end = (because: string, keepService: boolean): void => {
    if (keepService) log.warn(`SIGUSR2 is not followed: ${NOTHING_TO_KEEP_BY}; SIGTERM stops the node with its service`);
    else node.end(because);
  };
  listenToSignals(bench, end, async () => {
    await watch.reload();
    await http.reload();
  });
  await announce(bench, http.url);
  attendSystemd(bench, node.port);
  const start = async (): Promise<void> => {
    // What an earlier instance has left is ended: nobody alone has a lease that could be adopted.
    const earlier = await settleEarlier(bench, () => undefined, false);
    if (!earlier) return;
    kept = earlier.kept;
    if (await removeLeftAddresses(bench, earlier, () => undefined)) await node.start();
  };
  await Promise.race([start(), node.ended]);
  return node.ended;
}

/** Nobody else could take over: what is known of the node is a part of what is known of the service. */
const checksAlone = ({health}: Config): Config['health'] => health.filter(({on}) => on !== 'standby');

/** The line that says what this node promises goes to standard output, before anything else happens. */
async function announce({config, containment}: Workbench, url: string): Promise<void> {
  const mount = config.persistenceDir === undefined ? undefined : await mountKindOf(config.persistenceDir);
  process.stdout.write(`${promiseLine(config, url, containment, mount)}\n`);
}

async function watchConfiguration(
  bench: Workbench,
  load: () => Promise<Config>,
  apply: (config: Config, changed: readonly Key[]) => void,
): Promise<ConfigWatch> {
  const {log, config} = bench;
  const around = {env: process.env, cwd: process.cwd(), hostname: hostname(), uid: process.getuid?.() ?? 0};
  const report = (found: ReloadReport): void => {
    reportReload(log, found);
    if (found.kind !== 'changed') return;
    log.setLevel(found.config.log.level);
    apply(
      found.config,
      found.changes.applied.map((change) => change.key),
    );
  };
  const watch = await watchConfig(config, {load, around, report});
  bench.closers.push(() => watch.close());
  return watch;
}

function reportReload(log: RootLog, report: ReloadReport): void {
  switch (report.kind) {
    case 'changed': {
      const {applied, pending} = report.changes;
      if (applied.length > 0) log.info('the configuration has changed', {applied: applied.map((change) => change.key).join(' ')});
      for (const change of pending) log.warn(`this change needs a restart: ${describeChange(change)}`);
      return;
    }
    case 'unchanged':
      return log.info('the configuration was read again: nothing has changed');
    case 'refused':
      log.error('the configuration was read again and is refused: the last good one stays');
      for (const problem of report.error.details.problems) log.error(describeProblem(problem));
      return;
    case 'gone':
      return log.warn(`the config file ${report.file} is gone: the last good configuration stays`);
    case 'notWatched':
      return log.warn(`the config file ${report.file} is not watched, because ${report.because}: reload with SIGHUP`);
    default:
      return report satisfies never;
  }
}

/**
 * SIGTERM and SIGINT end the node cleanly, SIGUSR2 keeps the service for the next agent if there is a lease, SIGHUP reads configuration,
 * users and certificates again. A second SIGINT ends the agent at once: its guardian stops the service.
 */
function listenToSignals(
  {log}: Workbench,
  end: (because: string, keepService: boolean) => void,
  reload: () => Promise<void>,
): void {
  let interrupted = false;
  process.on('SIGTERM', () => end('SIGTERM', false));
  process.on('SIGUSR2', () => end('SIGUSR2: the service is kept for the next agent', true));
  process.on('SIGHUP', () => {
    reload().catch((error: unknown) => log.error(describeError(error)));
  });
  process.on('SIGINT', () => {
    if (interrupted) process.kill(process.pid, 'SIGKILL');
    interrupted = true;
    end('SIGINT', false);
  });
}

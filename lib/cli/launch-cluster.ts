// A node joins its cluster: what the earlier instance left, which store, and the agent that takes part.
import {createAgent, type Agent} from '../agent/agent.ts';
import {createGuardianPort, type ChangeableGuardian} from '../agent/guardian-port.ts';
import {formatKept, keep} from '../agent/kept-guardians.ts';
import type {KnownStore} from '../agent/local-state.ts';
import {openOurStore} from '../agent/open-store.ts';
import type {GuardianPort, NodeHealth, Readiness} from '../agent/ports.ts';
import type {Switchboard} from '../agent/switchboard.ts';
import {createHintChannel} from '../client/hint-channel.ts';
import type {Config} from '../config/config.ts';
import type {Key} from '../config/options.ts';
import {HaError, reasonOf} from '../errors.ts';
import type {GuardianRecord} from '../guardian/record.ts';
import type {Settings} from '../protocol/agent-state.ts';
import {parseLockName} from '../protocol/lock-name.ts';
import {epoch, type Epoch} from '../protocol/words.ts';
import type {Store} from '../store/contract.ts';
import {createReadiness} from '../service/checks.ts';
import {createFitnessWatch} from '../service/fitness.ts';
import {lockDirOf, storePaths} from '../store/paths.ts';
import {attendWatchdog, removeLeftAddresses} from './launch-around.ts';
import {groupOf} from './group.ts';
import type {Workbench} from './launch-bench.ts';
import {settleEarlier, type EarlierInstances} from './launch-earlier.ts';
import {checksOf, guardianSetup, passiveOf, settingsOf, specOf} from './launch-service.ts';

export interface ClusterNode {
  readonly agent: Agent;
  /** Takes over what has changed; what was set over HTTP since stays where the configuration did not change. */
  configure(config: Config, changed: ReadonlySet<Key>): void;
}

/** @returns undefined if the node was told to end before it found its store. */
export async function joinCluster(bench: Workbench, board: Switchboard): Promise<ClusterNode | undefined> {
  const {config, state, log, leaving} = bench;
  const {leaseTimeoutMs} = config.timing;
  const persistenceDir = config.persistenceDir ?? '';
  const knownBefore = await state.knownStore();
  const earlier = await settleEarlier(bench, (because) => board.waiting(because));
  if (!earlier) return undefined;
  if (!(await removeLeftAddresses(bench, earlier, (because) => board.waiting(because)))) return undefined;
  const store = await openOurStore(
    {
      persistenceDir,
      app: config.app,
      nodeId: config.nodeId,
      knownStoreId: knownBefore?.storeId,
      storeGroup: config.storeGroup,
      create: config.highAvailability === 'master' ? {leaseTimeoutMs, group: () => groupOf(config)} : undefined,
      pollIntervalMs: config.timing.pollIntervalMs,
      log,
      waiting: (because) => board.waiting(because),
    },
    leaving.signal,
  );
  if (!store) return undefined;
  if (knownBefore && knownBefore.storeId !== store.storeId) await refuseSmallerEpoch(bench, store, knownBefore);
  const known = knownBefore?.epoch ?? epoch(0);
  await state.adoptStore({storeId: store.storeId, epoch: known});
  const readiness = createReadiness(checksOf(config).service);
  const health = createFitnessWatch(checksOf(config).node);
  const {agent, guardian} = buildAgent(bench, store, {known, earlier, readiness, health});
  board.connect(agent.port);
  attendWatchdog(bench, agent.fitness);
  agent.start();
  prove(agent, earlier);
  return {
    agent,
    configure(next, changed) {
      readiness.configure(checksOf(next).service);
      health.configure(checksOf(next).node);
      agent.mailbox.configure(changedSettings(next, changed));
      if (next.service.kind === 'ensure') guardian.setService(specOf(next, bench));
      if (changed.has('uri') && next.http.uri !== undefined) agent.input({type: 'uri', uri: next.http.uri});
    },
  };
}

/** Mode and priority may have been set over HTTP: only a change of their own key overrides that. */
function changedSettings(config: Config, changed: ReadonlySet<Key>): Partial<Settings> {
  const {mode, priority, ...rest} = settingsOf(config);
  return {...rest, ...(changed.has('highAvailability') && {mode}), ...(changed.has('priority') && {priority})};
}

/** The operator has accepted this store in the place of the one we knew, and did not know how far that one had come. @throws HaError store.notOurs */
async function refuseSmallerEpoch({config, state}: Workbench, store: Store, known: KnownStore): Promise<void> {
  const listing = await store.list(true);
  const names = listing.kind === 'names' ? listing.names.flatMap((name) => parseLockName(name) ?? []) : [];
  const [name] = names;
  if (names.length !== 1 || !name || name.epoch >= known.epoch) return;
  const dir = config.persistenceDir ?? '';
  throw new HaError(
    'store.notOurs',
    {dir, known: known.storeId, found: store.storeId},
    {
      message:
        `the store ${store.storeId} was accepted in the place of ${known.storeId} and has come to epoch ${name.epoch}, ` +
        `but this node has known epoch ${known.epoch} (${state.dir})`,
      hint: 'stop every node, and say "ha-agent accept" again on this node, so that the epochs go on above the one it knows',
    },
  );
}

interface Given {
  readonly known: Epoch;
  readonly earlier: EarlierInstances;
  readonly readiness: Readiness;
  readonly health: NodeHealth;
}

interface Built {
  readonly agent: Agent;
  readonly guardian: ChangeableGuardian;
}

function buildAgent(bench: Workbench, store: Store, {known, earlier, readiness, health}: Given): Built {
  const {config, clock, prelude, instance, log, state} = bench;
  const paths = storePaths(config.persistenceDir ?? '', config.app);
  const setup = guardianSetup(config, prelude, lockDirOf(paths.root, store.storeId), bench);
  let {kept} = earlier;
  const port = createGuardianPort({
    instanceId: instance,
    stateDir: state.dir,
    setup,
    earlier: earlier.living,
    remember(record: GuardianRecord) {
      kept = keep(kept, instance, record);
      return state.setGuardian(formatKept(kept));
    },
    lost(proven) {
      earlier.lost(proven);
      prove(agent, earlier);
    },
    blocked: (because) => agent.fitness.note('guardian', because),
    log,
  });
  const passive = passiveOf(config);
  const guardian: GuardianPort =
    passive?.proves === true
      ? {...port, checkPassive: (backoffMs) => provePassive(() => port.checkPassive(backoffMs), agent, earlier)}
      : port;
  const channel = createHintChannel({onHint: () => agent.port.hint(), signal: bench.leaving.signal});
  const settings = settingsOf(config);
  const hasService = config.runs;
  const agent: Agent = createAgent(
    {nodeId: config.nodeId, instanceId: instance, timing: config.timing, hasService},
    {
      version: prelude.version,
      app: config.app,
      persistenceDir: paths.persistenceDir,
      settings,
      passive,
      serviceUri: config.serviceUri,
    },
    known,
    {
      clock,
      store,
      guardian,
      readiness,
      health,
      log,
      rememberEpoch: (at) => rememberEpoch(bench, store.storeId, at),
      followMaster: (uri) => channel.follow(uri),
    },
  );
  agent.input({type: 'uri', uri: prelude.uri ?? ''});
  if (passive) agent.fitness.note('passive', 'its passive form has not been run yet');
  return {agent, guardian: port};
}

/** Not having it is no danger, only a later alarm: the node goes on and says so. */
async function rememberEpoch({state, log}: Workbench, storeId: string, at: Epoch): Promise<void> {
  try {
    await state.rememberEpoch(storeId, at);
  } catch (error) {
    log.error('the largest epoch could not be written to the state directory', {reason: reasonOf(error), stateDir: state.dir});
  }
}

function prove(agent: Agent, earlier: EarlierInstances): void {
  for (const instanceId of earlier.proven()) agent.input({type: 'proof', proof: {kind: 'local', instanceId}});
}

/** For `ensure`, the success of the passive form is the proof that an earlier instance's service does not run. */
async function provePassive(
  check: () => ReturnType<GuardianPort['checkPassive']>,
  agent: Agent,
  earlier: EarlierInstances,
): ReturnType<GuardianPort['checkPassive']> {
  const result = await check();
  if (!result.ok) return result;
  const before = earlier.proven().length;
  earlier.passive();
  if (earlier.proven().length > before) prove(agent, earlier);
  return result;
}

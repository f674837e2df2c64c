// A node joins its cluster: what the earlier instance left, which store, and the agent that takes part.
import {createAgent, type Agent} from '../agent/agent.ts';
import {lookAtEarlier, parseKept, type Earlier, type KeptGuardian} from '../agent/earlier.ts';
import {createGuardianPort} from '../agent/guardian-port.ts';
import {openOurStore} from '../agent/open-store.ts';
import type {GuardianPort, Readiness} from '../agent/ports.ts';
import type {Switchboard} from '../agent/switchboard.ts';
import {createHintChannel} from '../client/hint-channel.ts';
import type {Config} from '../config/config.ts';
import {reasonOf} from '../errors.ts';
import {killGuardian, type GuardianRecord} from '../guardian/record.ts';
import {epoch, type Epoch} from '../protocol/words.ts';
import type {Store} from '../store/contract.ts';
import {createReadiness} from '../service/checks.ts';
import {lockDirOf, storePaths} from '../store/paths.ts';
import type {Workbench} from './launch-bench.ts';
import {guardianSetup, settingsOf} from './launch-service.ts';

export interface ClusterNode {
  readonly agent: Agent;
  /** What may change while the node runs. */
  configure(config: Config): void;
}

/** @returns undefined if the node was told to end before it found its store. */
export async function joinCluster(bench: Workbench, board: Switchboard): Promise<ClusterNode | undefined> {
  const {config, state, log, leaving} = bench;
  const persistenceDir = config.persistenceDir ?? '';
  const knownBefore = await state.knownStore();
  const kept = parseKept(await state.guardian());
  const earlier = await settleEarlier(bench, kept);
  const store = await openOurStore(
    {
      persistenceDir,
      app: config.app,
      nodeId: config.nodeId,
      knownStoreId: knownBefore?.storeId,
      createWithLeaseTimeoutMs: config.highAvailability === 'master' ? config.timing.leaseTimeoutMs : undefined,
      pollIntervalMs: config.timing.pollIntervalMs,
      log,
      waiting: (because) => board.waiting(because),
    },
    leaving.signal,
  );
  if (!store) return undefined;
  const known = knownBefore?.epoch ?? epoch(0);
  await state.adoptStore({storeId: store.storeId, epoch: known});
  const readiness = createReadiness(config.health);
  const agent = buildAgent(bench, store, {known, earlier, kept, readiness});
  board.connect(agent.port);
  agent.start();
  prove(agent, earlier, kept);
  return {
    agent,
    configure(next) {
      readiness.configure(next.health);
      agent.mailbox.configure(settingsOf(next));
      if (next.http.uri !== undefined) agent.input({type: 'uri', uri: next.http.uri});
    },
  };
}

interface Given {
  readonly known: Epoch;
  readonly earlier: Earlier;
  readonly kept: KeptGuardian | undefined;
  readonly readiness: Readiness;
}

function buildAgent(bench: Workbench, store: Store, {known, earlier, kept, readiness}: Given): Agent {
  const {config, clock, prelude, instance, log, state} = bench;
  const paths = storePaths(config.persistenceDir ?? '', config.app);
  const setup = guardianSetup(config, prelude, lockDirOf(paths.root, store.storeId), bench);
  const found = earlier.kind === 'guardian' ? earlier.record : undefined;
  const remember = (record: GuardianRecord): Promise<void> => {
    const obeyed = record.marker === kept?.record.marker ? kept.instances : [];
    return state.setGuardian({instances: [...obeyed, instance], record});
  };
  const port = createGuardianPort({instanceId: instance, stateDir: state.dir, setup, earlier: found, remember, log});
  const guardian: GuardianPort = {...port, checkPassive: () => provePassive(port, agent, earlier, kept)};
  const channel = createHintChannel({onHint: () => agent.port.hint(), signal: bench.leaving.signal});
  const settings = settingsOf(config);
  const hasService = config.service.kind !== 'none';
  const passiveIntervalMs = config.service.kind === 'ensure' ? config.service.monitorIntervalMs : undefined;
  const agent: Agent = createAgent(
    {nodeId: config.nodeId, instanceId: instance, timing: config.timing, hasService},
    {version: prelude.version, app: config.app, persistenceDir: paths.persistenceDir, settings, passiveIntervalMs},
    known,
    {
      clock,
      store,
      guardian,
      readiness,
      log,
      rememberEpoch: (at) => rememberEpoch(bench, store.storeId, at),
      followMaster: (uri) => channel.follow(uri),
    },
  );
  agent.input({type: 'uri', uri: prelude.uri ?? ''});
  if (passiveIntervalMs !== undefined)
    agent.input({type: 'fitness', ok: false, because: 'its passive form has not been run yet'});
  return agent;
}

/** Not having it is no danger, only a later alarm: the node goes on and says so. */
async function rememberEpoch({state, log}: Workbench, storeId: string, at: Epoch): Promise<void> {
  try {
    await state.rememberEpoch(storeId, at);
  } catch (error) {
    log.error('the largest epoch could not be written to the state directory', {reason: reasonOf(error), stateDir: state.dir});
  }
}

/** What a dead guardian could not take along is ended here, before anybody else may be elected. */
async function settleEarlier(bench: Workbench, kept: KeptGuardian | undefined): Promise<Earlier> {
  const found = lookAtEarlier(kept?.record);
  logEarlier(bench, found);
  if (found.kind !== 'left' || !kept) return found;
  const result = await killGuardian(kept.record, true, LEFTOVERS_MS);
  bench.log.warn(`processes that the earlier instance left were killed: ${result.because}`);
  return lookAtEarlier(kept.record);
}

/** How long processes that an earlier instance left may take to die of SIGKILL, ms. */
const LEFTOVERS_MS = 10_000;

function prove(agent: Agent, earlier: Earlier, kept: KeptGuardian | undefined): void {
  if (earlier.kind !== 'proven' || !kept) return;
  for (const instanceId of kept.instances) agent.input({type: 'proof', proof: {kind: 'local', instanceId}});
}

/** For `ensure`, the success of the passive form is the proof that the earlier instance's service does not run. */
async function provePassive(
  port: GuardianPort,
  agent: Agent,
  earlier: Earlier,
  kept: KeptGuardian | undefined,
): ReturnType<GuardianPort['checkPassive']> {
  const result = await port.checkPassive();
  if (result.ok && earlier.kind === 'passive') prove(agent, {kind: 'proven', because: result.because}, kept);
  return result;
}

function logEarlier({log}: Workbench, earlier: Earlier): void {
  switch (earlier.kind) {
    case 'nothing':
      return log.debug('no local proof about an earlier instance', {because: earlier.because});
    case 'guardian':
      return log.info('the guardian of an earlier agent lives', {pid: earlier.record.guardian.pid});
    case 'proven':
      return log.info('the earlier instance on this host is proven dead', {because: earlier.because});
    case 'passive':
      return log.info('the earlier instance on this host is dead; its service is asked for with the passive form');
    case 'left':
      return log.warn('processes of the earlier instance are left: this node waits like any other', {
        pids: earlier.pids.join(' '),
      });
    default:
      return earlier satisfies never;
  }
}

// switchover: a planned change of owner, followed to its end.
import {HaError} from '../errors.ts';
import type {Config} from '../config/config.ts';
import {parseLockName} from '../protocol/lock-name.ts';
import type {Epoch} from '../protocol/words.ts';
import {requestSwitchover} from '../store/admin.ts';
import type {StorePaths} from '../store/paths.ts';
import {readSnapshot, type Snapshot} from '../store/snapshot.ts';
import {lockNames} from '../store/watch.ts';
import {carryOut} from './wish.ts';
import {lookTwice, sleep, viewCluster, type ClusterView} from './cluster-view.ts';
import {clusterOptions, configOf, nodeArgument, operator, pathsOf, print, wantsJson, type Call, type Command} from './command.ts';

export const commands: readonly Command[] = [
  {
    usage: 'switchover',
    describe: 'planned change of the master; waits for the outcome',
    example: ['$0 switchover --to n2 --persistenceDir /mnt/ha', 'before working on the host of the master'],
    options: {...clusterOptions, to: {type: 'string', describe: 'the next master [ID]', requiresArg: true}},
    run: switchover,
  },
];

/** How often the store is looked at while a change is under way, ms. */
const LOOK_MS = 100;

async function switchover(call: Call): Promise<void> {
  const config = await configOf(call);
  const paths = pathsOf(config);
  const to = call.argv['to'] === undefined ? undefined : nodeArgument(call, 'to');
  const view = await lookTwice(paths, config.timing.heartbeatIntervalMs);
  const epoch = refuseHopeless(view, to);
  const ask = async (): Promise<void> => {
    await requestSwitchover(paths, {epoch, to}, operator());
    say(call, `asked ${view.owner ?? 'the owner'} to give epoch ${epoch} to ${to ?? 'the next node'}`);
  };
  const master = await carryOut(paths, {epoch, to}, ask, (signal) => followChange(call, config, paths, {epoch, to}, signal));
  print(call, {from: view.owner ?? null, to: master, epoch}, `${master} is MASTER`);
}

/** @returns the epoch that is to be given up. @throws HaError cluster.refused with what stands against it. */
function refuseHopeless(view: ClusterView, to: string | undefined): Epoch {
  const refuse = (reason: string, hint: string): never => {
    throw new HaError('cluster.refused', {what: 'switchover', reason}, {message: `no switchover: ${reason}`, hint});
  };
  const {lock, owner} = view;
  if (lock?.kind !== 'held' || owner === undefined) return refuse('nobody holds the lease', 'see "ha-agent status" for why');
  if (view.paused) return refuse('the cluster is paused', 'end that with "ha-agent resume"');
  if (owner === to) return refuse(`${to} is the owner already`, 'nothing needs to be done');
  const master = view.nodes.find((node) => node.nodeId === owner);
  if (!master?.alive) return refuse(`the owner ${owner} does not answer`, 'wait for the failover, or use "ha-agent promote"');
  const others = view.nodes.filter((node) => node.nodeId !== owner && node.eligible);
  if (to !== undefined && !others.some((node) => node.nodeId === to)) {
    const because = view.nodes.find((node) => node.nodeId === to)?.because ?? 'it has no record here';
    return refuse(
      `${to} is not alive and eligible: ${because}`,
      `eligible are: ${others.map((node) => node.nodeId).join(', ') || 'none'}`,
    );
  }
  if (others.length === 0) return refuse('no other node is alive and eligible', 'start another agent first');
  return lock.epoch;
}

/**
 * Follows a change away from `epoch` until a MASTER is there, and prints each phase.
 * @returns the new master. @throws HaError cluster.failed if it did not come true.
 */
export async function followChange(
  call: Call,
  config: Config,
  paths: StorePaths,
  wish: {readonly epoch: Epoch; readonly to: string | undefined},
  signal: AbortSignal,
): Promise<string> {
  const {leaseTimeoutMs, stopTimeoutMs} = config.timing;
  const limitMs = 2 * leaseTimeoutMs + stopTimeoutMs + config.service.startTimeoutMs;
  const first = await readSnapshot(paths);
  let phase = '';
  for (let waitedMs = 0; waitedMs < limitMs; waitedMs += LOOK_MS) {
    await sleep(LOOK_MS);
    if (signal.aborted) throw failed(`${String(signal.reason)} came: the wish is withdrawn`);
    const seen = await readSnapshot(paths);
    const view = viewCluster(first, seen);
    const next = phaseOf(view, wish);
    if (next.text !== phase) say(call, next.text);
    phase = next.text;
    if (next.master !== undefined && (wish.to === undefined || next.master === wish.to)) return next.master;
    if (next.master !== undefined) throw failed(`${next.master} became MASTER instead of ${wish.to ?? 'another node'}`);
    if (isGone(seen, wish.epoch) && (await isStillHeld(paths, seen, wish.epoch))) {
      throw failed(view.nodes.find((node) => node.nodeId === view.owner)?.because ?? 'the owner refused it');
    }
  }
  throw failed(`not done after ${limitMs / 1000} s: ${phase}`);
}

/** Dropped by an owner that refuses it, or cleared away by the next one. */
const isGone = ({wishes}: Snapshot, epoch: Epoch): boolean =>
  wishes !== undefined && !wishes.switchovers.some((wish) => wish.epoch === epoch);

/** Looked at after the wish was seen gone: whoever clears it away because it has come true has taken the lock before. */
async function isStillHeld(paths: StorePaths, {storeId}: Snapshot, epoch: Epoch): Promise<boolean> {
  const names = (await lockNames(paths, storeId)).flatMap((name) => parseLockName(name) ?? []);
  return names.length === 1 && names.every((name) => name.kind === 'held' && name.epoch === epoch);
}

function phaseOf(view: ClusterView, wish: {readonly epoch: Epoch}): {readonly text: string; readonly master?: string} {
  const {lock, owner} = view;
  if (!lock) return {text: 'waiting to see the lock'};
  if (lock.epoch === wish.epoch) return {text: `${owner ?? 'the owner'} still holds epoch ${lock.epoch}`};
  if (lock.kind === 'free') return {text: `epoch ${lock.epoch} is free`};
  const node = view.nodes.find((each) => each.nodeId === owner);
  if (node?.state === 'MASTER' && node.epoch === lock.epoch && owner !== undefined)
    return {text: `${owner} is ready`, master: owner};
  return {text: `${owner ?? 'nobody'} holds epoch ${lock.epoch} and starts the service`};
}

const failed = (reason: string): HaError =>
  new HaError(
    'cluster.failed',
    {what: 'change of the master', reason},
    {message: `the change did not come true: ${reason}`, hint: 'see "ha-agent status" and "ha-agent history"'},
  );

/** Phases go to people only; machines get the outcome. */
function say(call: Call, text: string): void {
  if (!wantsJson(call)) process.stdout.write(`${text}\n`);
}

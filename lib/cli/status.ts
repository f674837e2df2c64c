// status: the table of the nodes, from the store, so that it works with no agent running.
import pico from 'picocolors';
import {beatOf, lookTwice, sleep, viewCluster, type ClusterView, type NodeView} from './cluster-view.ts';
import {clusterOptions, configOf, pathsOf, print, wantsJson, type Call, type Command} from './command.ts';
import {readSnapshot} from '../store/snapshot.ts';
import {drawTable} from './table.ts';

export const commands: readonly Command[] = [
  {
    usage: 'status',
    describe: 'the nodes: state, epoch, priority, last seen, uri, and why',
    example: ['$0 status --persistenceDir /mnt/ha --watch', 'keep an eye on a failover'],
    options: {...clusterOptions, watch: {type: 'boolean', describe: 'draw it again every second'}},
    run: status,
  },
];

async function status(call: Call): Promise<void> {
  const config = await configOf(call);
  const paths = pathsOf(config);
  const {heartbeatIntervalMs} = config.timing;
  const view = await lookTwice(paths, heartbeatIntervalMs);
  show(call, view);
  if (call.argv['watch'] !== true) return;
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  // Looks are compared over two heartbeats, and drawn once per heartbeat.
  let [older, old] = [await readSnapshot(paths), await readSnapshot(paths)];
  while (!stop.signal.aborted) {
    await sleep(beatOf(old, heartbeatIntervalMs));
    const now = await readSnapshot(paths);
    show(call, viewCluster(older, now));
    [older, old] = [old, now];
  }
}

function show(call: Call, view: ClusterView): void {
  const redraw = call.argv['watch'] === true && !wantsJson(call) && process.stdout.isTTY;
  if (redraw) process.stdout.write('\u001b[H\u001b[2J');
  const {lock, ...rest} = view;
  print(call, {...rest, epoch: lock?.epoch ?? null, held: lock?.kind === 'held', owner: view.owner ?? null}, draw(view));
}

function draw(view: ClusterView): string {
  const head = ['node', 'state', 'epoch', 'priority', 'eligible', 'last seen', 'uri', 'why'];
  const lines = [headline(view), drawTable(head, view.nodes.map(rowOf))];
  if (view.paused) lines.push(pico.yellow('paused: nobody but the present owner takes the lease until "ha-agent resume"'));
  lines.push(...view.faults.map((fault) => pico.yellow(fault)));
  return lines.join('\n');
}

function headline({lock, owner, storeId}: ClusterView): string {
  if (!lock) return `store ${storeId}: the lock directory does not show one lock`;
  if (lock.kind === 'free') return `store ${storeId}: epoch ${lock.epoch} is free`;
  return `store ${storeId}: epoch ${lock.epoch} is held by ${owner ?? 'nobody: everybody waits'}`;
}

const rowOf = (node: NodeView): string[] => [
  node.nodeId,
  node.state,
  String(node.epoch),
  String(node.priority),
  node.eligible ? 'yes' : 'no',
  node.alive ? 'now' : new Date(node.lastHeartbeatWallMs).toISOString(),
  node.uri ?? '-',
  node.because,
];

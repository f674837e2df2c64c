// The process that a lab lives and dies with: first of its pid namespace and alone in its network namespace, so that machines, taps and
// mounts end with it whatever ends it. Usage: keeper.js DIRECTORY.
import {createWriteStream, readFileSync} from 'node:fs';
import {mkdir, open} from 'node:fs/promises';
import {connect, createServer, type Socket} from 'node:net';
import path from 'node:path';
import {replyLine, type ControlRequest, type LabStatus} from './control.ts';
import {disksOf, Machine} from './machine.ts';
import {applyCuts, buildNetworks, command, type Cut} from './network.ts';
import {checkNode, LabError, managementAddress, nodesOf, placesOf, type LabPlan, type NodeName} from './plan.ts';

/** A machine's memory is a file on a file system of the lab; what its kernel needs beside comes on top. */
const RAM_EXTRA_MIB = 48;
const REQUEST_BYTES_MAX = 65_536;

const [directory = ''] = process.argv.slice(2);
const places = placesOf(directory);
const plan = JSON.parse(readFileSync(places.plan, 'utf8')) as LabPlan;
const machines = new Map<NodeName, Machine>(nodesOf(plan).map((node) => [node, new Machine(plan, node)]));
const cuts = new Map<NodeName, Cut>();

async function main(): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => void end(signal));
  setTimeout(() => void end(`its ${plan.ttlS} s are over`), plan.ttlS * 1000);
  await arrangeMounts();
  await buildNetworks(plan);
  for (const disk of nodesOf(plan).flatMap((node) => disksOf(plan, node))) await makeDisk(disk);
  createServer(serve).listen(places.control);
}

/** Nothing of the host can be written from here on but the lab's directory; the machines' memory is a file system of their own. */
async function arrangeMounts(): Promise<void> {
  const ram = path.join(directory, 'ram');
  const mib = machines.size * (plan.ramMib + RAM_EXTRA_MIB);
  for (const each of [ram, path.join(directory, 'uml')]) await mkdir(each, {recursive: true});
  await command('mount', ['--bind', directory, directory]);
  await command('mount', ['-t', 'tmpfs', '-o', `size=${mib}M,mode=700`, 'tmpfs', ram]);
  await command('mount', ['-o', 'remount,bind,ro', '/']);
}

async function makeDisk({file, mib}: {readonly file: string; readonly mib: number}): Promise<void> {
  const disk = await open(file, 'w');
  await disk.truncate(mib * 1024 * 1024);
  await disk.close();
  // No blocks are kept for root, so that a full disk is full for everybody.
  await command('mkfs.ext4', ['-q', '-F', '-m', '0', file]);
}

// ---- requests: one line of JSON on a connection, answered by one ------------------------------------------------------

function serve(socket: Socket): void {
  let text = Buffer.alloc(0);
  const take = (piece: Buffer): void => {
    text = Buffer.concat([text, piece]);
    if (text.length > REQUEST_BYTES_MAX) socket.destroy();
    if (!text.includes('\n')) return;
    socket.off('data', take).pause();
    void answer(JSON.parse(text.toString()) as ControlRequest, socket);
  };
  socket.on('error', () => socket.destroy());
  socket.on('data', take);
}

async function answer(request: ControlRequest, socket: Socket): Promise<void> {
  try {
    if (request.does === 'connect') return await forward(request, socket);
    const value = await perform(request);
    socket.write(replyLine({ok: true, value}));
    if (request.does === 'tie') holdTie(socket);
    else socket.end();
  } catch (error) {
    socket.end(replyLine({ok: false, error: error instanceof Error ? error.message : String(error)}));
  }
  if (request.does === 'end') await end('it was told to');
}

/** Whatever comes over the connection loosens the tie. */
function holdTie(socket: Socket): void {
  const release = (): void => void end('the process that opened it is gone');
  socket.once('close', release);
  socket.once('data', () => socket.off('close', release));
  socket.resume();
}

async function perform(request: Exclude<ControlRequest, {does: 'connect'}>): Promise<LabStatus | undefined> {
  switch (request.does) {
    case 'boot':
      await machine(request.node).boot();
      return undefined;
    case 'crash':
      await machine(request.node).crash();
      return undefined;
    case 'freeze':
      await machine(request.node).freeze();
      return undefined;
    case 'thaw':
      await machine(request.node).thaw();
      return undefined;
    case 'cut':
      cuts.set(checkNode(plan, request.node), request.cut);
      await applyCuts(cuts);
      return undefined;
    case 'heal':
      if (request.node === undefined) cuts.clear();
      else cuts.delete(checkNode(plan, request.node));
      await applyCuts(cuts);
      return undefined;
    case 'status':
      return {nodes: [...machines.values()].map(({node, state}) => ({node, state, cut: cuts.get(node)}))};
    case 'tie':
    case 'end':
      return undefined;
  }
}

function machine(node: NodeName): Machine {
  const found = machines.get(node);
  if (!found) throw new LabError(`there is no ${node} in the lab ${plan.id}: ${nodesOf(plan).join(', ')}`);
  return found;
}

/** From here on the connection is one with this port of the machine's management address. */
function forward({node, port, timeoutMs}: ControlRequest & {does: 'connect'}, socket: Socket): Promise<void> {
  const {state} = machine(node);
  if (state === 'off') throw new LabError(`${node} is off`);
  const there = connect({host: managementAddress(node), port, noDelay: true});
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => {
      there.destroy();
      reject(new LabError(`${node} (${state}) does not take a connection to port ${port} within ${timeoutMs} ms`));
    }, timeoutMs);
    there.once('error', (error) => {
      clearTimeout(limit);
      reject(new LabError(`${node}, port ${port}: ${error.message}`));
    });
    there.once('connect', () => {
      clearTimeout(limit);
      there.on('error', () => socket.destroy());
      // What is under way still arrives.
      there.once('close', () => socket.destroySoon());
      socket.once('close', () => there.destroySoon());
      socket.write(replyLine({ok: true, value: undefined}));
      socket.pipe(there).pipe(socket);
      resolve();
    });
  });
}

// ---- the end ----------------------------------------------------------------------------------------------------------

let ending = false;

/** The machines end with this process, which is the first of their namespace. */
async function end(why: string): Promise<void> {
  if (ending) return;
  ending = true;
  const log = createWriteStream(places.keeperLog, {flags: 'a'});
  log.end(`the lab ${plan.id} ends: ${why}\n`);
  await Promise.allSettled([...machines.values()].map((each) => each.crash()));
  process.exit(0);
}

await main().catch((error: unknown) => {
  process.stderr.write(`the keeper of the lab ${plan.id}: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});

// A real NFS server and its clients, each a machine with a kernel of its own, for tests and for the command line: everything one can do
// to them. `openLab` boots them, `close` leaves nothing behind.
import {ask, connectTo, tie, type LabStatus} from './control.ts';
import {fetchFrom, type LabAnswer, type LabFetchOptions} from './fetch.ts';
import {
  clockOffset,
  runOn,
  startOn,
  sweep,
  type ClockOffset,
  type LabProcess,
  type RunOptions,
  type RunResult,
  type StartOptions,
} from './guest.ts';
import {prepareHost} from './host.ts';
import {loseReply, type LostReply, type LostReplyCall} from './lost-reply.ts';
import type {Cut} from './network.ts';
import {endLab, findPlan, startKeeper} from './owner.ts';
import {
  checkNode,
  clientsOf,
  consoleLogOf,
  EXPORTED,
  exportLine,
  LabError,
  makePlan,
  MOUNT_POINT,
  nodesOf,
  STORAGE_NET,
  storageAddress,
  type LabOptions,
  type LabPlan,
  type NodeName,
} from './plan.ts';
import type {Socket} from 'node:net';
import {readFile} from 'node:fs/promises';

/** How the share is exported; `off` is not at all. */
export type ExportMode = 'off' | 'ro' | 'rw';

const MOUNT_MS = 90_000;
const NFSD_MS = 90_000;
const NFSD_THREADS = 8;

/** Boots a new lab. @throws LabUnavailable where none can be, LabError if it does not come up; nothing is left behind then */
export async function openLab(options: LabOptions = {}): Promise<Lab> {
  const plan = makePlan(options);
  await prepareHost();
  await startKeeper(plan);
  const lab = new Lab(plan);
  try {
    // Half a lab is of no use to anybody: until it is up it ends with this process.
    const loosen = await tie(plan.directory);
    await Promise.all(nodesOf(plan).map((node) => lab.boot(node, {mount: false})));
    await Promise.all(clientsOf(plan).map((node) => lab.mount(node)));
    if (options.tied !== true) await loosen();
    return lab;
  } catch (error) {
    await lab.close();
    throw error;
  }
}

/** Finds a lab that is up. @throws LabError if none with this id is */
export async function attachLab(id = 'default'): Promise<Lab> {
  return new Lab(await findPlan(id));
}

export class Lab {
  readonly plan: LabPlan;
  readonly clients: readonly NodeName[];
  readonly server: Server;

  constructor(plan: LabPlan) {
    this.plan = plan;
    this.clients = clientsOf(plan);
    this.server = new Server(this);
  }

  /** Runs a program to its end; a status that is not 0 is no error. @throws LabError if it takes too long or the machine is lost */
  async run(node: NodeName, argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return runOn(this.plan, checkNode(this.plan, node), argv, options);
  }

  /** As `run`. @returns standard output. @throws LabError unless the status is 0 */
  async must(node: NodeName, argv: readonly string[], options: RunOptions = {}): Promise<string> {
    const {status, stdout, stderr} = await this.run(node, argv, options);
    if (status !== 0) throw new LabError(`${node}: ${argv.join(' ')} ended with ${status}: ${stderr.trim() || stdout.trim()}`);
    return stdout;
  }

  /** Starts a program, and gives its output to `onStdout` and `onStderr` as it comes. */
  async start(node: NodeName, argv: readonly string[], options: StartOptions = {}): Promise<LabProcess> {
    return startOn(this.plan, checkNode(this.plan, node), argv, options);
  }

  // ---- machines

  /** A power cut; what is on its disks survives. */
  async crash(node: NodeName): Promise<void> {
    await ask(this.plan.directory, {does: 'crash', node});
  }

  /** Powers a machine on; a client mounts the share again, unless told not to. */
  async boot(node: NodeName, {mount = true}: {readonly mount?: boolean} = {}): Promise<void> {
    await ask(this.plan.directory, {does: 'boot', node});
    if (mount && node !== 'server') await this.mount(node);
  }

  /** Stops a whole machine: it answers nothing, and its clocks jump when it is thawed. */
  async freeze(node: NodeName): Promise<void> {
    await ask(this.plan.directory, {does: 'freeze', node});
  }

  async thaw(node: NodeName): Promise<void> {
    await ask(this.plan.directory, {does: 'thaw', node});
  }

  async clockOffset(node: NodeName): Promise<ClockOffset> {
    return clockOffset(this.plan, checkNode(this.plan, node));
  }

  // ---- the storage network

  /** Cuts a machine off: altogether, from what the server sends (`replies`), or what it sends to the server (`requests`). */
  async cut(node: NodeName, cut: Cut = 'both'): Promise<void> {
    await ask(this.plan.directory, {does: 'cut', node, cut});
  }

  /** Undoes the cut of one machine, or all cuts. */
  async heal(node?: NodeName): Promise<void> {
    await ask(this.plan.directory, node === undefined ? {does: 'heal'} : {does: 'heal', node});
  }

  /** Holds back each packet that the machine sends, so that a round trip takes so much longer; 0 ends that. */
  async delay(node: NodeName, delayMs: number): Promise<void> {
    if (!Number.isInteger(delayMs) || delayMs < 0 || delayMs > 60_000)
      throw new LabError(`${delayMs} is no delay: 0 to 60000 ms`);
    const set = ['tc', 'qdisc', 'replace', 'dev', 'vec0', 'root', 'netem', 'delay', `${delayMs}ms`, 'limit', '100000'];
    // Without a delay there is nothing to remove, which tc calls an error.
    const remove = ['sh', '-c', 'tc qdisc show dev vec0 | grep -q netem || exit 0; tc qdisc del dev vec0 root'];
    await this.must(node, delayMs === 0 ? remove : set);
  }

  /** Has a machine make a call that the server carries out and whose reply is lost. */
  async loseReply(node: NodeName, call: LostReplyCall): Promise<LostReply> {
    return loseReply(this, checkNode(this.plan, node), call);
  }

  // ---- the mount

  /** @param opts instead of the lab's own */
  async mount(node: NodeName, opts = this.plan.opts): Promise<void> {
    const {vers} = this.plan;
    const source = `${storageAddress('server')}:${vers === '3' ? EXPORTED : '/'}`;
    const options = [`vers=${vers}`, ...(opts === '' ? [] : [opts])].join(',');
    await this.must(node, ['mount', '-t', 'nfs', '-o', options, source, MOUNT_POINT], {timeoutMs: MOUNT_MS});
  }

  /** Detaches it at once, whoever uses it and whether or not the server answers. */
  async unmount(node: NodeName): Promise<void> {
    await this.must(node, ['umount', '-f', '-l', MOUNT_POINT], {timeoutMs: MOUNT_MS});
  }

  /** The options in force. */
  async mountOptions(node: NodeName): Promise<readonly string[]> {
    const mounts = await this.must(node, ['cat', '/proc/mounts']);
    const line = mounts.split('\n').find((each) => each.split(' ')[1] === MOUNT_POINT);
    return line?.split(' ')[3]?.split(',') ?? [];
  }

  // ---- the management network

  /** An HTTP request to what listens on the machine's management address; neither cuts nor delays concern it. */
  async fetch(node: NodeName, port: number, path: string, options: LabFetchOptions = {}): Promise<LabAnswer> {
    return fetchFrom(() => this.connect(node, port, options.timeoutMs), path, options);
  }

  /** A connection to a port of the machine's management address; it comes paused. */
  async connect(node: NodeName, port: number, timeoutMs?: number): Promise<Socket> {
    return connectTo(this.plan.directory, checkNode(this.plan, node), port, timeoutMs);
  }

  // ---- the lab as a whole

  async status(): Promise<LabStatus> {
    const status = await ask(this.plan.directory, {does: 'status'});
    if (!status) throw new LabError(`the keeper of the lab ${this.plan.id} gives no status`);
    return status;
  }

  /** What a machine wrote on its console, boot by boot. */
  async log(node: NodeName): Promise<string> {
    return readFile(consoleLogOf(this.plan, checkNode(this.plan, node)), 'utf8');
  }

  /**
   * As it was when it was opened, but for the files on the share and the time since: all cuts and delays undone, all machines on and thawed, the
   * export writable and mounted, every process ended that was started on a client.
   */
  async reset(): Promise<void> {
    await this.heal();
    const {nodes} = await this.status();
    await Promise.all(nodes.filter(({state}) => state === 'frozen').map(({node}) => this.thaw(node)));
    await Promise.all(nodes.filter(({state}) => state === 'off').map(({node}) => this.boot(node, {mount: false})));
    await Promise.all(nodes.map(({node}) => this.delay(node, 0)));
    await this.server.export('rw');
    await this.server.start();
    await Promise.all(
      this.clients.map(async (node) => {
        await sweep(this.plan, node);
        if ((await this.mountOptions(node)).length === 0) await this.mount(node);
      }),
    );
  }

  /** Ends every machine, and waits until no process, network, mount or file of the lab is left. */
  async close(): Promise<void> {
    await endLab(this.plan.directory);
  }
}

/** The NFS service on the server, which is more than the machine it runs on. */
export class Server {
  private readonly lab: Lab;

  constructor(lab: Lab) {
    this.lab = lab;
  }

  /** Its clients are refused from now on; the machine stays up. */
  async stop(): Promise<void> {
    await this.lab.must('server', ['rpc.nfsd', '0'], {timeoutMs: NFSD_MS});
  }

  async start(): Promise<void> {
    await this.lab.must('server', ['rpc.nfsd', String(NFSD_THREADS)], {timeoutMs: NFSD_MS});
  }

  /** Forgets its reply cache, and with 4.x begins a grace period. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Takes effect on clients that have mounted it already. */
  async export(mode: ExportMode): Promise<void> {
    const what = `${STORAGE_NET}.0/24:${EXPORTED}`;
    const argv = mode === 'off' ? ['-u', what] : ['-o', exportLine(this.lab.plan, mode), what];
    await this.lab.must('server', ['exportfs', ...argv], {timeoutMs: NFSD_MS});
    await this.lab.must('server', ['exportfs', '-f'], {timeoutMs: NFSD_MS});
  }
}

// Runs inside each machine of the lab and does what comes over the management network: programs, clock, sweep. Usage: runner.js NODE IP PORT.
// It never touches the NFS mount itself: a hung server would take it along, and with it the way into the machine.
import {spawn, type ChildProcessByStdio} from 'node:child_process';
import {readdirSync, readFileSync} from 'node:fs';
import {createServer, type Socket} from 'node:net';
import type {Readable, Writable} from 'node:stream';
import {setTimeout as sleep} from 'node:timers/promises';
import {encodeFrame, FrameReader, type Frame, type FrameKind, type ProgramEnd, type RunnerRequest} from './frames.ts';

type Program = ChildProcessByStdio<Writable, Readable, Readable>;

const [node = '', host = '', port = ''] = process.argv.slice(2);
/** How long the output of a program that has ended may stay silent before it counts as complete: a grandchild may hold it open. */
const SILENCE_MS = 500;
/** The other side ends the connection, when it has the result: what it still sends must not meet a closed one, which would cost it the result. */
const RESULT_TAKEN_MS = 60_000;
const SWEEP_MS = 20_000;
const SWEEP_POLL_MS = 50;

const baseline = new Set(userProcesses());

createServer(serve).listen(Number(port), host, () => process.stdout.write(`nfs-lab: ${node} ready\n`));

function serve(socket: Socket): void {
  const reader = new FrameReader();
  let handle: ((frame: Frame) => void) | undefined;
  const send = (kind: FrameKind, body?: Buffer | string): boolean => socket.destroyed || socket.write(encodeFrame(kind, body));
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.on('data', (piece) => {
    try {
      for (const frame of reader.take(piece)) {
        if (handle) handle(frame);
        else handle = begin(JSON.parse(frame.body.toString()) as RunnerRequest, socket, send);
      }
    } catch (error) {
      send('failed', String(error));
      socket.end();
    }
  });
}

function begin(
  request: RunnerRequest,
  socket: Socket,
  send: (kind: FrameKind, body?: Buffer | string) => boolean,
): (frame: Frame) => void {
  switch (request.does) {
    case 'exec':
      return execute(request, socket, send);
    case 'clock':
      return () => void send('tick', String(process.hrtime.bigint()));
    case 'sweep':
      void sweep().then(
        (count) => send('ended', String(count)),
        (error: unknown) => send('failed', String(error)),
      );
      return () => undefined;
  }
}

// ---- programs ---------------------------------------------------------------------------------------------------------

function execute(
  {argv, cwd, env, detached}: RunnerRequest & {readonly does: 'exec'},
  socket: Socket,
  send: (kind: FrameKind, body?: Buffer | string) => boolean,
): (frame: Frame) => void {
  // A shell goes to the directory: if that hangs on the share, this process must not wait for it.
  const words = cwd === undefined ? argv : ['sh', '-c', 'cd "$0" && exec "$@"', cwd, ...argv];
  const [program = '', ...args] = words;
  // Detached makes it the leader of a process group, by which it is ended with its children.
  const child = spawn(program, args, {env: {...process.env, ...env}, detached: true, stdio: ['pipe', 'pipe', 'pipe']});
  const kill = (signal: NodeJS.Signals): void => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) killQuietly(-child.pid, signal);
  };
  child.stdin.on('error', () => undefined); // It may close its input whenever it likes.
  child.once('spawn', () => send('started', String(child.pid)));
  child.once('error', (error) => {
    send('failed', error.message);
    endLater(socket);
  });
  void forward(child, socket, send).then((end) => {
    send('ended', JSON.stringify(end));
    endLater(socket);
  });
  socket.once('close', () => {
    if (!detached) kill('SIGKILL');
  });
  return ({kind, body}) => {
    if (kind === 'stdin') child.stdin.write(body);
    else if (kind === 'stdin-end') child.stdin.end();
    else if (kind === 'signal') kill(body.toString() as NodeJS.Signals);
  };
}

function endLater(socket: Socket): void {
  const limit = setTimeout(() => socket.destroy(), RESULT_TAKEN_MS);
  socket.once('close', () => clearTimeout(limit));
}

/** Passes the output on until the program has ended and its output is complete. */
function forward(
  child: Program,
  socket: Socket,
  send: (kind: FrameKind, body?: Buffer | string) => boolean,
): Promise<ProgramEnd> {
  let lastMs = performance.now();
  const outputs = [
    ['stdout', child.stdout],
    ['stderr', child.stderr],
  ] as const;
  for (const [kind, stream] of outputs) {
    stream.on('data', (piece: Buffer) => {
      lastMs = performance.now();
      if (send(kind, piece)) return;
      stream.pause();
      socket.once('drain', () => stream.resume());
    });
  }
  return new Promise((resolve) => {
    child.once('exit', (status, signal) => {
      const look = setInterval(() => {
        if (performance.now() - lastMs > SILENCE_MS && !outputs.some(([, stream]) => stream.isPaused())) done();
      }, SILENCE_MS);
      const done = (): void => {
        clearInterval(look);
        resolve({status, signal});
      };
      child.once('close', done);
    });
  });
}

function killQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It has just ended by itself.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

// ---- sweep ------------------------------------------------------------------------------------------------------------

/** @returns how many it has killed. */
async function sweep(): Promise<number> {
  const killed = new Set<string>();
  for (const end = performance.now() + SWEEP_MS; ; await sleep(SWEEP_POLL_MS)) {
    const left = userProcesses().filter((each) => !baseline.has(each));
    if (left.length === 0) return killed.size;
    if (performance.now() > end) throw new Error(`these do not die of SIGKILL: ${left.map(describe).join(', ')}`);
    for (const each of left) {
      killed.add(each);
      killQuietly(pidOf(each), 'SIGKILL');
    }
  }
}

/** Every living process that is not a thread of the kernel, as pid and start time. */
function userProcesses(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const stat = textOf(`/proc/${pid}/stat`);
      const [state, parent, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const living = state !== undefined && state !== '' && state !== 'Z' && state !== 'X';
      return living && parent !== '2' && pid !== '2' ? [`${pid}:${rest[17] ?? ''}`] : [];
    });
}

const pidOf = (each: string): number => Number(each.split(':')[0]);
const describe = (each: string): string =>
  `${pidOf(each)} (${textOf(`/proc/${pidOf(each)}/cmdline`)
    .replaceAll('\0', ' ')
    .slice(0, 80)})`;

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // It ended between the two looks.
  }
}

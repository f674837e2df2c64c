// The guardian's own entry: `node guardian/main.js SOCKET`, its token on standard input. Started detached by an agent, it owns the service
// and outlives that agent. SIGTERM makes it stop the service and go on: what it guards decides when it ends, not a signal.
import {timingSafeEqual} from 'node:crypto';
import {write, writeSync} from 'node:fs';
import {rmdir} from 'node:fs/promises';
import {createServer, type Server, type Socket} from 'node:net';
import {dirname} from 'node:path';
import {GuardianShell} from './shell.ts';
import {encode, LineSplitter, parseAgentMessage, unknownType, WIRE_VERSION, type Hello} from './wire.ts';

/** Without an agent for so long after the start, it ends, ms. */
const FIRST_AGENT_MS = 10_000;
/** How long a connection may take to introduce itself, ms. */
const HELLO_MS = 2_000;
/** How long tidying up may take at the end, ms. */
const END_MS = 500;
/** How many connections there may be at once. */
const CONNECTIONS_MAX = 8;

const socketPath = process.argv[2] ?? '';
let shell: GuardianShell | undefined;

for (const name of ['SIGHUP', 'SIGINT', 'SIGPIPE'] as const) process.on(name, () => undefined);
process.on('SIGTERM', () => shell?.stopService('the guardian got SIGTERM'));
// Whoever read our output may be gone.
process.stdout.on('error', () => undefined);
process.stderr.on('error', () => undefined);
process.on('exit', () => shell?.killService());
// One fault in a timer or an event must not be the end of the guardian: what it guards would outlive its lease.
process.on('uncaughtException', (error) => {
  if (shell) return shell.fault(error);
  writeSync(2, `the guardian cannot start: ${error.stack ?? error.message}\n`);
  process.exit(1);
});
setTimeout(() => {
  if (!shell) process.exit(0);
}, FIRST_AGENT_MS);
serve(await readToken());

/** The token comes on standard input, because a command line and an environment can be read by others. */
async function readToken(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin) text += String(chunk);
  if (text.length < 32) throw new RangeError('no token on standard input');
  return text;
}

function serve(token: string): void {
  const server = createServer((socket) => receive(server, socket, token));
  server.maxConnections = CONNECTIONS_MAX;
  server.listen(socketPath, () => process.stdout.write('ready\n'));
}

function receive(server: Server, socket: Socket, token: string): void {
  const lines = new LineSplitter();
  const ignored = new Set<string>();
  let known = false;
  const limit = setTimeout(() => socket.destroy(), HELLO_MS);
  socket.setEncoding('utf8');
  socket.on('error', () => undefined);
  socket.on('close', () => {
    clearTimeout(limit);
    shell?.closed(socket);
  });
  socket.on('data', (text: string) => {
    for (const line of splitOrDestroy(lines, text, socket)) {
      const message = parseAgentMessage(line);
      if (known && message) {
        shell?.hear(socket, message);
        continue;
      }
      const type = known ? unknownType(line) : undefined;
      if (type !== undefined) {
        // A later agent may say more. One of our own words that cannot be understood still ends the channel: it may have been a stop.
        if (!ignored.has(type)) note(`ignoring what this guardian does not know: "${type}"`);
        ignored.add(type);
        continue;
      }
      clearTimeout(limit);
      if (message?.type !== 'hello' || !sameText(message.token, token) || !welcome(server, socket, message)) {
        socket.end();
        return;
      }
      known = true;
    }
  });
}

/** @returns whether this agent is obeyed; it has been told. */
function welcome(server: Server, socket: Socket, hello: Hello): boolean {
  if (hello.version !== WIRE_VERSION) return reject(socket, `the guardian speaks version ${WIRE_VERSION}, not ${hello.version}`);
  if (!shell && !hello.setup) return reject(socket, 'the first agent has to say what is to be run');
  if (!shell && hello.setup) shell = new GuardianShell(hello.setup, note, (because) => end(server, because));
  return shell?.introduce(socket, hello) ?? false;
}

function reject(socket: Socket, because: string): false {
  socket.write(encode({type: 'rejected', because}));
  return false;
}

function splitOrDestroy(lines: LineSplitter, text: string, socket: Socket): string[] {
  try {
    return lines.push(text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    socket.destroy();
    return [];
  }
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

/** Into the guardian's log, without waiting for it. */
function note(text: string): void {
  write(2, `${new Date().toISOString()} ${text}\n`, () => undefined);
}

/** Closing removes the socket; its directory was made for it alone and is empty then. */
function end(server: Server, because: string): void {
  note(`the guardian ends: ${because}`);
  const leave = (): never => process.exit(0);
  setTimeout(leave, END_MS);
  server.close();
  rmdir(dirname(socketPath)).then(leave, leave);
}

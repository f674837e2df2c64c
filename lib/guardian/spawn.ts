// How an agent comes to a guardian: a new one, or the living one of an earlier agent.
import {spawn, type ChildProcess} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {chmod, mkdtemp, open, rm, rmdir, stat} from 'node:fs/promises';
import {createConnection, type Socket} from 'node:net';
import {tmpdir} from 'node:os';
import {dirname, extname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import type {Adopted} from '../protocol/agent-state.ts';
import type {InstanceId} from '../protocol/words.ts';
import {GuardianClient, openChannel, type GuardianListener} from './client.ts';
import {hasCode, identityOf, isAlive, type ProcessIdentity} from './proc.ts';
import {killGuardian, placeOfRecord, type GuardianRecord, type KillResult} from './record.ts';
import {guardianScope} from './unit-gate.ts';
import {encode, WIRE_VERSION, type GuardianSetup, type ServiceSpec} from './wire.ts';

/** How long a new guardian may take until it listens, ms. */
const START_LIMIT_MS = 10_000;
/** How long a guardian may take to answer an agent that introduces itself, ms. */
const ANSWER_LIMIT_MS = 5_000;
/** A unix socket's path has 108 bytes, one of them for its end. */
const SOCKET_PATH_MAX = 107;
/** The guardian's log is begun anew when it has grown beyond this, bytes. */
const LOG_MAX = 1 << 20;
/** What keeps a guardian small: little room for garbage, no compiler and none of its threads. */
const GUARDIAN_FLAGS = [
  '--jitless',
  '--no-expose-wasm',
  '--max-semi-space-size=1',
  '--max-old-space-size=64',
  '--v8-pool-size=0',
];
const GUARDIAN_SCRIPT = fileURLToPath(new URL(`./main${extname(import.meta.url)}`, import.meta.url));

export interface SpawnOptions {
  /** Local, private and existing: the guardian's socket (in a directory of its own) and its log. */
  readonly stateDirectory: string;
  readonly instanceId: InstanceId;
  /** All but the marker, which is made here. */
  readonly setup: Omit<GuardianSetup, 'marker'>;
  readonly listener: GuardianListener;
}

/**
 * Starts a guardian in a session of its own and introduces this process as its agent.
 * @throws Error if it does not come up; nothing is left of it then.
 */
export async function spawnGuardian(options: SpawnOptions): Promise<GuardianClient> {
  const socketPath = join(await makeSocketDirectory(options.stateDirectory), 's');
  const token = randomBytes(24).toString('hex');
  const setup = {...options.setup, marker: randomBytes(12).toString('hex')};
  const log = await openLog(join(options.stateDirectory, 'guardian.log'));
  const scope = setup.service.kind === 'systemd' ? guardianScope(setup.marker) : [];
  const [program, ...words] = [...scope, process.execPath, ...GUARDIAN_FLAGS, GUARDIAN_SCRIPT, socketPath];
  const child = spawn(program, words, {
    detached: true,
    stdio: ['pipe', 'pipe', log.fd],
  });
  try {
    await untilItListens(child, token);
    const guardian = child.pid === undefined ? undefined : identityOf(child.pid);
    if (!guardian) throw new Error('the guardian ended at once');
    const made = makeRecord(socketPath, token, guardian, ownIdentity(), setup.marker, serviceOf(setup.service));
    const record = {...made, addresses: setup.around?.addresses};
    const answer = await introduce(record, options.instanceId, setup);
    if (!answer) throw new Error('the new guardian does not answer');
    if (!('take' in answer)) throw new Error(`the new guardian refuses: ${answer.because}`);
    return new GuardianClient(answer, record, options.listener);
  } catch (error) {
    child.kill('SIGKILL');
    await rm(dirname(socketPath), {recursive: true, force: true});
    throw error;
  } finally {
    child.unref();
    child.stdout?.destroy();
    await log.close();
  }
}

export type Connection =
  | {readonly kind: 'accepted'; readonly client: GuardianClient; readonly adopted: Adopted}
  /** It lives and does not want us: it is stopping the service and releasing the lock; let it finish. */
  | {readonly kind: 'rejected'; readonly because: string}
  /** It is dead, or did not answer and has been killed. */
  | {readonly kind: 'gone'; readonly because: string; readonly left: KillResult};

/**
 * Takes over the guardian of an earlier, dead agent. On success `client.record` replaces the old record.
 * A guardian that does not answer is killed, with its service: it must not come to life later and take our going for our death.
 */
export async function connectGuardian(
  record: GuardianRecord,
  instanceId: InstanceId,
  listener: GuardianListener,
): Promise<Connection> {
  const own = {...record, agent: ownIdentity()};
  const answer = isAlive(record.guardian) ? await introduce(own, instanceId, undefined) : undefined;
  if (!answer) {
    const left = await killGuardian(record, true, START_LIMIT_MS);
    return {kind: 'gone', because: 'the earlier guardian does not answer', left};
  }
  if (!('take' in answer)) return {kind: 'rejected', because: answer.because};
  const client = new GuardianClient(answer, own, listener);
  if (client.adopted) return {kind: 'accepted', client, adopted: client.adopted};
  return {kind: 'gone', because: 'the earlier guardian had nothing to hand over', left: await client.kill()};
}

/** Removes what a dead guardian left in the file system. */
export async function forgetGuardian(record: GuardianRecord): Promise<void> {
  await rm(record.socketPath, {force: true});
  await rmdir(dirname(record.socketPath)).catch((error: unknown) => {
    if (!hasCode(error, 'ENOENT', 'ENOTEMPTY')) throw error;
  });
}

/** @returns what the guardian answers to an agent, or undefined if it does not. */
export async function introduce(
  record: GuardianRecord,
  instanceId: InstanceId,
  setup: GuardianSetup | undefined,
): ReturnType<typeof openChannel> {
  const socket = await connect(record.socketPath);
  if (!socket) return undefined;
  const answer = openChannel(socket, ANSWER_LIMIT_MS);
  socket.write(encode({type: 'hello', version: WIRE_VERSION, token: record.token, instanceId, agent: record.agent, setup}));
  return answer;
}

function connect(path: string): Promise<Socket | undefined> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', (error) => {
      if (hasCode(error, 'ENOENT', 'ECONNREFUSED', 'ENOTSOCK', 'EAGAIN', 'ECONNRESET')) resolve(undefined);
      else reject(error);
    });
  });
}

function untilItListens(child: ChildProcess, token: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const limit = setTimeout(() => reject(new Error(`the guardian does not listen after ${START_LIMIT_MS} ms`)), START_LIMIT_MS);
    const fail = (because: string): void => {
      clearTimeout(limit);
      reject(new Error(because));
    };
    child.once('error', (error) => fail(`the guardian cannot be started: ${error.message}`));
    child.once('exit', (code, name) => fail(`the guardian ended at once (${name ?? code}): see its log`));
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(token);
    child.stdout?.once('data', () => {
      clearTimeout(limit);
      resolve();
    });
  });
}

async function makeSocketDirectory(stateDirectory: string): Promise<string> {
  for (const prefix of [join(stateDirectory, 'guardian-'), join(tmpdir(), 'ha-agent-'), '/tmp/ha-agent-']) {
    // mkdtemp adds six characters, the socket two.
    if (Buffer.byteLength(prefix) + 8 <= SOCKET_PATH_MAX) return mkdtemp(prefix);
  }
  throw new Error('no directory with a path short enough for a socket');
}

async function openLog(path: string): ReturnType<typeof open> {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  const log = await open(path, size > LOG_MAX ? 'w' : 'a', 0o600);
  await chmod(path, 0o600);
  return log;
}

function makeRecord(
  socketPath: string,
  token: string,
  guardian: ProcessIdentity,
  agent: ProcessIdentity,
  marker: string,
  service: GuardianRecord['service'],
): GuardianRecord {
  return {version: 1, socketPath, token, guardian, agent, marker, service, ...placeOfRecord()};
}

function serviceOf(service: ServiceSpec): GuardianRecord['service'] {
  if (service.kind === 'exec') return service.containment.kind;
  return service.kind === 'systemd' ? 'ensure' : service.kind;
}

function ownIdentity(): ProcessIdentity {
  const own = identityOf(process.pid);
  if (!own) throw new Error('this process cannot be seen in /proc');
  return own;
}

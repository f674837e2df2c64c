// Finds out, by doing it, how the processes of a service can be held on this host.
import {spawn, type ChildProcess} from 'node:child_process';
import type {EventEmitter} from 'node:events';
import {Duplex} from 'node:stream';
import {heldCommand, type Containment} from './containment.ts';
import {childrenOf, identityOf, isAlive, signal, type ProcessIdentity} from './proc.ts';

export type WantedContainment = 'namespace' | 'group' | undefined;

/** How long one attempt may take before it counts as failed, ms. */
const PROBE_LIMIT_MS = 5_000;

/**
 * Tries the ways of holding a service, the safest that is wanted first. Takes some 50 ms; starts processes that end at once.
 * @param wanted `namespace`, `group`, or undefined: a namespace for root, otherwise a group, because without root a namespace
 *   disables setuid programs.
 */
export async function probeContainment(wanted: WantedContainment): Promise<Containment> {
  const root = process.getuid?.() === 0;
  if (wanted === 'group') return group('a process group was asked for');
  if (wanted === undefined && !root) {
    return group(
      'without root a PID namespace disables setuid programs and is used only when asked for (--containment namespace)',
    );
  }
  const prefix = await commandPrefix();
  for (const launcher of namespaceLaunchers(root)) {
    const containment: Containment = {
      kind: 'namespace',
      launcher,
      prefix,
      safe: true,
      because: `the service runs in a PID namespace${root ? '' : ' of a user namespace'} that ends with the guardian (tried just now)`,
    };
    if (await endsWithItsParent(containment)) return containment;
  }
  const help = root
    ? 'setpriv and unshare of util-linux 2.34 or later are needed, and permission to use them'
    : 'user namespaces may be switched off';
  return group(`no PID namespace could be made that ends with the guardian: ${help}`);
}

function namespaceLaunchers(root: boolean): string[][] {
  const bound = ['setpriv', '--pdeathsig', 'KILL', 'unshare', ...(root ? [] : ['--user', '--map-current-user'])];
  const inner = ['--fork', '--pid', '--kill-child=KILL'];
  // With its own /proc the service sees its own numbers; mounts of the host still reach it, its own do not get out.
  return [
    [...bound, ...inner, '--mount-proc', '--propagation', 'slave', '--'],
    [...bound, ...inner, '--'],
  ];
}

async function group(why: string): Promise<Containment> {
  const setpriv = ['setpriv', '--pdeathsig', 'KILL', '--'];
  const launcher = (await succeeds([...setpriv, 'true'])) ? setpriv : [];
  return {
    kind: 'group',
    launcher,
    prefix: [],
    safe: false,
    because: `${why}: not safe against kill -9 of agent and guardian together, a process that leaves its group, session and environment escapes`,
  };
}

async function commandPrefix(): Promise<string[]> {
  // A background command of sh ignores INT and QUIT, and has no session of its own.
  const signals = ['env', '--default-signal=INT,QUIT'];
  return [
    ...((await succeeds(['setsid', 'true'])) ? ['setsid'] : []),
    ...((await succeeds([...signals, 'true'])) ? signals : []),
  ];
}

/** The proof: start a held command below a parent of its own, kill -9 that parent, and see launcher and holder go. */
async function endsWithItsParent(containment: Containment): Promise<boolean> {
  const argv = heldCommand(containment, `probe-${process.pid}`, ['sleep', '60']);
  const parent = spawn('sh', ['-c', '"$@" & echo $!; wait', 'sh', ...argv], {stdio: ['ignore', 'pipe', 'ignore', 'pipe']});
  const channel = parent.stdio[3];
  channel?.once('data', () => {
    if (channel instanceof Duplex) channel.write('go\n');
  });
  channel?.on('error', () => undefined);
  const [launcherPid] = await Promise.all([firstNumber(parent), channel && firstWord(parent, channel)]);
  const pids = launcherPid === undefined ? [] : [launcherPid, ...childrenOf(launcherPid).map((child) => child.pid)];
  const identities = pids.map(identityOf).filter((identity) => identity !== undefined);
  parent.kill('SIGKILL');
  const gone = await allGone(identities);
  for (const identity of identities) signal(identity, 'SIGKILL');
  channel?.destroy();
  return identities.length === 2 && gone;
}

const firstNumber = async (child: ChildProcess): Promise<number | undefined> => {
  const word = child.stdout ? await firstWord(child, child.stdout) : undefined;
  return word === undefined ? undefined : Number(word);
};

/** @returns the first text that comes, or undefined if the child ends or takes too long. */
function firstWord(child: ChildProcess, from: EventEmitter): Promise<string | undefined> {
  return new Promise((resolve) => {
    const limit = setTimeout(() => resolve(undefined), PROBE_LIMIT_MS);
    const done = (word?: string): void => {
      clearTimeout(limit);
      resolve(word);
    };
    from.once('data', (text: Buffer) => done(text.toString()));
    from.once('end', () => done());
    child.once('error', () => done());
    child.once('exit', () => done());
  });
}

async function allGone(identities: readonly ProcessIdentity[]): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < PROBE_LIMIT_MS; waitedMs += 10) {
    if (!identities.some(isAlive)) return true;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return false;
}

function succeeds(argv: readonly string[]): Promise<boolean> {
  const [program = '', ...rest] = argv;
  return new Promise((resolve) => {
    const child = spawn(program, rest, {stdio: 'ignore', timeout: PROBE_LIMIT_MS, killSignal: 'SIGKILL'});
    child.once('error', () => resolve(false));
    child.once('exit', (code) => resolve(code === 0));
  });
}

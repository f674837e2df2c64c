// The process that holds the floating addresses of a run: it puts them up, and takes them down when the guardian says so or is dead.
import {spawn, type ChildProcess} from 'node:child_process';
import {cidr, type FloatingAddress} from './address.ts';
import {allProcesses, signalGroup} from './proc.ts';
import {toolEnvironment} from './tool.ts';
import {reasonOf} from './values.ts';

/**
 * Each line it reads makes it put up what is not there (again), and answer. The end of its input is the word of the guardian, or its
 * death: one process does both, so that nothing is put up after it was taken down. Without DAD, because who holds the lease knows that the
 * address is free; with no preferred life, so that connections of the host itself do not begin at it.
 */
const HOLDER = `trap '' HUP INT QUIT TERM PIPE
put() {
  case $2 in
    *:*) ip -6 address replace "$2" dev "$1" nodad preferred_lft 0 ;;
    *) ip -4 address replace "$2" dev "$1" ;;
  esac || state=failed
}
take() { ip address delete "$2" dev "$1" 2>/dev/null; }
each() { action=$1; shift; while [ $# -ge 2 ]; do "$action" "$1" "$2"; shift 2; done; }
while read -r word; do
  state=up
  each put "$@"
  echo "$state"
done
each take "$@"`;

/** So much of its complaints is kept, characters. */
const COMPLAINT_MAX = 500;
/** How often it is looked whether anything of it is left, ms. */
const LOOK_MS = 20;

export class AddressHolder {
  /** Undefined if it could not even be tried. */
  private readonly child: ChildProcess | undefined;
  private readonly ended: (because: string) => void;
  private readonly exited: Promise<void>;
  private settle: () => void = () => undefined;
  private answer: ((because: string | undefined) => void) | undefined;
  private complaint = '';
  private gone: string | undefined;
  private released = false;

  /** @param ended told when it ends without having been released. */
  constructor(addresses: readonly FloatingAddress[], ended: (because: string) => void) {
    this.ended = ended;
    this.exited = new Promise((resolve) => (this.settle = resolve));
    try {
      this.child = this.start(addresses.flatMap((each) => [each.interface, cidr(each)]));
    } catch (error) {
      // spawn throws what it does not emit; its caller is to know this object before it is told of its end.
      setImmediate(() => this.notStarted(error));
    }
  }

  private start(places: readonly string[]): ChildProcess {
    const child: ChildProcess = spawn('sh', ['-c', HOLDER, 'ha-agent-address', ...places], {
      cwd: '/',
      env: toolEnvironment(),
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    child.once('error', (error) => this.notStarted(error));
    child.once('exit', (code, name) => this.end(`the process that holds it has ended (${name ?? code})`));
    // There are none where there was no descriptor left for them. Its end is told by 'exit'.
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.on('error', () => undefined);
    child.stdout?.on('data', (text: Buffer) => this.hear(text.toString()));
    child.stderr?.on('data', (text: Buffer) => (this.complaint = (this.complaint + text.toString()).slice(-COMPLAINT_MAX)));
    return child;
  }

  private notStarted(error: unknown): void {
    this.end(`the process that holds it could not be started: ${reasonOf(error)}`);
  }

  private end(because: string): void {
    if (this.gone !== undefined) return;
    this.gone = because;
    this.reply(because);
    if (!this.released) this.ended(because);
    this.settle();
  }

  /** Puts up what is not there. One call at a time. @returns why that failed; undefined if all are up. */
  put(limitMs: number): Promise<string | undefined> {
    return new Promise((resolve) => {
      if (this.gone !== undefined) return resolve(this.gone);
      const limit = setTimeout(() => this.reply(`it could not be put up in ${limitMs} ms`), limitMs);
      this.answer = (because) => {
        clearTimeout(limit);
        resolve(because);
      };
      this.complaint = '';
      this.child?.stdin?.write('put\n');
    });
  }

  /** Takes everything down and ends it, by force after `limitMs`; waits as long again, and no longer. */
  async release(limitMs: number): Promise<void> {
    this.released = true;
    this.child?.stdin?.end();
    if (await this.ends(limitMs)) return;
    const group = this.child?.pid;
    if (group === undefined) return;
    signalGroup(group, 'SIGKILL');
    // What it has started may still put one up.
    for (let waitedMs = 0; waitedMs < limitMs && isThere(group); waitedMs += LOOK_MS)
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }

  private ends(limitMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const limit = setTimeout(() => resolve(false), limitMs);
      void this.exited.then(() => {
        clearTimeout(limit);
        resolve(true);
      });
    });
  }

  private hear(text: string): void {
    const [word] = text.trim().split('\n').slice(-1);
    if (word === 'up') return this.reply(undefined);
    const [complaint = ''] = this.complaint.trim().split('\n').slice(-1);
    this.reply(complaint === '' ? 'ip failed' : complaint);
  }

  private reply(because: string | undefined): void {
    this.answer?.(because);
    this.answer = undefined;
  }
}

const isThere = (group: number): boolean => allProcesses().some((look) => look.group === group);

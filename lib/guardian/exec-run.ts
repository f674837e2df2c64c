// A run of an `exec` service: started held, watched, ended until no process of it is left.
import {spawn, type ChildProcess} from 'node:child_process';
import {Duplex} from 'node:stream';
import {after, monoMs} from '../protocol/words.ts';
import {bootNow} from './clock.ts';
import {describeExit} from './command.ts';
import {heldCommand, markerText, type Containment} from './containment.ts';
import {Family} from './family.ts';
import {childrenOf, identityOf, isAlive, signal, type ProcessIdentity} from './proc.ts';
import type {Run, RunContext, RunEvents} from './run.ts';

/** How often it is looked whether processes are left, ms. */
const LOOK_MS = 20;
/** How often it is noted that processes may not be signalled, ms. */
const NOTE_EVERY_MS = 10_000;

/** @param role in which it is started; the process of a standby has an epoch only if one was told. */
export function startExec(
  context: RunContext,
  service: {readonly command: readonly string[]; readonly containment: Containment},
  role: 'active' | 'passive',
  epoch: number | undefined,
  events: RunEvents,
): Run {
  const {containment, command} = service;
  const [program = '', ...rest] = heldCommand(containment, context.setup.marker, command);
  const child = spawn(program, rest, {
    cwd: context.setup.cwd,
    env: context.environment(role, epoch),
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    detached: true,
  });
  const source = role === 'active' ? 'service' : 'passive';
  context.output.drain(source, 'stdout', child.stdout);
  context.output.drain(source, 'stderr', child.stderr);
  return new ExecRun(child, {kind: containment.kind, name: role === 'active' ? 'service' : 'standby process'}, context, events);
}

class ExecRun implements Run {
  private readonly child: ChildProcess;
  private readonly kind: Containment['kind'];
  private readonly name: string;
  private readonly family: Family;
  private readonly note: (text: string) => void;
  private readonly events: RunEvents;
  private readonly channel: Duplex | undefined;
  /** First process of the namespace, or of the group; undefined until it is ready. */
  private holder: ProcessIdentity | undefined;
  private phase: 'running' | 'ending' | 'killing' | 'gone' = 'running';
  private launcherEnded = false;
  private looking: NodeJS.Timeout | undefined;
  /** When it was last noted that processes may not be signalled, ms of the steady clock. */
  private notedAt = monoMs(-Infinity);

  constructor(
    child: ChildProcess,
    {kind, name}: {readonly kind: Containment['kind']; readonly name: string},
    context: RunContext,
    events: RunEvents,
  ) {
    this.child = child;
    this.kind = kind;
    this.name = name;
    this.family = new Family(child.pid, markerText(context.setup.marker));
    this.note = (text) => context.note(text);
    this.events = events;
    const channel = child.stdio[3];
    this.channel = channel instanceof Duplex ? channel : undefined;
    this.channel?.once('data', () => this.letGo());
    // The holder may be gone when it is told to go: its end is reported by 'exit'.
    this.channel?.on('error', () => undefined);
    child.once('error', (error) => this.launcherGone(`could not be started: ${error.message}`));
    child.once('exit', (code, name) => this.launcherGone(describeExit(code, name)));
  }

  term(): void {
    if (this.phase !== 'running') return;
    this.phase = 'ending';
    this.lookSoon();
    // Without its `go` the holder takes the end of the channel for the death of the guardian, and ends.
    if (!this.holder) this.channel?.destroy();
    else if (this.kind === 'namespace') signal(this.holder, 'SIGTERM');
    else this.noteRefused(this.family.signalAll('SIGTERM'));
    this.look();
  }

  kill(): void {
    if (this.phase === 'gone') return;
    this.phase = 'killing';
    this.lookSoon();
    this.strike();
    this.look();
  }

  /** The holder is ready: only if it can be identified as the one that dies with us, and still in time, the command may start. */
  private letGo(): void {
    // The guardian may have been frozen since the order.
    if (!this.events.mayRun()) {
      this.channel?.destroy();
      return;
    }
    const pid = this.child.pid;
    if (this.phase !== 'running' || pid === undefined) return;
    const holders = this.kind === 'group' ? [pid] : childrenOf(pid).map((each) => each.pid);
    this.holder = holders.length === 1 && holders[0] !== undefined ? identityOf(holders[0]) : undefined;
    if (!this.holder) {
      this.channel?.destroy();
      return;
    }
    this.channel?.end('go\n');
    this.events.holding(this.holder);
    this.events.started();
  }

  private launcherGone(because: string): void {
    this.launcherEnded = true;
    this.channel?.destroy();
    if (this.phase === 'running') this.events.ended(`the ${this.name} has ended: ${because}`);
    this.look();
  }

  /** Looks until nothing is left, soon after each change and then at intervals. */
  private look(): void {
    clearTimeout(this.looking);
    if (this.phase === 'gone' || this.phase === 'running') return;
    this.lookSoon();
    if (this.isGone()) {
      clearTimeout(this.looking);
      this.phase = 'gone';
      this.events.gone(true);
      return;
    }
    if (this.phase === 'killing') this.strike();
  }

  /** Always before anything that could fail: a fault must not be the end of the looks. */
  private lookSoon(): void {
    clearTimeout(this.looking);
    this.looking = setTimeout(() => this.look(), LOOK_MS);
  }

  private isGone(): boolean {
    if (!this.launcherEnded) return false;
    if (this.kind === 'namespace' && this.holder) return !isAlive(this.holder);
    return !this.family.anyLeft();
  }

  private strike(): void {
    if (this.kind === 'namespace' && this.holder) signal(this.holder, 'SIGKILL');
    // Its death is also that of a holder that was never seen.
    else if (!this.launcherEnded) this.killLauncher();
    if (this.kind === 'group' || !this.holder) this.noteRefused(this.family.signalAll('SIGKILL'));
  }

  /** Not through the child: where the command has become somebody else's, that says 'error' as if it had never been started. */
  private killLauncher(): void {
    const launcher = this.child.pid === undefined ? undefined : identityOf(this.child.pid);
    if (launcher) signal(launcher, 'SIGKILL');
  }

  private noteRefused(pids: readonly number[]): void {
    if (pids.length === 0 || bootNow() < after(this.notedAt, NOTE_EVERY_MS)) return;
    this.notedAt = bootNow();
    this.note(`processes of another user may not be signalled: ${pids.join(' ')}; nothing is released before they have ended`);
  }
}

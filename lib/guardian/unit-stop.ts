// Stopping a systemd unit, and the proof of it: systemd runs nothing of it, and no process is left in its control groups.
import type {RunContext} from './run.ts';
import {bootId, identityOf, signal} from './proc.ts';
import {closeGate} from './unit-gate.ts';
import {
  ASK_MS,
  controlGroupsOf,
  isDown,
  lookAtUnit,
  processesIn,
  stateText,
  systemctl,
  type Asked,
  type Looked,
  type UnitLook,
} from './unit.ts';
import {reasonOf} from './values.ts';
import type {UnitSpec} from './wire.ts';

/** How often its processes are killed, past systemd, ms. */
const STRIKE_MS = 100;
/** Pause between two looks while the unit may still end by itself, ms. */
const LOOK_MS = 500;
/** The same while its processes are being killed, ms. */
const KILL_LOOK_MS = 100;
/** And after its proof is overdue, ms. */
const OVERDUE_LOOK_MS = 2_000;
/** How long after SIGKILL the proof may take before it is told that there is none yet, ms. */
const PROOF_MS = 3_000;
/** For systemd's own part of a stop, beyond stopTimeout, ms. */
const STOP_EXTRA_MS = 5_000;

/** What is left of a unit; `look` is undefined where systemd does not say, and then `because` is why. */
export type Rest = {readonly gone: boolean; readonly because: string; readonly look: UnitLook | undefined};

/** Whether anything of the unit runs, as systemd has just said and the control groups say now. */
export function restOf(unit: string, looked: Looked): Rest {
  if (!looked.ok) return {gone: false, because: looked.because, look: undefined};
  const {look} = looked;
  const pids = processesIn(controlGroupsOf(look));
  const no = (because: string): Rest => ({gone: false, because, look});
  if (!isDown(look)) return no(`the unit ${unit} is ${stateText(look)}`);
  if (!pids) return no('no control groups can be read here (/sys/fs/cgroup)');
  if (pids.length > 0) return no(`processes of the unit ${unit} are left: ${pids.join(' ')} (KillMode=${look.killMode})`);
  return {gone: true, because: `the unit ${unit} is ${stateText(look)}, and none of its processes is left`, look};
}

/** One stop, from its beginning to its proof. */
export class UnitStop {
  private readonly context: RunContext;
  private readonly spec: UnitSpec;
  private readonly tell: (proven: boolean, because: string) => void;
  private readonly find: typeof processesIn;
  private groups: readonly string[];
  private asked: Asked | undefined;
  private killing = false;
  private over = false;
  private turning = false;
  private pause: NodeJS.Timeout | undefined;
  private overdue: NodeJS.Timeout | undefined;
  private striking: NodeJS.Timeout | undefined;
  /** Why systemd could not be passed by. */
  private complaint = '';
  private told = false;
  private because = 'systemd has not answered yet';

  /**
   * @param groups the control groups that are known, for a kill that cannot wait for systemd's word.
   * @param tell `false` at most once, when the proof is overdue after `kill`; `true` at most once, and then it is over.
   * @param find whom to kill.
   */
  constructor(
    context: RunContext,
    spec: UnitSpec,
    groups: readonly string[] | undefined,
    tell: (proven: boolean, because: string) => void,
    find = processesIn,
  ) {
    this.context = context;
    this.spec = spec;
    this.groups = groups ?? controlGroupsOf({id: spec.unit, slice: '', controlGroup: ''});
    this.tell = tell;
    this.find = find;
  }

  begin(): void {
    this.turn();
  }

  kill(): void {
    if (this.over || this.killing) return;
    this.killing = true;
    this.overdue = setTimeout(() => {
      this.told = true;
      this.tell(false, this.because);
    }, PROOF_MS);
    clearTimeout(this.pause);
    // A call that waits for the end of a stop would hold up what comes next.
    this.asked?.kill();
    this.turn();
    // On a timer of its own: a service that goes on starting processes is met again, however long systemd takes for an answer.
    this.striking = setInterval(() => this.strike(), STRIKE_MS);
    this.strike();
  }

  /** Nothing more is done or told. */
  leave(): void {
    this.over = true;
    clearTimeout(this.pause);
    clearTimeout(this.overdue);
    clearInterval(this.striking);
    this.asked?.kill();
  }

  private turn(): void {
    if (this.turning || this.over) return;
    this.turning = true;
    this.once()
      .catch((error: unknown) => (this.because = String(error)))
      .finally(() => {
        this.turning = false;
        if (!this.over) this.pause = setTimeout(() => this.turn(), this.pauseMs());
      });
  }

  private pauseMs(): number {
    if (!this.killing) return LOOK_MS;
    return this.told ? OVERDUE_LOOK_MS : KILL_LOOK_MS;
  }

  private async once(): Promise<void> {
    // First of all nobody may start it any more: what systemd has begun to start by now is stopped.
    const gap = this.close();
    await this.ask();
    const looked = restOf(this.spec.unit, await lookAtUnit(this.spec.unit));
    if (this.over) return;
    const rest = gap === undefined ? looked : {...looked, gone: false, because: gap};
    if (rest.look) this.groups = [...new Set([...this.groups, ...controlGroupsOf(rest.look)])];
    if (rest.because !== this.because && !rest.gone) this.context.note(rest.because);
    this.because = rest.because;
    if (!rest.gone) return;
    this.leave();
    this.tell(true, rest.because);
  }

  /** Returns when systemd has stopped it, in whatever way the unit says; nobody waits for that once the time is over. */
  private async ask(): Promise<void> {
    const {stopTimeoutMs} = this.context.setup.config.timing;
    const words = ['stop', ...(this.killing ? ['--no-block'] : []), '--', this.spec.unit];
    this.asked = systemctl(words, this.killing ? ASK_MS : stopTimeoutMs + STOP_EXTRA_MS);
    const {end, because} = await this.asked.answer;
    this.asked = undefined;
    if (end.status !== 0 && !this.killing) this.context.note(`systemctl stop ${this.spec.unit}: ${because}`);
  }

  /** @returns why anybody may still start it. */
  private close(): string | undefined {
    const {unit, environmentFile} = this.spec;
    try {
      closeGate(environmentFile);
      return undefined;
    } catch (error) {
      return `the unit ${unit} could be started again: ${reasonOf(error)}`;
    }
  }

  /** Past the word of systemd, which may hang; with KillMode=process it would not even kill all. */
  private strike(): void {
    try {
      for (const pid of this.find(this.groups) ?? []) {
        const identity = pid === 0 ? undefined : identityOf(pid);
        if (identity?.bootId === bootId()) signal(identity, 'SIGKILL');
      }
    } catch (error) {
      const complaint = `the processes of ${this.spec.unit} could not be killed, which is tried again: ${reasonOf(error)}`;
      if (complaint !== this.complaint) this.context.note(complaint);
      this.complaint = complaint;
    }
  }
}

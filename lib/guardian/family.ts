// The processes of one run where no namespace holds them: found by group, session, ancestry and marker.
import {allProcesses, bootId, isAlive, lookAt, mentions, signal, type ProcessIdentity, type ProcessLook} from './proc.ts';

export class Family {
  private readonly since: number;
  private readonly marker: string;
  /** Sessions and groups that members were seen in; a number is not reused while somebody is in it. */
  private readonly sessions = new Set<number>();
  private readonly members = new Map<number, number>();
  /** Nobody becomes a member for being in one of these: what runs there was not started by the service. */
  private readonly foreign: ReadonlySet<number>;

  /**
   * @param leader the first process, leader of its session and group: its number if it has just been started and not been reaped, or
   *   who it was, dead or alive; undefined if nobody knows, and then the marker alone tells.
   */
  constructor(leader: number | ProcessIdentity | undefined, marker: string) {
    this.marker = marker;
    const own = lookAt(process.pid);
    this.foreign = new Set([0, own?.session ?? 0, own?.group ?? 0]);
    const first = typeof leader === 'number' ? lookAt(leader) : leader;
    this.since = first?.startTicks ?? 0;
    if (leader === undefined) return;
    const pid = typeof leader === 'number' ? leader : leader.pid;
    // The number of a session is free again only when nobody is left in it: another process of this number proves that.
    if (first && isReused(pid, first.startTicks)) return;
    if (first) this.members.set(pid, first.startTicks);
    this.sessions.add(pid);
  }

  anyLeft(): boolean {
    return this.scan().length > 0;
  }

  /** The numbers of every living process of the family. */
  pids(): number[] {
    return this.scan().map((look) => look.pid);
  }

  /** One round; processes that are being started during it are met by the next one. @returns those that live and may not be signalled. */
  signalAll(name: NodeJS.Signals): number[] {
    const refused: number[] = [];
    for (const look of this.scan()) {
      const identity = {pid: look.pid, startTicks: look.startTicks, bootId: bootId()};
      if (!signal(identity, name) && isAlive(identity)) refused.push(look.pid);
    }
    return refused;
  }

  /** Every living process of the family; those found once are known again without parent or marker. */
  private scan(): ProcessLook[] {
    const rest = allProcesses().filter((look) => look.startTicks >= this.since && look.pid !== process.pid);
    const marked = new Set(rest.filter((look) => mentions(look.pid, this.marker)));
    const found = new Set<ProcessLook>();
    for (let before = -1; before !== found.size;) {
      before = found.size;
      for (const look of rest) {
        if (found.has(look) || !(marked.has(look) || this.belongs(look))) continue;
        found.add(look);
        this.members.set(look.pid, look.startTicks);
        for (const id of [look.session, look.group]) if (!this.foreign.has(id)) this.sessions.add(id);
      }
    }
    this.forgetDead([...found]);
    return [...found];
  }

  private belongs(look: ProcessLook): boolean {
    return (
      this.members.get(look.pid) === look.startTicks ||
      this.members.has(look.parent) ||
      this.sessions.has(look.session) ||
      this.sessions.has(look.group)
    );
  }

  private forgetDead(living: readonly ProcessLook[]): void {
    const pids = new Set(living.map((look) => look.pid));
    const groups = new Set(living.flatMap((look) => [look.session, look.group]));
    for (const pid of this.members.keys()) if (!pids.has(pid)) this.members.delete(pid);
    for (const id of this.sessions) if (!groups.has(id)) this.sessions.delete(id);
  }
}

function isReused(pid: number, startTicks: number): boolean {
  const look = lookAt(pid);
  return look !== undefined && look.startTicks !== startTicks;
}

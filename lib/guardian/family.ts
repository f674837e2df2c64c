// The processes of one run where no namespace holds them: found by group, session, ancestry and marker.
import {allProcesses, bootId, lookAt, mentions, signal, type ProcessLook} from './proc.ts';

export class Family {
  private readonly since: number;
  private readonly marker: string;
  /** Sessions and groups that members were seen in; a number is not reused while somebody is in it. */
  private readonly sessions = new Set<number>();
  private readonly members = new Map<number, number>();

  /** @param leader the first process, already started and leader of its session; undefined if it could not be started. */
  constructor(leader: number | undefined, marker: string) {
    this.marker = marker;
    const look = leader === undefined ? undefined : lookAt(leader);
    this.since = look?.startTicks ?? 0;
    if (look) this.members.set(look.pid, look.startTicks);
    if (leader !== undefined) this.sessions.add(leader);
  }

  anyLeft(): boolean {
    return this.scan().length > 0;
  }

  /** One round; processes that are being started during it are met by the next one. */
  signalAll(name: NodeJS.Signals): void {
    for (const look of this.scan()) signal({pid: look.pid, startTicks: look.startTicks, bootId: bootId()}, name);
  }

  /** Every living process of the family; those found once are known again without parent or marker. */
  private scan(): ProcessLook[] {
    const rest = allProcesses().filter((look) => look.startTicks >= this.since && look.pid !== process.pid);
    const marked = new Set(rest.filter((look) => mentions(look.pid, this.marker)));
    const found: ProcessLook[] = [];
    for (let before = -1; before !== found.length;) {
      before = found.length;
      for (const look of rest) {
        if (found.includes(look) || !(marked.has(look) || this.belongs(look))) continue;
        found.push(look);
        this.members.set(look.pid, look.startTicks);
        this.sessions.add(look.session);
        this.sessions.add(look.group);
      }
    }
    this.forgetDead(found);
    return found;
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

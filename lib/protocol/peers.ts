// Who is alive, as heartbeats tell it; and whether the record with our id is ours. Heartbeats never tell who is master.
import type {AgentEffect, AgentInput, AgentState, ElderMark, OwnRecord, Peer, RecordMark, Whose} from './agent-state.ts';
import type {NodeReport} from './heartbeat.ts';
import {isDue, nextBeat, occupy, vacate} from './lanes.ts';
import {ALIVE_HEARTBEATS, LISTEN_POLLS, listenMs, muteMs} from './timing.ts';
import {after, type MonoMs, type NodeId} from './words.ts';

/** How many heartbeats of ours may be missing before the order of candidates stays as it was. */
const FLOWING_HEARTBEATS = 3;
/** An owner has nothing to decide by the others' heartbeats while they come: it reads them only every so many polls. */
const OWNER_HEAR_POLLS = 2;
/** How soon everybody's heartbeats are read after a reading that was not everybody's, ms. */
const REREAD_MS = 10;

export function onHeard(s: AgentState, input: AgentInput & {type: 'heard'}, out: AgentEffect[]): AgentState {
  const {heartbeats, askedAt, answeredAt} = input;
  const peers: Record<string, Peer> = {...s.peers};
  for (const heartbeat of heartbeats) {
    for (const seen of heartbeat.seen.filter((each) => each.nodeId !== s.self.nodeId))
      noteDigest(peers, seen, answeredAt, s.self.timing.heartbeatIntervalMs);
    if (heartbeat.nodeId !== s.self.nodeId) note(peers, heartbeat, answeredAt);
  }
  // A reading of the owner alone was under way when everybody's became due.
  const next =
    !input.everybody && !input.failed && needsEverybody(s, answeredAt) ? after(answeredAt, REREAD_MS) : nextHearing(s, askedAt);
  const idle = vacate(s, 'hear', next);
  const heardAt = input.everybody ? askedAt : s.heardAt;
  const own = heartbeats.find((heartbeat) => heartbeat.nodeId === s.self.nodeId);
  const there = withRecord(s, input);
  const kept = there ? withoutRemoved(s, peers, there, answeredAt) : peers;
  return checkOwnRecord({...idle, peers: kept, heardAt}, own, input, out);
}

/** Who is heard only so often must still be heard in time to count as alive, however long a reading takes. */
function nextHearing(s: AgentState, at: MonoMs): MonoMs {
  const {pollIntervalMs, heartbeatIntervalMs} = s.self.timing;
  const rarely = s.lease.kind === 'owned' && (OWNER_HEAR_POLLS + 1) * pollIntervalMs <= ALIVE_HEARTBEATS * heartbeatIntervalMs;
  return nextBeat(s, at, rarely ? OWNER_HEAR_POLLS * pollIntervalMs : pollIntervalMs);
}

/** Who has a record, as everybody's records tell, or to a follower the owner's digest; undefined: this reading does not tell. */
function withRecord(s: AgentState, {heartbeats, everybody}: AgentInput & {type: 'heard'}): ReadonlySet<string> | undefined {
  if (everybody) return new Set(heartbeats.map(({nodeId}) => nodeId));
  const owner = heartbeats.find(({nodeId}) => nodeId === ownerOf(s));
  // An owner that does not name this node has not looked around yet, or was not the owner when it wrote.
  if (owner?.seen.some(({nodeId}) => nodeId === s.self.nodeId) !== true) return undefined;
  return new Set([owner, ...owner.seen].map(({nodeId}) => nodeId));
}

/** A dead node whose record is no longer there was removed by an operator: it is forgotten, also where a late reading brought it back. */
function withoutRemoved(
  s: AgentState,
  peers: Readonly<Record<string, Peer>>,
  there: ReadonlySet<string>,
  now: MonoMs,
): Readonly<Record<string, Peer>> {
  return Object.fromEntries(Object.entries(peers).filter(([id, peer]) => there.has(id) || isAlive(s, peer, now)));
}

/** A change of (instanceId, seq) is what "alive" means; an older report than the known one says nothing. */
function note(peers: Record<string, Peer>, report: NodeReport, now: MonoMs): void {
  const known = peers[report.nodeId];
  if (!known) {
    peers[report.nodeId] = {report, changedAt: undefined};
    return;
  }
  const sameInstance = known.report.instanceId === report.instanceId;
  if (sameInstance && report.seq <= known.report.seq) return;
  peers[report.nodeId] = {report, changedAt: now};
}

/** The master's digest lags behind: it never brings back an instance whose successor has just been seen. */
function noteDigest(peers: Record<string, Peer>, report: NodeReport, now: MonoMs, heartbeatIntervalMs: number): void {
  const known = peers[report.nodeId];
  const fresh = known?.changedAt !== undefined && now - known.changedAt < 2 * heartbeatIntervalMs;
  if (fresh && known.report.instanceId !== report.instanceId) return;
  note(peers, report, now);
}

/** Before the first heartbeat: another instance's record must stand still for 3 polls, or this node is not alone. */
function checkOwnRecord(
  s: AgentState,
  own: NodeReport | undefined,
  input: AgentInput & {type: 'heard'},
  out: AgentEffect[],
): AgentState {
  const {ownRecord} = s;
  const now = input.answeredAt;
  const mark = own && own.instanceId !== s.self.instanceId ? markOf(own) : undefined;
  if (ownRecord.kind === 'mine' || !(input.everybody || input.own)) return s;
  if (ownRecord.kind === 'unread') {
    if (!mark) return {...s, ownRecord: {kind: 'mine', before: undefined, rival: undefined}};
    return {...s, ownRecord: {kind: 'watched', found: mark, until: after(now, listenMs(s.self.timing))}};
  }
  if (mark && !sameMark(mark, ownRecord.found)) return refuseTwin(s, mark, out);
  const next: OwnRecord = now >= ownRecord.until ? {kind: 'mine', before: ownRecord.found, rival: undefined} : ownRecord;
  return {...s, ownRecord: next};
}

const markOf = ({instanceId, seq, heartbeatIntervalMs}: NodeReport): ElderMark => ({
  instanceId,
  seq,
  ...(heartbeatIntervalMs !== undefined && {heartbeatIntervalMs}),
});

const sameMark = (a: RecordMark, b: RecordMark): boolean => a.instanceId === b.instanceId && a.seq === b.seq;

function refuseTwin(s: AgentState, twin: RecordMark, out: AgentEffect[]): AgentState {
  const because = `another live agent (instance ${twin.instanceId}) has the node id ${s.self.nodeId}: give this one another with --nodeId`;
  out.push({type: 'exit', code: 3, keep: false, because});
  return {...s, ended: true, because};
}

export function onHeartbeatWritten(
  s: AgentState,
  input: AgentInput & {type: 'heartbeatWritten'},
  out: AgentEffect[],
): AgentState {
  const {askedAt, answeredAt, found} = input;
  const idle = vacate(s, 'beat', nextBeat(s, askedAt, s.self.timing.heartbeatIntervalMs));
  if (!input.ok) return idle;
  const listenUntil = idle.listenUntil ?? after(answeredAt, listenMs(s.self.timing));
  const beaten = {...idle, beatAt: answeredAt, listenUntil};
  if (!found || found.instanceId === s.self.instanceId || s.ownRecord.kind !== 'mine') return beaten;
  const {before, rival} = s.ownRecord;
  if (before && sameMark(before, found)) return beaten;
  // Found once it may come from a backup; only who lives writes another one after we have overwritten it.
  const lives = rival?.instanceId === found.instanceId && rival.seq !== found.seq;
  if (!lives || s.trust.kind !== 'fine') return {...beaten, ownRecord: {...s.ownRecord, rival: found}};
  return goesBeforeTwin(s, found) ? beaten : refuseTwin(beaten, found, out);
}

/** Of two live agents with one node id exactly one stays: the one that holds the lease, or else the smaller instance. */
function goesBeforeTwin(s: AgentState, twin: RecordMark): boolean {
  if (s.lease.kind !== 'none') return true;
  const {name} = s.view;
  if (name?.kind === 'held' && name.writer?.instanceId === twin.instanceId) return false;
  return s.self.instanceId < twin.instanceId;
}

/** Reads whom this node needs: everybody while it elects or owns, the owner while it follows. */
export function listen(s: AgentState, now: MonoMs, out: AgentEffect[]): AgentState {
  if (!isDue(s, 'hear', now)) return s;
  out.push({type: 'readHeartbeats', whose: whomToHear(s, now)});
  return occupy(s, 'hear');
}

/** Once our own record is ours, writing it tells whether it still is. */
function whomToHear(s: AgentState, now: MonoMs): Whose {
  if (!needsEverybody(s, now)) return [ownerOf(s)].flatMap((id) => id ?? []);
  return s.ownRecord.kind === 'mine' ? 'others' : 'all';
}

function needsEverybody(s: AgentState, now: MonoMs): boolean {
  if (s.ownRecord.kind !== 'mine' || s.lease.kind !== 'none' || ownerOf(s) === undefined) return true;
  if (s.listenUntil === undefined || now < s.listenUntil) return true;
  return now - s.view.firstSeenAt >= LISTEN_POLLS * s.self.timing.pollIntervalMs;
}

const ownerOf = (s: AgentState): NodeId | undefined => (s.view.name?.kind === 'held' ? s.view.name.writer?.nodeId : undefined);

/** While its own heartbeat does not get out, a node keeps the order it knew. */
export function isAlive(s: AgentState, peer: Peer, now: MonoMs): boolean {
  const {heartbeatIntervalMs} = s.self.timing;
  const stuck = s.beatAt !== undefined && now - s.beatAt > FLOWING_HEARTBEATS * heartbeatIntervalMs;
  const asOf = stuck ? s.beatAt : now;
  return (
    peer.changedAt !== undefined &&
    asOf - peer.changedAt <= ALIVE_HEARTBEATS * heartbeatIntervalMs &&
    peer.report.state !== 'TERMINATED'
  );
}

/** One that could not write a heartbeat for 10 polls ranks after all it sees alive. */
export const isMute = (s: AgentState, now: MonoMs): boolean => now - (s.beatAt ?? s.startedAt) >= muteMs(s.self.timing);

export const electable = (s: AgentState, now: MonoMs): Peer[] =>
  Object.values(s.peers).filter((peer) => isAlive(s, peer, now) && peer.report.eligible);

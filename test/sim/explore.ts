// Visits every state of the small world that can be reached within bounds, depth first, and says how far that was.
import {parseLockName} from '../../lib/protocol/lock-name.ts';
import {monoMs} from '../../lib/protocol/words.ts';
import {Violation} from './checkers.ts';
import {
  change,
  draftOf,
  execute,
  findGuardian,
  firstState,
  nodeAt,
  startInstance,
  tellAgent,
  tellGuardian,
  UNIT_MS,
  type ExploreState,
} from './explore-model.ts';

export interface Bounds {
  readonly nodes: number;
  /** Time from the first master on, in units (T = 4). */
  readonly units: number;
  readonly epochs: number;
  readonly left: ExploreState['left'];
  readonly states: number;
}

export interface Exploration {
  readonly states: number;
  readonly edges: number;
  /** Whether every state within the bounds was visited, rather than the first so many. */
  readonly complete: boolean;
  readonly failure: {readonly check: string; readonly message: string; readonly trace: readonly string[]} | undefined;
}

interface Visit {
  readonly state: ExploreState;
  readonly did: string;
  readonly parent: Visit | undefined;
}

type Draft = ReturnType<typeof draftOf>;

export function explore(bounds: Bounds): Exploration {
  try {
    return visitAll(bounds, firstMaster(bounds));
  } catch (error) {
    // Already the beginning without any choice broke a rule.
    if (!(error instanceof Violation)) throw error;
    return {states: 0, edges: 0, complete: false, failure: {check: error.check, message: error.message, trace: []}};
  }
}

function visitAll(bounds: Bounds, start: ExploreState): Exploration {
  const horizon = start.now + bounds.units * UNIT_MS;
  const seen = new Set<number>([fingerprint(start)]);
  const stack: Visit[] = [{state: start, did: 'n1 is master', parent: undefined}];
  let edges = 0;
  for (let visit = stack.pop(); visit; visit = stack.pop()) {
    const {state} = visit;
    for (const [did, go] of choices(state, horizon)) {
      edges++;
      const next = draftOf(state);
      try {
        go(next);
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        const check = error instanceof Violation ? error.check : 'exception';
        const trace = traceOf({state: next, did, parent: visit});
        return {states: seen.size, edges, complete: false, failure: {check, message: error.message, trace}};
      }
      if ((parseLockName(next.lock)?.epoch ?? 0) > bounds.epochs) continue;
      const print = fingerprint(next);
      if (seen.has(print)) continue;
      if (seen.size >= bounds.states) return {states: seen.size, edges, complete: false, failure: undefined};
      seen.add(print);
      stack.push({state: next, did, parent: visit});
    }
  }
  return {states: seen.size, edges, complete: true, failure: undefined};
}

/** Without any choice: everybody starts, n1 claims the virgin lock and serves, the others follow it. */
function firstMaster(bounds: Bounds): ExploreState {
  const d = draftOf(firstState(bounds.nodes, bounds.left));
  for (let i = 0; i < bounds.nodes; i++) startInstance(d, i);
  for (let round = 0; round < 40 && !nodeAt(d, 0).serves; round++) {
    for (let i = 0; i < bounds.nodes; i++) settleCalls(d, i);
    if (nodeAt(d, 0).serves) break;
    pass(d);
    for (let i = 0; i < bounds.nodes; i++) tellAgent(d, i, {type: 'tick'});
  }
  for (let i = 0; i < bounds.nodes; i++) settleCalls(d, i);
  if (!nodeAt(d, 0).serves) throw new Error('nobody became master in fine weather');
  return d;
}

function settleCalls(d: Draft, i: number): void {
  const {rename} = nodeAt(d, i);
  if (rename) {
    answerRename(d, i, execute(d, rename.from, rename.to));
  }
  if (nodeAt(d, i).list) answerList(d, i, d.lock);
}

type Choice = readonly [did: string, go: (d: Draft) => void];

/** Everything that may happen next. */
function choices(s: ExploreState, horizon: number): Choice[] {
  const list: Choice[] = s.nodes.flatMap((_, i) => [...agentChoices(s, i), ...guardianChoices(s, i)]);
  s.late.forEach((rename, at) => {
    list.push([
      `a late rename is executed: ${rename.to}`,
      (d) => {
        d.late = d.late.filter((_, each) => each !== at);
        execute(d, rename.from, rename.to);
      },
    ]);
  });
  if (s.now < horizon) list.push(['a unit of time passes', pass]);
  return list;
}

function agentChoices(s: ExploreState, i: number): Choice[] {
  const {name, agent, guardian} = nodeAt(s, i);
  if (!agent || agent.ended)
    return agent
      ? []
      : [
          [
            `${name} starts again`,
            (d) => {
              startInstance(d, i);
            },
          ],
        ];
  const out: Choice[] = [...renameChoices(s, i), ...listChoices(s, i)];
  if (agent.wakeAt <= s.now)
    out.push([
      `${name}: steps`,
      (d) => {
        tellAgent(d, i, {type: 'tick'});
      },
    ]);
  if (agent.link.kind === 'starting' && (!guardian || guardian.link.kind !== 'connected'))
    out.push([
      `${name}: looks for its guardian`,
      (d) => {
        findGuardian(d, i);
      },
    ]);
  if (s.left.crash > 0)
    out.push([
      `${name}: kill -9 of the agent`,
      (d) => {
        crash(d, i);
      },
    ]);
  return out;
}

function renameChoices(s: ExploreState, i: number): Choice[] {
  const {name, rename} = nodeAt(s, i);
  const out: Choice[] = [];
  if (rename?.done === undefined && rename) {
    out.push([
      `${name}: executed ${rename.to}`,
      (d) => {
        change(d, i, {rename: {...rename, done: execute(d, rename.from, rename.to)}});
      },
    ]);
    if (s.left.late > 0)
      out.push([
        `${name}: EIO for ${rename.to}`,
        (d) => {
          d.left = {...d.left, late: d.left.late - 1};
          d.late = [...d.late, {from: rename.from, to: rename.to}];
          answerRename(d, i, false);
        },
      ]);
  } else if (rename) {
    out.push([
      `${name}: answered ${rename.done ? 'done' : 'ENOENT'} for ${rename.to}`,
      (d) => {
        answerRename(d, i, rename.done === true);
      },
    ]);
    if (rename.done && s.left.lost > 0)
      out.push([
        `${name}: lost reply for ${rename.to}`,
        (d) => {
          d.left = {...d.left, lost: d.left.lost - 1};
          answerRename(d, i, false);
        },
      ]);
  }
  return out;
}

function listChoices(s: ExploreState, i: number): Choice[] {
  const {name, list} = nodeAt(s, i);
  const out: Choice[] = [];
  if (list) {
    out.push([
      `${name}: lists ${s.lock}`,
      (d) => {
        answerList(d, i, d.lock);
      },
    ]);
    if (s.left.stale > 0 && !list.refresh && s.before !== s.lock)
      out.push([
        `${name}: lists the stale ${s.before}`,
        (d) => {
          d.left = {...d.left, stale: d.left.stale - 1};
          answerList(d, i, d.before);
        },
      ]);
  }
  return out;
}

function guardianChoices(s: ExploreState, i: number): Choice[] {
  const {name, guardian, serves, helper} = nodeAt(s, i);
  if (!guardian) return [];
  const out: Choice[] = [];
  if (guardian.run.kind === 'stopping' && serves) {
    const {run} = serves;
    out.push([
      `${name}: the service ends`,
      (d) => {
        change(d, i, {serves: undefined});
        tellGuardian(d, i, {type: 'runGone', run, proven: true});
      },
    ]);
  }
  if (helper)
    out.push([
      `${name}: the helper releases`,
      (d) => {
        const held = parseLockName(d.lock);
        if (
          held?.kind === 'held' &&
          held.epoch >= helper.epoch &&
          held.writer &&
          helper.instances.includes(held.writer.instanceId)
        ) {
          const to = `${String(held.epoch + 1).padStart(10, '0')}.free.${held.writer.nodeId}.${held.writer.instanceId}.${helper.attempt + 1}`;
          execute(d, d.lock, to);
        }
        tellGuardian(d, i, {type: 'releaseEnded'});
      },
    ]);
  return out;
}

/** The guardian sees the channel close, kills the agent, and sees it gone; what the agent had on the wire goes on. */
function crash(d: Draft, i: number): void {
  const {rename} = nodeAt(d, i);
  d.left = {...d.left, crash: d.left.crash - 1};
  if (rename?.done === undefined && rename) d.late = [...d.late, {from: rename.from, to: rename.to}];
  change(d, i, {agent: undefined, rename: undefined, list: undefined});
  tellGuardian(d, i, {type: 'linkClosed'});
  tellGuardian(d, i, {type: 'agentGone'});
}

function answerRename(d: Draft, i: number, done: boolean): void {
  const {rename} = nodeAt(d, i);
  if (!rename) return;
  change(d, i, {rename: undefined});
  const outcome = done ? ({kind: 'done'} as const) : ({kind: 'failed', reason: 'in doubt'} as const);
  tellAgent(d, i, {type: 'renamed', outcome, askedAt: monoMs(rename.askedAt), answeredAt: monoMs(d.now)});
}

function answerList(d: Draft, i: number, name: string): void {
  const {list} = nodeAt(d, i);
  if (!list) return;
  change(d, i, {list: undefined});
  tellAgent(d, i, {
    type: 'listed',
    listing: {kind: 'names', names: [name]},
    askedAt: monoMs(list.askedAt),
    answeredAt: monoMs(d.now),
  });
}

/** Guardians look four times in a unit: only they are urgent. */
function pass(d: Draft): void {
  for (let quarter = 0; quarter < 4; quarter++) {
    d.now += UNIT_MS / 4;
    for (let i = 0; i < d.nodes.length; i++) tellGuardian(d, i, {type: 'tick'});
  }
}

function traceOf(last: Visit): string[] {
  const lines: string[] = [];
  for (let visit: Visit | undefined = last; visit; visit = visit.parent)
    lines.push(`${(visit.state.now / UNIT_MS).toFixed(2).padStart(6)}  ${visit.did}`);
  return lines.reverse();
}

/** 53 bits of two FNV hashes over everything but sentences: two different states are taken for one with a chance below 1e-3 at 4 million. */
function fingerprint(state: ExploreState): number {
  const text = JSON.stringify(state, (key, value: unknown) =>
    key === 'because' || key === 'reason' || key === 'settings' || key === 'timing' ? undefined : value,
  );
  let [a, b] = [0x811c9dc5, 0x01234567];
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x85ebca6b) ^ (b >>> 13);
  }
  return (a >>> 0) * 0x200000 + ((b >>> 0) & 0x1fffff);
}

// What a seed means: the nodes, how the store behaves by default, and the faults with their times. Plain data, so that a
// failing plan can be shrunk and kept.
import {DEFAULT_TIMING, type Timing} from '../../lib/protocol/timing.ts';
import type {Mode} from '../../lib/protocol/heartbeat.ts';
import {makeRng, type Rng} from './rng.ts';

export interface NodePlan {
  readonly nodeId: string;
  readonly timing: Timing;
  readonly priority: number;
  readonly mode: Mode;
  readonly hasService: boolean;
  readonly graceMs: number;
  /** Deviation of the clock's rate from 1. */
  readonly drift: number;
  readonly startsAtMs: number;
}

export type FaultKind =
  | 'crashAgent'
  | 'crashGuardian'
  | 'crashBoth'
  | 'crashHost'
  | 'start'
  | 'freezeAgent'
  | 'freezeGuardian'
  | 'suspend'
  | 'cut'
  | 'hangLane'
  | 'slow'
  | 'renameTrouble'
  | 'listTrouble'
  | 'errors'
  | 'between'
  | 'serverDown'
  | 'beatsStalled'
  | 'unmount'
  | 'lockGone'
  | 'rollback'
  | 'doubled'
  | 'badService'
  | 'unfit'
  | 'pause'
  | 'switchover'
  | 'statement'
  | 'fence'
  | 'end'
  | 'mode'
  | 'demote'
  | 'hint'
  | 'priority'
  | 'closeChannel'
  | 'clone';

export interface Fault {
  readonly atMs: number;
  readonly kind: FaultKind;
  /** Index of the node it strikes. */
  readonly node: number;
  readonly durationMs: number;
  /** What else the kind needs: a strength, a choice. */
  readonly x: number;
}

export interface Plan {
  readonly seed: number;
  readonly nodes: readonly NodePlan[];
  readonly virgin: 'free' | 'held';
  readonly faults: readonly Fault[];
  /** Faults stop then. */
  readonly healAtMs: number;
  /** The clone of a machine takes the other boot id for a proof that its original is dead; nothing else goes wrong then. */
  readonly falseProof: boolean;
  /** A node whose way to the store stays too slow to serve, also after the healing. */
  readonly lame: number | undefined;
}

export const QUICK: Timing = {...DEFAULT_TIMING, leaseTimeoutMs: 6_000, stopTimeoutMs: 1_500, safetyMarginMs: 1_000};
export const MIDDLE: Timing = {...DEFAULT_TIMING, leaseTimeoutMs: 10_000, stopTimeoutMs: 3_000, safetyMarginMs: 1_200};

/** Weights: what is frequent enough to meet other faults, and what would drown them. */
const KINDS: readonly (readonly [FaultKind, number])[] = [
  ['crashAgent', 5],
  ['crashGuardian', 4],
  ['crashBoth', 4],
  ['crashHost', 4],
  ['start', 4],
  ['freezeAgent', 6],
  ['freezeGuardian', 3],
  ['suspend', 2],
  ['cut', 5],
  ['hangLane', 4],
  ['slow', 3],
  ['renameTrouble', 7],
  ['listTrouble', 7],
  ['errors', 3],
  ['between', 6],
  ['serverDown', 2],
  ['beatsStalled', 3],
  ['unmount', 2],
  ['lockGone', 1],
  ['rollback', 1],
  ['doubled', 1],
  ['badService', 8],
  ['unfit', 2],
  ['pause', 3],
  ['switchover', 6],
  ['statement', 3],
  ['fence', 2],
  ['end', 4],
  ['mode', 2],
  ['demote', 2],
  ['hint', 2],
  ['priority', 1],
  ['closeChannel', 2],
  ['clone', 1],
];

export function makePlan(seed: number): Plan {
  const rng = makeRng(seed, 'plan');
  const base = rng.pick([QUICK, QUICK, QUICK, MIDDLE, DEFAULT_TIMING]);
  const mixed = rng.chance(0.35);
  const count = rng.pick([2, 2, 3, 3, 3, 4, 5]);
  const ids = pickIds(rng, count);
  const timings = ids.map(() => (mixed ? rng.pick([QUICK, MIDDLE, base]) : base));
  const marginRatio = Math.min(...timings.map((t) => t.safetyMarginMs / t.leaseTimeoutMs));
  const electors = rng.chance(0.08);
  const nodes = ids.map((nodeId, i): NodePlan => {
    const timing = timings[i] ?? base;
    return {
      nodeId,
      timing,
      priority: rng.chance(0.15) ? rng.int(-1, 2) : 0,
      mode: i === 0 || rng.chance(0.85) ? 'auto' : rng.pick(['standby', 'hot_standby', 'hot_backup', 'master']),
      hasService: !electors,
      graceMs: rng.chance(0.4) ? rng.int(500, timing.leaseTimeoutMs) : 0,
      drift: rng.real(-0.2, 0.2) * marginRatio,
      startsAtMs: rng.chance(0.7) ? rng.real(0, 500) : rng.real(0, 15_000),
    };
  });
  const healAtMs = rng.real(2, 10) * base.leaseTimeoutMs;
  const virgin = rng.chance(0.8) ? 'free' : 'held';
  const falseProof = rng.chance(0.04);
  const faults = falseProof ? cloneOnly(rng, count, healAtMs) : makeFaults(rng, count, healAtMs, base);
  const lame = rng.chance(0.1) && nodes.filter(({mode}) => mode === 'auto').length > 1 ? rng.int(0, count - 1) : undefined;
  const others = nodes.filter(({mode}, i) => mode === 'auto' && i !== lame);
  return {seed, nodes, virgin, faults, healAtMs, falseProof, lame: others.length > 0 ? lame : undefined};
}

const cloneOnly = (rng: Rng, nodes: number, healAtMs: number): Fault[] =>
  Array.from({length: nodes}, (_, node) => ({
    atMs: rng.real(0.3, 1) * healAtMs,
    kind: 'clone',
    node,
    durationMs: 1,
    x: rng.next(),
  }));

function pickIds(rng: Rng, count: number): string[] {
  const pools = [
    ['n1', 'n2', 'n3', 'n4', 'n5'],
    ['n2', 'n10', 'n1', 'n20', 'n3'],
    ['b', 'a', 'c10', 'c9', 'B'],
  ];
  return rng.pick(pools).slice(0, count);
}

/** Swarm: each world knows only a few kinds of fault, so that each kind also appears alone and in large numbers. */
function makeFaults(rng: Rng, nodes: number, healAtMs: number, timing: Timing): Fault[] {
  const kinds = new Set(KINDS.filter(() => rng.chance(0.35)).map(([kind]) => kind));
  if (kinds.has('crashAgent') || kinds.has('crashHost') || kinds.has('crashBoth') || kinds.has('end')) kinds.add('start');
  const weighted = KINDS.filter(([kind]) => kinds.has(kind));
  const total = weighted.reduce((sum, [, weight]) => sum + weight, 0);
  if (total === 0) return [];
  const faults: Fault[] = [];
  const count = rng.int(1, Math.ceil((healAtMs / timing.leaseTimeoutMs) * rng.pick([1, 2, 4])));
  for (let i = 0; i < count; i++) {
    let left = rng.next() * total;
    const [kind] = weighted.find(([, weight]) => (left -= weight) < 0) ?? ['hint'];
    const long = rng.pick([0.05, 0.3, 1, 1, 1.5, 4]);
    faults.push({
      atMs: rng.real(0, healAtMs),
      kind,
      node: rng.int(0, nodes - 1),
      durationMs: rng.real(0.3, 1.2) * long * timing.leaseTimeoutMs,
      x: rng.next(),
    });
  }
  return faults.sort((a, b) => a.atMs - b.atMs);
}

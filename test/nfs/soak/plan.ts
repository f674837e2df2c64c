// What a seed means for a soak: which faults, on whom, for how long, in which order. A pure function, so that a seed can be run again.
import {makeRng, type Rng} from '../../sim/rng.ts';

/** Who is meant is found out when the fault comes; standbys in the order of their ids. */
export type Role = 'owner' | 'standby' | 'other';

export type NodeFault =
  | 'kill agent'
  | 'kill guardian'
  | 'kill agent and guardian'
  | 'kill process group'
  | 'stop agent'
  | 'stop guardian'
  | 'freeze machine'
  | 'crash machine'
  | 'cut'
  | 'cut replies'
  | 'cut requests'
  | 'lose replies'
  | 'delay machine'
  | 'step clock'
  | 'end and launch'
  | 'remove';
export type SharedFault =
  | 'restart server'
  | 'freeze server'
  | 'crash server'
  | 'delay server'
  | 'export read-only'
  | 'export nothing'
  | 'fill disk'
  | 'switchover'
  | 'pause';

export interface Fault {
  readonly kind: NodeFault | SharedFault;
  /** Of a fault that one node has. */
  readonly role: Role | undefined;
  /** How long it lasts, ms. */
  readonly holdMs: number;
  /** Of a delay, ms; of a step of the wall clock, s. */
  readonly amount: number;
}

/** Faults that overlap, then healing and an audit. */
export interface Round {
  readonly number: number;
  readonly faults: readonly Fault[];
  /** From the beginning of one fault to that of the next one, ms. */
  readonly apartMs: number;
}

type Range = readonly [low: number, high: number];

const NODE_FAULTS: Readonly<Record<NodeFault, Range>> = {
  'kill agent': [0, 3_000],
  'kill guardian': [0, 3_000],
  'kill agent and guardian': [0, 15_000],
  'kill process group': [0, 15_000],
  'stop agent': [300, 18_000],
  'stop guardian': [300, 10_000],
  'freeze machine': [300, 18_000],
  'crash machine': [0, 15_000],
  cut: [300, 18_000],
  'cut replies': [300, 18_000],
  'cut requests': [300, 18_000],
  'lose replies': [1_500, 8_000],
  'delay machine': [2_000, 12_000],
  'step clock': [500, 4_000],
  'end and launch': [0, 5_000],
  remove: [0, 1_000],
};
const SHARED_FAULTS: Readonly<Record<SharedFault, Range>> = {
  'restart server': [0, 1_000],
  'freeze server': [300, 18_000],
  'crash server': [0, 5_000],
  'delay server': [2_000, 12_000],
  'export read-only': [300, 15_000],
  'export nothing': [300, 15_000],
  'fill disk': [300, 12_000],
  switchover: [0, 500],
  pause: [1_000, 8_000],
};
const CLOCK_STEPS_S = [-86_400, -61, -1, 1, 61, 86_400] as const;
const DELAYS_MS = [20, 100, 300, 1_000, 3_000] as const;
/** The owner's machine may stand still only while its service may run: no software stops what runs in a machine at the moment it thaws. */
const OWNER_FREEZE_MS = 5_000;
const TWO_AT_ONCE = 0.3;

/** @returns the rounds of a seed; it never ends. */
export function* planOf(seed: number): Generator<Round, never> {
  const rng = makeRng(seed, 'soak');
  let deck: Fault['kind'][] = [];
  for (let number = 1; ; number += 1) {
    if (deck.length < 2) deck = [...deck, ...shuffled(rng)];
    const first = makeFault(rng, deck.shift() ?? 'cut');
    const second = rng.chance(TWO_AT_ONCE) ? makeFault(rng, deck.shift() ?? 'cut') : undefined;
    const faults = second && canOverlap(first, second) ? [first, second] : [first];
    yield {number, faults, apartMs: rng.int(0, 4_000)};
  }
}

export function describeRound({number, faults, apartMs}: Round): string {
  const each = faults.map(({kind, role, holdMs, amount}) => {
    const whom = role === undefined ? '' : ` of the ${role}`;
    const by = kind.startsWith('delay') ? ` by ${amount} ms` : kind === 'step clock' ? ` by ${amount} s` : '';
    return `${kind}${whom}${by} for ${holdMs} ms`;
  });
  return `${number}. ${each.join(`, ${apartMs} ms later `)}`;
}

export const isNodeFault = (kind: Fault['kind']): kind is NodeFault => kind in NODE_FAULTS;

/** Every kind once, so that no kind is left out for long. */
function shuffled(rng: Rng): Fault['kind'][] {
  const kinds = [...Object.keys(NODE_FAULTS), ...Object.keys(SHARED_FAULTS)] as Fault['kind'][];
  for (let last = kinds.length - 1; last > 0; last -= 1) {
    const other = rng.int(0, last);
    const [a, b] = [kinds[last], kinds[other]];
    if (a !== undefined && b !== undefined) [kinds[last], kinds[other]] = [b, a];
  }
  return kinds;
}

function makeFault(rng: Rng, kind: Fault['kind']): Fault {
  const [low, high] = isNodeFault(kind) ? NODE_FAULTS[kind] : SHARED_FAULTS[kind];
  const role = isNodeFault(kind) ? roleFor(rng, kind) : undefined;
  const longest = kind === 'freeze machine' && role === 'owner' ? OWNER_FREEZE_MS : high;
  const amount = kind === 'step clock' ? rng.pick(CLOCK_STEPS_S) : rng.pick(DELAYS_MS);
  return {kind, role, holdMs: rng.int(low, longest), amount};
}

const roleFor = (rng: Rng, kind: NodeFault): Role =>
  kind === 'remove' || rng.chance(0.4) ? rng.pick(['standby', 'other'] as const) : 'owner';

/** Commands need a cluster that works, and a loss of replies the server to itself; a machine that stands still must not become the owner's by another fault. */
const ALONE: readonly Fault['kind'][] = ['freeze machine', 'lose replies', 'switchover', 'remove'];

const canOverlap = (first: Fault, second: Fault): boolean =>
  first.role !== second.role && ![first, second].some(({kind}) => ALONE.includes(kind));

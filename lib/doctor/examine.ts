// The examination: every measurement in its order, each with a limit, so that it ends whatever the store does.
import {randomBytes} from 'node:crypto';
import {setTimeout as sleep} from 'node:timers/promises';
import type {Config} from '../config/config.ts';
import {bootNow} from '../guardian/clock.ts';
import type {Amount, Outcome, Peers, Place, RivalTally} from './calls.ts';
import {rateBetween} from './clock-rate.ts';
import type {Findings, PartnerFound, Visibility} from './findings.ts';
import {findHost, Lateness} from './host-found.ts';
import {findMount} from './mount-found.ts';
import type {Partner, ClockReading} from './partner-client.ts';
import {RACE_MAX, RACE_MAX_MS, type Hello} from './partner-words.ts';
import type {Probe} from './probe.ts';
import {judgeRace} from './race.ts';

/** What one call to the store may take, beside the time that a measurement plans for, before the store counts as silent, ms. */
const SILENCE_MS = 8_000;
/** Rivals of one host, as many calls at once as a small cluster would make. */
const RIVALS = 8;
/** What a measurement may take, for each round and at least, ms: the rest of the rounds is left out. */
const ROUND_MS = 10;
const BUDGET_MIN_MS = 2_000;
/** How long the other nodes are looked at, ms: at least, at most, and how often. */
const PEERS_MIN_MS = 6_000;
const PEERS_MAX_MS = 15_000;
const PEERS_EVERY_MS = 150;
/** Between the order of a race and its first round, ms. */
const RACE_LEAD_MS = 500;
/** How long it is quiet before each change that is to be seen, ms: irregular, because caches have rhythms. */
const QUIET_MS = [300, 900, 150, 1_300, 500] as const;
/** How long a change is waited for, ms. */
const SEEN_LIMIT_MS = 10_000;

export interface Examination {
  readonly config: Config;
  readonly persistenceDir: string;
  readonly rounds: number;
  readonly probe: Probe;
  readonly partner: Partner | undefined;
  /** Told what is being done now. */
  readonly say: (doing: string) => void;
}

/** @throws HaError doctor.partner where the other doctor cannot be used from the start. */
export async function examine(exam: Examination): Promise<Findings> {
  const {config, persistenceDir, probe, partner, say} = exam;
  const lateness = new Lateness();
  try {
    const hello = await partner?.hello(config.app);
    const earlier = await partner?.clock();
    say('looking at the store');
    const where = {persistenceDir, app: config.app};
    const place = await probe.call('look', where, SILENCE_MS);
    const peers = watchPeers(exam, place);
    const store = await measureStore(exam, place);
    const found = partner && hello && earlier && (await askPartner(exam, partner, {hello, earlier}, store));
    say('looking at this host');
    const host = await findHost(config, lateness);
    say('watching the other nodes');
    const mount = await findMount(place.kind === 'measured' ? place.value.realPath : persistenceDir);
    const {nonce: _, ...measured} = store;
    return {
      ...where,
      ...measured,
      nodeId: config.nodeId,
      uid: process.getuid?.() ?? 0,
      timing: config.timing,
      place,
      mount,
      host,
      peers: await peers,
      partner: found,
    };
  } finally {
    lateness.stop();
  }
}

/** Beside everything else: it takes the longest. */
async function watchPeers({config, persistenceDir, probe}: Examination, place: Outcome<Place>): Promise<Outcome<Peers | null>> {
  if (place.kind !== 'measured' || place.value.store.kind !== 'store') return {kind: 'notTried'};
  const watchMs = Math.min(PEERS_MAX_MS, Math.max(PEERS_MIN_MS, 4 * config.timing.heartbeatIntervalMs));
  const order = {persistenceDir, app: config.app, watchMs, everyMs: PEERS_EVERY_MS};
  return probe.call('peers', order, SILENCE_MS, watchMs);
}

type StoreFound = Pick<Findings, 'workplace' | 'rivals' | 'fullDirectory' | 'latency'> & {
  readonly workplace: Outcome<{readonly name: string}>;
  readonly nonce: string;
};

async function measureStore(exam: Examination, place: Outcome<Place>): Promise<StoreFound> {
  const {persistenceDir, probe, say} = exam;
  const not = {kind: 'notTried'} as const;
  const nonce = randomBytes(16).toString('hex');
  if (place.kind !== 'measured') return {workplace: not, rivals: not, fullDirectory: not, latency: not, nonce};
  const workplace = await probe.call('begin', {persistenceDir, app: exam.config.app, nonce}, SILENCE_MS);
  if (workplace.kind !== 'measured') return {workplace, rivals: not, fullDirectory: not, latency: not, nonce};
  const amount = amountOf(exam);
  say('rename among rivals');
  const rivals = await probe.call('rivals', {...amount, rivals: RIVALS}, SILENCE_MS, amount.budgetMs);
  const fullDirectory = await probe.call('fullDirectory', null, SILENCE_MS);
  say('how long calls take');
  const latency = await probe.call('latency', amount, SILENCE_MS, amount.budgetMs);
  return {workplace, rivals, fullDirectory, latency, nonce};
}

const amountOf = ({rounds}: Pick<Examination, 'rounds'>): Amount => ({
  rounds,
  budgetMs: Math.max(BUDGET_MIN_MS, rounds * ROUND_MS),
});

async function askPartner(
  exam: Examination,
  partner: Partner,
  {hello, earlier}: {readonly hello: Hello; readonly earlier: ClockReading},
  store: StoreFound,
): Promise<PartnerFound> {
  const {host, nodeId, timing} = hello;
  const found = {url: partner.url, host, nodeId, timing, clock: undefined};
  const not = {kind: 'notTried'} as const;
  if (store.workplace.kind !== 'measured') return {...found, sameStore: not, race: not, visibility: not};
  exam.say(`asking ${host}`);
  const sameStore = await partner.join(store.workplace.value.name, store.nonce);
  if (sameStore.kind !== 'measured' || !sameStore.value) return {...found, sameStore, race: not, visibility: not};
  exam.say(`rename among rivals here and on ${host}`);
  const race = await raceAgainst(exam, partner, earlier, store);
  exam.say(`changes made by ${host}`);
  const visibility = race.kind === 'measured' ? await seeChanges(exam, partner, earlier) : not;
  const later = await partner.clock();
  return {...found, sameStore, race, visibility, clock: later && rateBetween(earlier, later)};
}

async function raceAgainst(
  exam: Examination,
  partner: Partner,
  {offsetMs}: ClockReading,
  {latency}: StoreFound,
): Promise<Outcome<RivalTally>> {
  const {probe} = exam;
  const {rounds, budgetMs} = amountOf(exam);
  const tookMs = latency.kind === 'measured' ? latency.value.rename.p50 : ROUND_MS;
  const periodMs = Math.round(Math.min(100, Math.max(ROUND_MS, 3 * tookMs)));
  const count = Math.max(1, Math.min(rounds, RACE_MAX, Math.floor(Math.min(budgetMs, RACE_MAX_MS) / periodMs)));
  const prepared = await probe.call('prepareRace', {count}, SILENCE_MS, budgetMs);
  if (prepared.kind !== 'measured') return prepared;
  const startAtMs = bootNow() + RACE_LEAD_MS;
  const [here, there] = await Promise.all([
    probe.call('race', {who: 'here', count, startAtMs, periodMs}, SILENCE_MS, RACE_LEAD_MS + count * periodMs),
    partner.race({count, startAtMs: startAtMs + offsetMs, periodMs}),
  ]);
  if (here.kind !== 'measured') return here;
  if (there.kind !== 'measured') return there;
  const left = await probe.call('finish', null, SILENCE_MS);
  return left.kind === 'measured' ? {kind: 'measured', value: judgeRace(here.value, there.value, left.value)} : left;
}

async function seeChanges({probe}: Examination, partner: Partner, {offsetMs}: ClockReading): Promise<Outcome<Visibility>> {
  const prepared = await probe.call('prepareChange', null, SILENCE_MS);
  if (prepared.kind !== 'measured') return prepared;
  let [changes, listedMs, readMs]: [number, number | null, number | null] = [0, 0, 0];
  const later = (longest: number | null, seenAtMs: number | null, madeAtMs: number): number | null =>
    longest === null || seenAtMs === null ? null : Math.max(longest, seenAtMs - (madeAtMs - offsetMs));
  for (const quietMs of QUIET_MS) {
    const index = ++changes;
    const watching = probe.call('watchChange', {index, limitMs: SEEN_LIMIT_MS}, SILENCE_MS, SEEN_LIMIT_MS);
    await sleep(quietMs);
    const changed = await partner.change(index);
    if (changed.kind !== 'measured') return changed;
    const seen = await watching;
    if (seen.kind !== 'measured') return seen;
    listedMs = later(listedMs, seen.value.listedAtMs, changed.value.renamedAtMs);
    readMs = later(readMs, seen.value.readAtMs, changed.value.wroteAtMs);
    // What is not seen in time would be waited for again and again.
    if (listedMs === null || readMs === null) break;
  }
  return {kind: 'measured', value: {changes, listedMs, readMs, limitMs: SEEN_LIMIT_MS}};
}

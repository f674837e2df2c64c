// Findings of a deployment in which nothing is wrong; each test changes what it is about.
import {expect} from 'chai';
import type {Outcome} from '../../lib/doctor/calls.ts';
import {conclude} from '../../lib/doctor/conclusion.ts';
import type {Findings, HostFound, MountFound, PartnerFound} from '../../lib/doctor/findings.ts';
import type {Check, Level} from '../../lib/doctor/verdict.ts';
import {DEFAULT_TIMING} from '../../lib/protocol/timing.ts';

export const measured = <T>(value: T): Outcome<T> => ({kind: 'measured', value});
export const failed = (errno: string): Outcome<never> => ({kind: 'failed', errno, reason: `${errno}: it failed`});
export const SILENT: Outcome<never> = {kind: 'silent', waitedMs: 8_000};
export const NOT_TRIED: Outcome<never> = {kind: 'notTried'};

const samples = (p99: number): {count: number; p50: number; p99: number; max: number} => ({count: 200, p50: 1, p99, max: p99});

export const PLACE = {
  realPath: '/mnt/ha',
  freeBytes: 900 << 20,
  totalBytes: 1_000 << 20,
  freeFiles: 60_000,
  totalFiles: 65_536,
  store: {kind: 'store', says: '0123456789abcdef'},
} as const;
export const TALLY = {rounds: 200, once: 200, unheard: 0, broken: 0, example: null, wins: {here: 90, there: 110}};
export const LATENCY = {rename: samples(3), write: samples(5), fsync: samples(9), list: samples(2), refusesDirect: null};
export const MOUNT: MountFound = {
  point: '/mnt/ha',
  type: 'nfs4',
  source: 'server:/ha',
  options: ['rw', 'relatime', 'vers=4.2', 'hard', 'proto=tcp', 'timeo=600', 'retrans=2'],
  serverLeaseMs: 10_000,
  twins: [],
};
export const HOST: HostFound = {
  containment: {kind: 'namespace', launcher: [], prefix: [], safe: true, because: 'the service runs in a PID namespace'},
  clockDifferenceMs: 3,
  latenessMs: 12,
  stateDir: {path: '/var/lib/ha-agent/x', existing: '/var/lib', writable: true, mountType: 'ext4'},
  watchdogs: [],
  watchdog: undefined,
  vip: undefined,
};
export const PARTNER: PartnerFound = {
  url: 'http://10.0.0.12:7000/token',
  host: 'host2',
  nodeId: 'n2',
  timing: DEFAULT_TIMING,
  sameStore: measured(true),
  race: measured(TALLY),
  visibility: measured({changes: 5, listedMs: 30, readMs: 25, limitMs: 10_000}),
  clock: {deviation: 0.0001, uncertainty: 0.0003, overMs: 10_000},
};

export const findings = (changes: Partial<Findings> = {}): Findings => ({
  persistenceDir: '/mnt/ha',
  app: 'default',
  nodeId: 'n1',
  uid: 990,
  timing: DEFAULT_TIMING,
  place: measured(PLACE),
  workplace: measured({name: '.doctor-0123456789abcdef'}),
  mount: MOUNT,
  rivals: measured(TALLY),
  fullDirectory: measured({errno: 'ENOTEMPTY', entryIsLeft: true}),
  latency: measured(LATENCY),
  peers: measured({storeId: '0123456789abcdef', nodes: [], held: null}),
  host: HOST,
  partner: PARTNER,
  ...changes,
});

/** What was found otherwise, the check it shows in, its level, and a part of the reason and the remedy together. */
export type Case = readonly [title: string, changes: Partial<Findings>, check: Check, level: Level, says: string];

/** The verdict of one check, of which there must be one at most. */
function verdictOn(changes: Partial<Findings>, check: Check): {level: Level; says: string} | undefined {
  const found = conclude(findings(changes)).verdicts.filter((verdict) => verdict.check === check);
  if (found.length > 1) throw new Error(`${found.length} verdicts on ${check}`);
  const [verdict] = found;
  return verdict && {level: verdict.level, says: [verdict.reason, verdict.remedy ?? ''].join(' | ')};
}

/** One test for each case, and one that every verdict of all of them has a remedy where it needs one. */
export function describeCases(cases: readonly Case[]): void {
  describe('the verdicts of doctor', () => {
    for (const [title, changes, check, level, says] of cases) {
      it(`${check}: ${title}: ${level}`, () => {
        const verdict = verdictOn(changes, check);
        expect(verdict?.says).to.contain(says);
        expect(verdict?.level).to.equal(level);
      });
    }

    it('name a remedy for whatever is not ok, and none for what is', () => {
      for (const [title, changes] of cases) {
        for (const {check, level, remedy} of conclude(findings(changes)).verdicts)
          expect(remedy === null, `${title}: ${check}`).to.equal(level === 'ok');
      }
    });
  });
}

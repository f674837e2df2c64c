// `npm test`: runs the suites one after the other and closes with the line `N passed, N failed`.
// Options: `--only unit|sim|e2e|more|nfs` (may be repeated), `--grep PATTERN`. The suites more and nfs run only when they are named.
import {spawn, type ChildProcess} from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import {parseArgs} from 'node:util';
import {NOTHING_YET, parseProgress, type Progress} from './test-reporter.ts';

interface Suite {
  readonly name: string;
  /** Which files below the build's test/ belong to it. */
  readonly owns: (file: string) => boolean;
  /** How many files at once: more than there are cores, for many tests mostly wait. */
  readonly jobs: number;
  /** Limit of one test, unless it sets its own. */
  readonly testLimitMs: number;
  /** A net for what hangs, far above what the suite needs. */
  readonly limitMs: number;
  /** Whether it runs only when `--only` names it. */
  readonly onDemand?: boolean;
  /** Files whose names begin so come first, in this order: what matters most, where the time may not be enough for all. */
  readonly first?: readonly string[];
}

interface Result {
  readonly suite: string;
  readonly passed: number;
  readonly failures: readonly string[];
  readonly skipped: number;
  readonly tookMs: number;
  /** What went wrong beside failed tests. */
  readonly trouble: string | undefined;
}

/** Set by Ctrl-C or SIGTERM: the suites that are left are not begun. */
let interrupted = false;

const BUILD = path.resolve(import.meta.dirname, '..');
const ROOT = path.resolve(BUILD, '..');
/** Where .ci/run finds the closing line. */
const SUMMARY = path.join(ROOT, 'dist', '.test-summary');
/** Where .ci/run finds what failed, to say it again at its end: hours of output may lie between. */
const FAILURES = path.join(ROOT, 'dist', '.test-failures');
/** How long mocha may take to end by itself after its last test. */
const END_GRACE_MS = 15_000;

const inDirectory =
  (...names: readonly string[]) =>
  (file: string): boolean =>
    names.some((name) => file.startsWith(`${name}${path.sep}`));

const SUITES: readonly Suite[] = [
  {name: 'unit', owns: (file) => !inDirectory('sim', 'e2e', 'more', 'nfs')(file), jobs: 3, testLimitMs: 60_000, limitMs: 600_000},
  {name: 'sim', owns: inDirectory('sim'), jobs: 2, testLimitMs: 240_000, limitMs: 900_000},
  {name: 'e2e', owns: inDirectory('e2e'), jobs: 3, testLimitMs: 240_000, limitMs: 1_800_000},
  // The outer side at length, other programs (proxies, systemd, a database), other systems' ways: those who change the core need not wait.
  {name: 'more', owns: inDirectory('more'), jobs: 2, testLimitMs: 240_000, limitMs: 1_800_000, onDemand: true},
  // Each file boots machines of its own, which need the cores for themselves.
  {
    name: 'nfs',
    owns: inDirectory('nfs'),
    jobs: 1,
    testLimitMs: 300_000,
    limitMs: 7_200_000,
    onDemand: true,
    first: ['boot', 'node-', 'server-'],
  },
];

async function main(): Promise<void> {
  const {only, grep} = readOptions();
  for (const file of [SUMMARY, FAILURES]) fs.rmSync(file, {force: true});
  const results: Result[] = [];
  for (const suite of SUITES.filter(({name, onDemand}) => (only.length === 0 ? onDemand !== true : only.includes(name)))) {
    results.push(await runSuite(suite, grep));
    if (interrupted) break;
  }
  summarize(results, grep !== undefined);
}

function readOptions(): {only: readonly string[]; grep: string | undefined} {
  const {values} = parseArgs({options: {only: {type: 'string', multiple: true}, grep: {type: 'string', short: 'g'}}});
  const only = values.only ?? [];
  const unknown = only.find((name) => !SUITES.some((suite) => suite.name === name));
  if (unknown !== undefined) throw new Error(`--only ${unknown}: there are ${SUITES.map(({name}) => name).join(', ')}`);
  return {only, grep: values.grep};
}

async function runSuite(suite: Suite, grep: string | undefined): Promise<Result> {
  const files = findTests(suite);
  process.stdout.write(`\n===== ${suite.name}: ${files.length} files =====\n`);
  if (files.length === 0) {
    return {suite: suite.name, passed: 0, failures: [], skipped: 0, tookMs: 0, trouble: 'there is no test file'};
  }
  const begun = performance.now();
  const {progress, trouble} = await watch(startMocha(suite, files, grep), suite);
  const {passed, failures, skipped} = progress;
  const nothing = passed + failures.length === 0 && grep === undefined ? 'no test ran' : undefined;
  return {suite: suite.name, passed, failures, skipped, tookMs: performance.now() - begun, trouble: trouble ?? nothing};
}

function findTests({owns, first = []}: Suite): string[] {
  const rank = (file: string): number => {
    const place = first.findIndex((prefix) => path.basename(file).startsWith(prefix));
    return place === -1 ? first.length : place;
  };
  return fs
    .readdirSync(path.join(BUILD, 'test'), {recursive: true, encoding: 'utf8'})
    .filter((file) => file.endsWith('.test.js') && owns(file))
    .sort()
    .sort((a, b) => rank(a) - rank(b))
    .map((file) => path.join(BUILD, 'test', file));
}

function startMocha(suite: Suite, files: readonly string[], grep: string | undefined): ChildProcess {
  const parallel = suite.jobs > 1 ? ['--parallel', '--jobs', String(suite.jobs)] : [];
  const args = [
    '--enable-source-maps',
    // Mocha loads its reporter with require(), and ours is an ES module: Node 20 calls that experimental.
    '--disable-warning=ExperimentalWarning',
    path.join(ROOT, 'node_modules', 'mocha', 'bin', 'mocha.js'),
    ...parallel,
    ...['--reporter', path.join(BUILD, 'scripts', 'test-reporter.js'), '--timeout', String(suite.testLimitMs)],
    ...(grep === undefined ? [] : ['--grep', grep]),
    ...files,
  ];
  return spawn(process.execPath, args, {cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit', 'ipc']});
}

/** Resolves when mocha has ended, by itself or because it had to be ended. */
async function watch(mocha: ChildProcess, suite: Suite): Promise<{progress: Progress; trouble: string | undefined}> {
  let progress = NOTHING_YET;
  let trouble: string | undefined;
  const kill = (reason: string): void => {
    trouble ??= reason;
    mocha.kill('SIGKILL');
  };
  let timer = setTimeout(() => {
    kill(`not done after ${suite.limitMs / 60_000} minutes, at "${progress.test}"`);
  }, suite.limitMs);
  mocha.on('message', (message: unknown) => {
    progress = parseProgress(message) ?? progress;
    if (!progress.ended) return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      kill('every test ended, but one of them left a timer, a socket or a child process open');
    }, END_GRACE_MS);
  });
  const stop = stopOnSignals(mocha);
  const [code, signal] = await ended(mocha);
  clearTimeout(timer);
  stop();
  if (interrupted) trouble ??= 'interrupted';
  if (!progress.ended) trouble ??= `mocha ended (${signal ?? `exit status ${code}`}) before its tests did, at "${progress.test}"`;
  else if (code !== 0 && progress.failures.length === 0)
    trouble ??= `mocha ended with ${signal ?? `exit status ${code}`} though no test failed`;
  return {progress, trouble};
}

function ended(child: ChildProcess): Promise<[code: number | null, signal: NodeJS.Signals | null]> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      resolve([code, signal]);
    });
  });
}

/** Ctrl-C reaches mocha by itself, SIGTERM is passed on; either way mocha's end is waited for. */
function stopOnSignals(mocha: ChildProcess): () => void {
  const note = (signal: NodeJS.Signals): void => {
    interrupted = true;
    if (signal === 'SIGTERM') mocha.kill(signal);
  };
  process.on('SIGINT', note).on('SIGTERM', note);
  return () => {
    process.off('SIGINT', note).off('SIGTERM', note);
  };
}

function summarize(results: readonly Result[], filtered: boolean): void {
  process.stdout.write('\n');
  for (const {suite, passed, failures, skipped, tookMs, trouble} of results) {
    const counts = `${passed} passed, ${failures.length} failed, ${skipped} skipped`;
    process.stdout.write(
      `${suite.padEnd(5)} ${counts} in ${(tookMs / 1000).toFixed(1)} s${trouble === undefined ? '' : ` - ${trouble}`}\n`,
    );
  }
  const sum = (pick: (result: Result) => number): number => results.reduce((total, result) => total + pick(result), 0);
  const passed = sum((result) => result.passed);
  const skipped = sum((result) => result.skipped);
  // Trouble counts as one failure, so that the closing line alone says whether all is well.
  let failed = sum((result) => result.failures.length + (result.trouble === undefined ? 0 : 1));
  if (passed + failed === 0) {
    failed = 1;
    process.stdout.write(filtered ? 'nothing matched --grep\n' : 'nothing ran\n');
  }
  const line = `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
  fs.mkdirSync(path.dirname(SUMMARY), {recursive: true});
  fs.writeFileSync(SUMMARY, `${line}\n`);
  const wrong = results.flatMap(({suite, failures, trouble}) =>
    [...failures, ...(trouble === undefined ? [] : [trouble])].map((what) => `${suite}: ${what}\n`),
  );
  if (wrong.length > 0) fs.writeFileSync(FAILURES, wrong.join(''));
  process.stdout.write(`\n${line}\n`);
  if (failed > 0) process.exitCode = 1;
}

await main();

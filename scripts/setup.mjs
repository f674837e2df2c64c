// Makes a clone runnable: installs what package-lock.json says and builds into dist/, each only when it is needed.
// Bare Node, because it runs before anything is installed; `npm start`, `npm test` and `npm run check` call it first.
import {spawnSync} from 'node:child_process';
import {createHash, randomBytes} from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {fileURLToPath} from 'node:url';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const DIST = path.join(ROOT, 'dist');
const LOCK = path.join(DIST, '.setup-lock');
const STAMP = path.join(DIST, '.setup-stamp.json');
const BUILD_INFO = path.join(DIST, '.tsbuildinfo');
const TREES = ['lib', 'scripts', 'test', 'examples'];
const LOCK_WAIT_MS = 10 * 60_000;
const LOCK_POLL_MS = 100;

/** Something that the user can mend; shown without a stack. */
class SetupError extends Error {}

async function main() {
  checkHost();
  if (isInstalled() && isBuilt()) return;
  fs.mkdirSync(DIST, {recursive: true});
  const release = await takeLock();
  try {
    // Another setup may have done it while this one waited.
    if (!isInstalled()) install();
    if (!isBuilt()) build();
  } finally {
    release();
  }
}

function checkHost() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    throw new SetupError(
      `this is Node ${process.versions.node}, ha-agent needs 20.19 or newer: install one from https://nodejs.org`,
    );
  }
  if (process.platform !== 'linux') {
    throw new SetupError(
      `this is ${process.platform}, ha-agent needs Linux (it reads /proc): use a Linux host, container or virtual machine`,
    );
  }
}

// ---- packages ---------------------------------------------------------------------------------------------------------

/** Compares what npm noted at the end of the last installation with what the lock file wants. */
function isInstalled() {
  const wanted = readJson(path.join(ROOT, 'package-lock.json'))?.packages;
  const present = readJson(path.join(ROOT, 'node_modules', '.package-lock.json'))?.packages;
  if (wanted === undefined)
    throw new SetupError('package-lock.json is missing or unreadable: restore it with "git checkout package-lock.json"');
  if (present === undefined) return false;
  const missing = Object.entries(wanted).some(([place, entry]) => {
    if (place === '') return false;
    const found = present[place];
    // Optional packages are those of other platforms; npm leaves them out.
    if (found === undefined) return entry.optional !== true;
    return found.version !== entry.version || found.integrity !== entry.integrity;
  });
  return !missing && Object.keys(present).every((place) => place in wanted);
}

function install() {
  say('installing packages (npm ci)');
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--no-progress'];
  const npmScript = process.env.npm_execpath;
  const viaNode = npmScript !== undefined && path.basename(npmScript) === 'npm-cli.js';
  const options = {cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 64 * 1024 * 1024};
  const result = viaNode ? spawnSync(process.execPath, [npmScript, ...args], options) : spawnSync('npm', args, options);
  if (result.error !== undefined) {
    throw new SetupError(`npm could not be run (${result.error.message}): is npm installed, and in PATH?`);
  }
  if (result.status !== 0) {
    process.stderr.write(`${result.stdout}${result.stderr}`);
    throw new SetupError(
      `npm ci failed (${outcome(result)}), see above: check the network and npm's registry, then run the command again`,
    );
  }
  if (!isInstalled()) {
    throw new SetupError(
      'npm ci ended well, but node_modules is not what package-lock.json says: run "npm install" and look at its changes',
    );
  }
}

// ---- build ------------------------------------------------------------------------------------------------------------

function isBuilt() {
  const stamp = readJson(STAMP);
  return stamp !== undefined && stamp.fingerprint === fingerprint(listSources()) && stamp.outputs.every(existsInDist);
}

function build() {
  const before = readJson(STAMP);
  const sources = listSources();
  const print = fingerprint(sources);
  say('building (tsc)');
  // The compiler believes its notes: where an output has been deleted by hand it would not write it again.
  if (before === undefined || !before.outputs.every(existsInDist)) fs.rmSync(BUILD_INFO, {force: true});
  fs.rmSync(STAMP, {force: true});
  const result = spawnSync(process.execPath, [path.join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', '.'], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  if (result.error !== undefined || result.status !== 0) {
    // The old list of outputs stays known, so that the next build can be incremental again.
    if (before !== undefined) writeStamp({fingerprint: 'failed', outputs: before.outputs});
    throw new SetupError(`the build failed (${result.error?.message ?? outcome(result)}): mend what tsc shows above`);
  }
  for (const {file} of sources.filter((source) => !source.compiled)) {
    fs.mkdirSync(path.dirname(path.join(DIST, file)), {recursive: true});
    fs.copyFileSync(path.join(ROOT, file), path.join(DIST, file));
  }
  const outputs = sources.flatMap((source) => (source.compiled ? compiledNames(source.file) : [source.file]));
  removeStale(new Set(outputs));
  makeCommandsExecutable();
  writeStamp({fingerprint: print, outputs});
}

/** Everything that ends in dist/: sources for the compiler, and other files (pages, fixtures) to copy. */
function listSources() {
  return TREES.flatMap((tree) => listFiles(path.join(ROOT, tree)))
    .map((absolute) => path.relative(ROOT, absolute))
    .filter((file) => !file.endsWith('.md') && file !== path.join('scripts', 'setup.mjs'))
    .map((file) => ({file, compiled: /\.[cm]?ts$/.test(file) && !/\.d\.[cm]?ts$/.test(file)}));
}

function listFiles(directory) {
  if (!fs.existsSync(directory)) return [];
  return fs.readdirSync(directory, {withFileTypes: true}).flatMap((entry) => {
    if (entry.name.startsWith('.') || entry.name === 'node_modules') return [];
    const absolute = path.join(directory, entry.name);
    if (entry.isDirectory()) return listFiles(absolute);
    return entry.isFile() ? [absolute] : [];
  });
}

/** Names, sizes and times rather than "newer than": a checkout may bring older files, and a deletion counts too. */
function fingerprint(sources) {
  const hash = createHash('sha256');
  for (const file of ['tsconfig.json', 'package.json', 'package-lock.json']) hash.update(fs.readFileSync(path.join(ROOT, file)));
  for (const {file} of sources) {
    const stat = fs.statSync(path.join(ROOT, file), {throwIfNoEntry: false});
    hash.update(`${file}\0${stat?.size}\0${stat?.mtimeMs}\0`);
  }
  return hash.digest('hex');
}

function compiledNames(source) {
  const [, stem, kind] = /^(.*)\.([cm]?)ts$/.exec(source);
  return [`${stem}.${kind}js`, `${stem}.${kind}js.map`, `${stem}.d.${kind}ts`];
}

function removeStale(outputs) {
  for (const tree of TREES) {
    for (const absolute of listFiles(path.join(DIST, tree))) {
      if (!outputs.has(path.relative(DIST, absolute))) fs.rmSync(absolute, {force: true});
    }
    removeEmptyDirectories(path.join(DIST, tree));
  }
}

function removeEmptyDirectories(directory) {
  if (!fs.existsSync(directory)) return;
  for (const entry of fs.readdirSync(directory, {withFileTypes: true})) {
    if (entry.isDirectory()) removeEmptyDirectories(path.join(directory, entry.name));
  }
  if (fs.readdirSync(directory).length === 0) fs.rmdirSync(directory);
}

function makeCommandsExecutable() {
  for (const file of Object.values(readJson(path.join(ROOT, 'package.json'))?.bin ?? {})) {
    if (fs.existsSync(path.join(ROOT, file))) fs.chmodSync(path.join(ROOT, file), 0o755);
  }
}

function existsInDist(output) {
  return fs.existsSync(path.join(DIST, output));
}

function writeStamp(stamp) {
  const temporary = `${STAMP}.${process.pid}`;
  fs.writeFileSync(temporary, JSON.stringify(stamp));
  fs.renameSync(temporary, STAMP);
}

// ---- one setup at a time ----------------------------------------------------------------------------------------------

/**
 * The lock is a directory that holds one file, named after its owner: a directory is renamed into place with the file
 * in it, which succeeds only where there is none or an empty one, so a dead owner's file can be removed without a race.
 */
async function takeLock() {
  const owner = `owner-${process.pid}-${startTime(process.pid)}`;
  const candidate = `${LOCK}.${randomBytes(6).toString('hex')}`;
  fs.mkdirSync(candidate);
  fs.writeFileSync(path.join(candidate, owner), '');
  const end = performance.now() + LOCK_WAIT_MS;
  for (let told = false; ; await sleep(LOCK_POLL_MS)) {
    if (tryRename(candidate, LOCK)) break;
    const holders = removeDeadOwners();
    if (holders.length > 0 && !told) {
      told = true;
      say(`waiting for another setup (process ${holders.join(', ')})`);
    }
    if (performance.now() > end) {
      fs.rmSync(candidate, {recursive: true, force: true});
      throw new SetupError(
        `another setup (process ${holders.join(', ')}) has not ended in ${LOCK_WAIT_MS / 60_000} minutes: look at it, then run the command again`,
      );
    }
  }
  return () => {
    fs.rmSync(path.join(LOCK, owner), {force: true});
    expecting(['ENOENT', 'ENOTEMPTY'], () => fs.rmdirSync(LOCK)); // the next owner may be there already
  };
}

function tryRename(from, to) {
  let done = true;
  expecting(
    ['ENOTEMPTY', 'EEXIST'],
    () => fs.renameSync(from, to),
    () => (done = false),
  );
  return done;
}

/** @returns the process ids of the owners that live. */
function removeDeadOwners() {
  let names = [];
  expecting(['ENOENT'], () => (names = fs.readdirSync(LOCK)));
  return names.flatMap((name) => {
    const [, pid, started] = /^owner-(\d+)-(\d+)$/.exec(name) ?? [];
    if (pid === undefined) throw new SetupError(`${path.join(LOCK, name)} is not a setup's: remove ${LOCK}`);
    if (startTime(pid) === started) return [pid];
    fs.rmSync(path.join(LOCK, name), {force: true});
    return [];
  });
}

/** When the process started, in the kernel's ticks since boot; undefined if there is none. */
function startTime(pid) {
  let stat;
  expecting(['ENOENT', 'ESRCH'], () => (stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8')));
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

// ---- small things -----------------------------------------------------------------------------------------------------

function expecting(codes, action, otherwise = () => undefined) {
  try {
    action();
  } catch (error) {
    if (!codes.includes(error.code)) throw error;
    otherwise();
  }
}

/** @returns undefined if the file is missing or no JSON: both mean "make it anew". */
function readJson(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function outcome({status, signal}) {
  return signal === null ? `exit status ${status}` : `ended by ${signal}`;
}

function say(text) {
  process.stdout.write(`setup: ${text}\n`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`setup: ${error instanceof SetupError ? error.message : error.stack}\n`);
  process.exitCode = 1;
}

// A real systemd for tests: process 1 of namespaces of its own, with a control group of its own, ended and removed whatever happens.
import {execFile, spawn, spawnSync, type ChildProcess} from 'node:child_process';
import {existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {childrenOf, hasCode, identityOf, signal, type ProcessIdentity} from '../../../lib/guardian/proc.ts';
import {eventually} from '../../support/eventually.ts';
import {repoRoot} from '../../support/paths.ts';
import {makeTempDir, removeTempDir} from '../../support/temp-dir.ts';
import {CLI, type CommandResult} from '../../e2e/support/command.ts';
import {untilGone} from '../../e2e/support/processes.ts';

const BOOT = join(repoRoot, 'test/fixtures/systemd-boot.sh');
const PROGRAMS = ['setpriv', 'unshare', 'nsenter', 'mount', 'systemctl', 'systemd-notify', 'systemd-run'];
const BOOT_MS = 60_000;
const RUN_MS = 90_000;

/** Why there can be no such machine here; undefined: there can. */
export function whyNoMachine(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can start a systemd of its own';
  if (!['/usr/lib', '/lib'].some((lib) => existsSync(`${lib}/systemd/systemd`))) return 'there is no systemd here';
  const path = (process.env['PATH'] ?? '').split(':');
  const missing = PROGRAMS.filter((program) => !path.some((directory) => existsSync(join(directory, program))));
  if (missing.length > 0) return `there is no ${missing.join(', ')} here`;
  if (controlGroupHere() === undefined) return 'no cgroup2 file system is mounted here that could be written';
  const {status} = spawnSync('unshare', ['--fork', '--pid', '--cgroup', '--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/run']);
  return status === 0 ? undefined : 'no namespaces can be made here, or nothing be mounted in them';
}

export class SystemdMachine {
  private readonly child: ChildProcess;
  private readonly init: ProcessIdentity;
  private readonly directory: string;
  private readonly group: string;

  private constructor(child: ChildProcess, init: ProcessIdentity, directory: string, group: string) {
    this.child = child;
    this.init = init;
    this.directory = directory;
    this.group = group;
  }

  /** @param directory an empty one, for this machine alone. @throws Error with what its systemd said, if it does not come up */
  static async boot(directory: string): Promise<SystemdMachine> {
    const parent = controlGroupHere();
    if (parent === undefined) throw new Error('no control group can be made here');
    const group = join(parent, `ha-agent-test-${process.pid}-${Date.now()}`);
    mkdirSync(group);
    const shares = [repoRoot, dirname(directory), dirname(process.execPath)];
    const namespaces = ['--fork', '--pid', '--kill-child=KILL', '--mount', '--uts', '--ipc', '--cgroup'];
    const words = ['--pdeathsig', 'KILL', 'unshare', ...namespaces, 'sh', BOOT, directory, ...shares];
    const child = spawn('sh', ['-c', `echo $$ >"$0/cgroup.procs" && exec setpriv "$@"`, group, ...words], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    try {
      const init = await eventually(() => initOf(child), BOOT_MS, 'systemd does not start');
      const machine = new SystemdMachine(child, init, directory, group);
      await eventually(
        async () => /^(running|degraded)$/.test((await machine.systemctl('is-system-running')).stdout.trim()),
        BOOT_MS,
        'systemd does not come up',
      );
      return machine;
    } catch (error) {
      child.kill('SIGKILL');
      const said = readIfThere(join(directory, 'log'));
      await removeGroup(group);
      throw new Error(`${String(error)}\n${said}`, {cause: error});
    }
  }

  /** Ends everything in it. */
  async end(): Promise<void> {
    this.child.kill('SIGKILL');
    signal(this.init, 'SIGKILL');
    await untilGone(this.init, 'the systemd of the test');
    await removeGroup(this.group);
  }

  /** Runs a program inside, to its end. */
  run(program: string, ...args: readonly string[]): Promise<CommandResult> {
    const words = ['--target', String(this.init.pid), '--mount', '--pid', '--uts', '--ipc', '--cgroup', '--', program, ...args];
    const environment = {PATH: process.env['PATH'], LANG: 'C', HOME: '/root'};
    return new Promise((resolve) => {
      execFile(
        'nsenter',
        words,
        {cwd: '/', env: environment, timeout: RUN_MS, killSignal: 'SIGKILL'},
        (error, stdout, stderr) => {
          resolve({code: error ? (error.code ?? error.signal ?? 'unknown') : 0, stdout, stderr});
        },
      );
    });
  }

  systemctl(...words: readonly string[]): Promise<CommandResult> {
    return this.run('systemctl', '--no-pager', ...words);
  }

  /** Runs `ha-agent` inside, to its end. */
  cli(...args: readonly string[]): Promise<CommandResult> {
    return this.run(process.execPath, CLI, ...args);
  }

  /** @throws Error unless it ends with status 0. */
  async must(result: Promise<CommandResult>): Promise<string> {
    const {code, stdout, stderr} = await result;
    if (code !== 0) throw new Error(`status ${code}: ${stdout}${stderr}`);
    return stdout;
  }

  async show(unit: string, property: string): Promise<string> {
    return (await this.must(this.systemctl('show', '--value', `--property=${property}`, unit))).trim();
  }

  async untilActive(unit: string, state = 'active'): Promise<void> {
    await eventually(async () => (await this.show(unit, 'ActiveState')) === state, 45_000, `${unit} is not ${state}`);
  }

  /** Sends its main process a signal. */
  async kill(unit: string, name: NodeJS.Signals): Promise<void> {
    await this.must(this.systemctl('kill', '--kill-whom=main', `--signal=${name}`, unit));
  }

  /** A unit of the operator's. */
  async addUnit(name: string, text: string): Promise<void> {
    writeFileSync(this.path(`/etc/systemd/system/${name}`), text);
    await this.must(this.systemctl('daemon-reload'));
  }

  /** Where a file of the machine is seen from here. */
  path(inside: string): string {
    return `/proc/${this.init.pid}/root${inside}`;
  }

  /** The last words of its systemd. */
  story(lines = 60): string {
    return readIfThere(join(this.directory, 'log')).trimEnd().split('\n').slice(-lines).join('\n');
  }
}

/** Gives each test of the suite a machine of its own, or says why not and skips; call it in `describe`, and the result in a test. */
export function useMachine(): () => SystemdMachine {
  const current: {machine?: SystemdMachine; directory?: string} = {};
  beforeEach(async function () {
    const reason = whyNoMachine();
    if (reason !== undefined) {
      console.log(`      skipped: ${reason}`);
      this.skip();
    }
    current.directory = await makeTempDir();
    current.machine = await SystemdMachine.boot(current.directory);
  });
  afterEach(async () => {
    await current.machine?.end();
    if (current.directory !== undefined) await removeTempDir(current.directory);
    delete current.machine;
    delete current.directory;
  });
  return () => {
    if (!current.machine) throw new Error('the machine exists only while a test runs');
    return current.machine;
  };
}

/** The only child of `unshare`, once it has become systemd. */
function initOf(child: ChildProcess): ProcessIdentity | undefined {
  if (child.pid === undefined || child.exitCode !== null) throw new Error(`the boot ended with ${child.exitCode}`);
  const [first] = childrenOf(child.pid);
  const name = first && readIfThere(`/proc/${first.pid}/comm`).trim();
  return first && name === 'systemd' ? identityOf(first.pid) : undefined;
}

/** The control group of this process in the unified hierarchy, where a child of it can be made. */
function controlGroupHere(): string | undefined {
  const own = /^0::(.*)$/m.exec(readIfThere('/proc/self/cgroup'))?.[1];
  const mount = readIfThere('/proc/self/mountinfo')
    .split('\n')
    .find((line) => line.includes(' - cgroup2 '))
    ?.split(' ')[4];
  if (own === undefined || mount === undefined) return undefined;
  const group = join(mount, own);
  const probe = join(group, `ha-agent-test-probe-${process.pid}`);
  try {
    mkdirSync(probe);
    rmdirSync(probe);
    return group;
  } catch (error) {
    if (hasCode(error, 'EROFS', 'EACCES', 'EPERM', 'ENOENT')) return undefined;
    throw error;
  }
}

/** Empty as soon as the last process has been reaped. */
async function removeGroup(group: string): Promise<void> {
  await eventually(
    () => {
      removeTree(group);
      return !existsSync(group);
    },
    10_000,
    `${group} cannot be removed`,
  );
}

function removeTree(group: string): void {
  if (!existsSync(group)) return;
  for (const entry of readdirSync(group, {withFileTypes: true})) if (entry.isDirectory()) removeTree(join(group, entry.name));
  rmdirSync(group);
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ESRCH')) return '';
    throw error;
  }
}

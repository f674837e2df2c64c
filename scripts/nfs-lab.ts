// `npm run lab:nfs -- COMMAND`: a real NFS server and clients on this one host, for experiments and for the tests of test/nfs.
import {parseArgs} from 'node:util';
import {numberOfSignal} from './nfs-lab/guest.ts';
import {LabUnavailable} from './nfs-lab/host.ts';
import {attachLab, openLab, type ExportMode, type Lab} from './nfs-lab/lab.ts';
import type {LostReplyCall} from './nfs-lab/lost-reply.ts';
import type {Cut} from './nfs-lab/network.ts';
import {LabError, MOUNT_POINT, NFS_VERSIONS, OWN_DISK, type LabOptions} from './nfs-lab/plan.ts';
import {runningLabs} from './nfs-lab/owner.ts';

const USAGE = `Usage: npm run lab:nfs -- COMMAND [--id ID]      several labs can be up at once, each with an id of its own

  up [--clients 3] [--vers 3|4.0|4.1|4.2] [--opts MOUNT,OPTIONS] [--grace SECONDS] [--export-options OPTIONS]
     [--disk 1024M] [--ram 512M] [--ttl SECONDS] [--share DIR]...
                                    boots server, c1, c2, ...; the share is ${MOUNT_POINT} in each client
  run NODE [--timeout SECONDS] [--cwd DIR] [--env NAME=VALUE]... -- COMMAND...
  start NODE [--cwd DIR] [--env NAME=VALUE]... -- COMMAND...      leaves it running there, prints its process id there
  server stop|start|restart         the NFS service; the machine stays up
  server export off|ro|rw
  freeze|thaw|crash|boot NODE       a machine: stop it where it is, go on, cut the power, power on
  cut NODE [replies|requests]       off the storage network, altogether or in one direction
  heal [NODE]                       undoes one cut or all of them
  delay NODE MS                     each round trip on the storage network takes so much longer; 0 ends it
  lose-reply NODE [--forget nothing|restart|crash] -- rename|link|mkdir|rmdir|unlink|create PATH [PATH]
  mount NODE [OPTIONS]              unmount NODE
  clock NODE                        the machine's CLOCK_MONOTONIC against the host's, ns, and the error of that
  reset                             undoes everything but what is on the share, ends what was started on the clients
  status, log NODE, list, down

NODE is server, c1, c2, ...; ${OWN_DISK} is a small disk of its own on each, which survives a power cut.
Exit status: that of COMMAND for run; else 0, 1 if something fails, 124 if COMMAND takes too long, 125 if the machine is not reached,
77 if no lab can run on this host (the message says why and what to do).
`;

const EXIT = {failed: 1, unavailable: 77, late: 124, unreached: 125};

const {values, positionals} = parseArgs({
  allowPositionals: true,
  options: {
    id: {type: 'string'},
    clients: {type: 'string'},
    vers: {type: 'string'},
    opts: {type: 'string'},
    grace: {type: 'string'},
    'export-options': {type: 'string'},
    disk: {type: 'string'},
    ram: {type: 'string'},
    ttl: {type: 'string'},
    share: {type: 'string', multiple: true},
    timeout: {type: 'string'},
    cwd: {type: 'string'},
    env: {type: 'string', multiple: true},
    forget: {type: 'string'},
    help: {type: 'boolean', short: 'h'},
  },
});

async function main(): Promise<number> {
  const [verb = 'help', ...words] = positionals;
  if (values.help === true || verb === 'help') return print(USAGE);
  if (verb === 'list') return print(`${(await runningLabs()).join('\n')}\n`);
  if (verb === 'up') {
    const lab = await openLab(optionsOfUp());
    return print(await describe(lab));
  }
  const lab = await attachLab(values.id);
  switch (verb) {
    case 'run':
      return run(lab, words);
    case 'start':
      return start(lab, words);
    case 'lose-reply':
      return print(`${JSON.stringify(await lab.loseReply(one(words), callOf(words)))}\n`);
    case 'status':
      return print(await describe(lab));
    case 'log':
      return print(await lab.log(one(words)));
    case 'clock': {
      const {offsetNs, errorNs} = await lab.clockOffset(one(words));
      return print(`${offsetNs} ${errorNs}\n`);
    }
    default:
      await act(lab, verb, words);
      return 0;
  }
}

/** What has no result but that it is done. */
async function act(lab: Lab, verb: string, words: readonly string[]): Promise<void> {
  switch (verb) {
    case 'down':
      return lab.close();
    case 'reset':
      return lab.reset();
    case 'freeze':
    case 'thaw':
    case 'crash':
    case 'boot':
    case 'unmount':
      return lab[verb](one(words));
    case 'mount':
      return lab.mount(one(words), words[1]);
    case 'cut':
      return lab.cut(one(words), oneOf<Cut>(words[1] ?? 'both', ['both', 'replies', 'requests']));
    case 'heal':
      return lab.heal(words[0]);
    case 'delay':
      return lab.delay(one(words), numeric('the delay', words[1]));
    case 'server': {
      const what = oneOf(one(words), ['stop', 'start', 'restart', 'export']);
      return what === 'export' ? lab.server.export(oneOf<ExportMode>(words[1] ?? '', ['off', 'ro', 'rw'])) : lab.server[what]();
    }
    default:
      throw new LabError(`there is no command ${verb}\n\n${USAGE}`);
  }
}

function optionsOfUp(): LabOptions {
  const number = (name: 'clients' | 'grace' | 'ttl' | 'disk' | 'ram'): number | undefined =>
    values[name] === undefined ? undefined : numeric(`--${name}`, values[name].replace(/^(\d+)MB?$/i, '$1'));
  return defined({
    id: values.id,
    clients: number('clients'),
    vers: values.vers === undefined ? undefined : oneOf(values.vers, NFS_VERSIONS),
    opts: values.opts,
    graceS: number('grace'),
    exportOptions: values['export-options'],
    diskMib: number('disk'),
    ramMib: number('ram'),
    ttlS: number('ttl'),
    share: values.share,
  });
}

async function run(lab: Lab, [node = '', ...argv]: readonly string[]): Promise<number> {
  const timeoutS = values.timeout === undefined ? 86_400 : numeric('--timeout', values.timeout);
  const running = await lab
    .start(node, needed(argv), {...placeOf(), ...streams})
    .catch((error: unknown) => fail(error, EXIT.unreached));
  if (typeof running === 'number') return running;
  process.stdin.on('data', (piece: Buffer) => running.write(piece));
  process.stdin.once('end', () => running.closeInput());
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => running.kill(signal));
  const late = new AbortController();
  const limit = setTimeout(() => {
    late.abort();
    running.kill();
    running.release();
  }, timeoutS * 1000);
  const {status, signal, lost} = await running.exit;
  clearTimeout(limit);
  process.stdin.destroy();
  if (late.signal.aborted) return fail(new LabError(`${argv.join(' ')} has not ended within ${timeoutS} s`), EXIT.late);
  if (lost !== undefined) return fail(new LabError(lost), EXIT.unreached);
  return status ?? 128 + numberOfSignal(signal);
}

async function start(lab: Lab, [node = '', ...argv]: readonly string[]): Promise<number> {
  const started = await lab.start(node, needed(argv), {...placeOf(), detached: true});
  started.release();
  return print(`${started.pid}\n`);
}

const streams = {
  onStdout: (piece: Buffer): void => void process.stdout.write(piece),
  onStderr: (piece: Buffer): void => void process.stderr.write(piece),
};

function placeOf(): {cwd?: string; env: Record<string, string>} {
  const env = Object.fromEntries(
    (values.env ?? []).map((each) => [each.split('=')[0] ?? '', each.split('=').slice(1).join('=')]),
  );
  return values.cwd === undefined ? {env} : {env, cwd: values.cwd};
}

function callOf([, call = '', first = '', second]: readonly string[]): LostReplyCall {
  return {
    call: oneOf(call, ['rename', 'link', 'mkdir', 'rmdir', 'unlink', 'create']),
    paths: second === undefined ? [first] : [first, second],
    forget: oneOf(values.forget ?? 'nothing', ['nothing', 'restart', 'crash']),
  };
}

async function describe(lab: Lab): Promise<string> {
  const {id, vers, opts, directory, ttlS} = lab.plan;
  const {nodes} = await lab.status();
  const lines = nodes.map(({node, state, cut}) => `  ${node.padEnd(8)}${state}${cut === undefined ? '' : `, cut off (${cut})`}`);
  return [
    `lab ${id}: NFS ${vers}${opts === '' ? '' : `, ${opts}`}; logs in ${directory}; ends by itself after ${ttlS} s`,
    ...lines,
    '',
  ].join('\n');
}

function defined(options: {[Key in keyof LabOptions]: LabOptions[Key] | undefined}): LabOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function one([word]: readonly string[]): string {
  if (word === undefined) throw new LabError(`something is missing after ${positionals.join(' ')}\n\n${USAGE}`);
  return word;
}

function needed(argv: readonly string[]): readonly string[] {
  if (argv.length === 0) throw new LabError(`there is no command to run\n\n${USAGE}`);
  return argv;
}

function oneOf<Word extends string>(word: string, words: readonly Word[]): Word {
  const found = words.find((each) => each === word);
  if (found === undefined) throw new LabError(`${word || 'nothing'} is none of ${words.join(', ')}`);
  return found;
}

function numeric(what: string, word: string | undefined): number {
  if (word === undefined || !/^\d+$/.test(word)) throw new LabError(`${what} is a number, not ${word ?? 'nothing'}`);
  return Number(word);
}

function print(text: string): number {
  process.stdout.write(text);
  return 0;
}

function fail(error: unknown, status: number): number {
  process.stderr.write(`nfs-lab: ${error instanceof LabError ? error.message : String(error)}\n`);
  return status;
}

process.exitCode = await main().catch((error: unknown) =>
  fail(error, error instanceof LabUnavailable ? EXIT.unavailable : EXIT.failed),
);

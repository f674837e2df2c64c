// doctor: measures this mount, this host and these timings, and says what this deployment can promise.
import {hostname} from 'node:os';
import {HaError} from '../errors.ts';
import type {Config} from '../config/config.ts';
import {commandLineOptions} from '../config/command-line.ts';
import {conclude} from '../doctor/conclusion.ts';
import {examine} from '../doctor/examine.ts';
import {Partner} from '../doctor/partner-client.ts';
import {servePartner} from '../doctor/partner-server.ts';
import {PARTNER_VERSION} from '../doctor/partner-words.ts';
import {Probe} from '../doctor/probe.ts';
import {configOf, nodeOptions, pathsOf, print, wantsJson, type Call, type Command} from './command.ts';
import {placeOf, roundsOf, urlOf, ROUNDS, SERVE_WAIT_MS} from './doctor-options.ts';
import {drawReport} from './doctor-text.ts';
import {leaveProcess} from './leave-process.ts';
import {VERSION} from './version.ts';

export const commands: readonly Command[] = [
  {
    usage: 'doctor',
    describe:
      'measures this mount and these timings, and says what this deployment can promise; nothing of a running cluster is touched',
    example: ['$0 doctor --persistenceDir /mnt/ha', 'before the first launch, and after every change of a mount'],
    options: {
      ...nodeOptions,
      ...commandLineOptions(['containment', 'vip', 'watchdog', 'watchdogDevice', 'watchdogTimeout']),
      rounds: {
        type: 'string',
        describe: 'how often what may go wrong is tried [N]',
        defaultDescription: String(ROUNDS),
        requiresArg: true,
      },
      with: {
        type: 'string',
        describe: 'measure between two hosts too: the URL that "doctor --serve" printed on the other one [URL]',
        requiresArg: true,
      },
      serve: {
        type: 'string',
        describe: `help the doctor of another host for up to ${SERVE_WAIT_MS / 60_000} minutes, listening on this address [ADDRESS[:PORT]]`,
        requiresArg: true,
      },
    },
    run: doctor,
  },
];

/** After so long without a request the doctor on the other host has gone, ms: a change that is not seen is waited for that long. */
const SERVE_IDLE_MS = 60_000;
const FOUND_UNSAFE = 2;

async function doctor(call: Call): Promise<void> {
  const config = await configOf(call);
  const {persistenceDir} = pathsOf(config);
  const asked = {rounds: roundsOf(call), url: urlOf(call), serve: placeOf(call)};
  const probe = new Probe();
  const interrupted = new AbortController();
  const stop = (signal: NodeJS.Signals): void => interrupted.abort(signal);
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    if (asked.serve) await serve(call, {config, persistenceDir, probe, ...asked.serve}, interrupted.signal);
    else await unlessInterrupted(measure(call, {config, persistenceDir, probe, ...asked}), interrupted.signal);
  } catch (error) {
    if (!interrupted.signal.aborted) throw error;
    await probe.close();
    process.stderr.write(`ha-agent: ended by ${String(interrupted.signal.reason)} before everything was measured\n`);
    await leaveProcess(FOUND_UNSAFE);
  } finally {
    await probe.close();
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

interface Measuring {
  readonly config: Config;
  readonly persistenceDir: string;
  readonly probe: Probe;
  readonly rounds: number;
  readonly url: string | undefined;
}

async function measure(call: Call, {config, persistenceDir, probe, rounds, url}: Measuring): Promise<void> {
  const partner = url === undefined ? undefined : new Partner(url);
  const progress = process.stderr.isTTY && !wantsJson(call);
  const draw = (text: string): void => {
    if (progress) process.stderr.write(`\r\u001b[K${text}`);
  };
  try {
    const findings = await examine({config, persistenceDir, rounds, probe, partner, say: (doing) => draw(`${doing} …`)});
    const report = conclude(findings);
    draw('');
    const {nodeId, app} = config;
    print(call, {format: 1, persistenceDir, app, nodeId, ...report}, drawReport(report));
    if (!report.safe) process.exitCode = FOUND_UNSAFE;
  } finally {
    draw('');
    await partner?.bye();
  }
}

interface Serve {
  readonly config: Config;
  readonly persistenceDir: string;
  readonly probe: Probe;
  readonly address: string;
  readonly port: number;
}

async function serve(call: Call, {config, persistenceDir, probe, address, port}: Serve, signal: AbortSignal): Promise<void> {
  const {app, nodeId, timing} = config;
  const self = {version: PARTNER_VERSION, program: VERSION, host: hostname(), nodeId, app, timing};
  const times = {waitMs: SERVE_WAIT_MS, idleMs: SERVE_IDLE_MS};
  const {url, ended} = await servePartner({address, port, persistenceDir, self, probe, signal, ...times});
  const which = app === 'default' ? '' : ` --app ${app}`;
  const line = `ha-agent doctor --persistenceDir ${persistenceDir}${which} --with ${url}`;
  const minutes = SERVE_WAIT_MS / 60_000;
  print(
    call,
    {url, command: line},
    `waiting for ${minutes} min; on another host that mounts the same share, as the same user:\n  ${line}`,
  );
  const how = await ended;
  if (how === 'done') return print(call, {ended: how}, 'the other doctor is done: its verdicts are there');
  throw new HaError(
    'doctor.partner',
    {url, reason: how},
    {
      message: `the doctor on the other host did not finish: ${how}`,
      hint: 'start it here again, and there with the line that it prints',
    },
  );
}

function unlessInterrupted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Error(`ended by ${String(signal.reason)}`)), {once: true});
    work.then(resolve, reject);
  });
}

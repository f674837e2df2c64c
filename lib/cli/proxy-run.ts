// Runs a proxy's follower: a source says what it sees, the tracker what that means now, and the output carries it to the proxy.
import {access, readFile} from 'node:fs/promises';
import type {Config} from '../config/config.ts';
import {TEMPLATE_NAMES, type ListenAddress} from '../config/proxy-options.ts';
import {HaError, reasonOf} from '../errors.ts';
import {bootNow} from '../guardian/clock.ts';
import {createLogger} from '../log/log.ts';
import {whenChanged} from '../log/when-changed.ts';
import {followNodes} from '../proxy/nodes-source.ts';
import {createOutput} from '../proxy/output.ts';
import {checkTemplate, render} from '../proxy/render.ts';
import {createTracker, type Situation, type Tracker} from '../proxy/situation.ts';
import type {Source, SourceListener} from '../proxy/source.ts';
import {followStore} from '../proxy/store-source.ts';
import {builtInTemplate} from '../proxy/templates.ts';
import {openWaitingRoom, type WaitingRoom} from '../proxy/waiting-room.ts';
import {storePaths} from '../store/paths.ts';
import {leaveProcess} from './leave-process.ts';

/** What is asked for, beside the cluster. */
export interface Wanted {
  readonly template: string;
  readonly output: string;
  readonly check: readonly string[] | undefined;
  readonly reload: readonly string[] | undefined;
  readonly from: readonly string[] | undefined;
  readonly listen: string;
  readonly holdMs: number;
  readonly holdAt: ListenAddress;
}

/** Until SIGTERM or SIGINT; what has been written stays. SIGHUP reads the template again. */
export async function runProxy(config: Config, wanted: Wanted): Promise<never> {
  let template = await readTemplate(wanted.template);
  const {level, format, file} = config.log;
  const log = await createLogger({level, format, file});
  const leaving = new AbortController();
  const tracker = createTracker({holdMs: wanted.holdMs, patienceMs: config.timing.leaseTimeoutMs, now: bootNow});
  const output = createOutput({...wanted, file: wanted.output, log, signal: leaving.signal});
  const source: {hurry: () => void} = {hurry: () => undefined};
  const room = await openRoom(wanted, tracker, () => source.hurry());
  const facts = {app: config.app, listen: wanted.listen, waitingRoom: room && {host: wanted.holdAt.host, port: room.port}};
  const bring = (situation: Situation): void => output.put(render(template, situation, facts));
  const say = whenChanged(log);
  tracker.onChange((situation) => {
    say('situation', situation.because, {kind: situation.kind}, situation.kind === 'nobody' ? 'warn' : 'info');
    bring(situation);
  });
  // What an earlier run wrote stays until the first look; a proxy that finds no file at all does not start.
  if (!(await exists(wanted.output))) bring(tracker.situation());
  const followed = follow(config, wanted, listen(tracker, say), leaving.signal);
  source.hurry = () => followed.hurry();
  process.on('SIGHUP', () => {
    readTemplate(wanted.template)
      .then((again) => {
        template = again;
        bring(tracker.situation());
      })
      .catch((error: unknown) => log.error(`the template is not read again: ${reasonOf(error)}`));
  });
  const because = await untilSignal();
  leaving.abort();
  tracker.close();
  await room?.close();
  await output.settled();
  log.info(`ended: ${because}`);
  await log.close();
  return leaveProcess(0);
}

function listen(tracker: Tracker, say: ReturnType<typeof whenChanged>): SourceListener {
  return {
    onSighting: (sighting) => tracker.see(sighting),
    onFault(because) {
      tracker.setBlind(because !== undefined);
      if (because === undefined) return say('source', 'the cluster can be seen', {}, 'info');
      say('source', because, {}, 'warn');
    },
  };
}

function follow(config: Config, wanted: Wanted, listener: SourceListener, signal: AbortSignal): Source {
  const {pollIntervalMs, heartbeatIntervalMs, leaseTimeoutMs} = config.timing;
  const shared = {...listener, pollIntervalMs, now: bootNow, signal};
  if (wanted.from) return followNodes({...shared, urls: wanted.from, tlsCa: config.http.tlsCa});
  return followStore({
    ...shared,
    paths: storePaths(config.persistenceDir ?? '', config.app),
    heartbeatIntervalMs,
    leaseTimeoutMs,
  });
}

async function openRoom(wanted: Wanted, tracker: Tracker, hurry: () => void): Promise<WaitingRoom | undefined> {
  if (wanted.holdMs === 0) return undefined;
  return openWaitingRoom({...wanted.holdAt, holdMs: wanted.holdMs, tracker, hurry});
}

const exists = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

const untilSignal = (): Promise<string> =>
  new Promise((done) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => done(name));
  });

/** @throws HaError proxy.template */
async function readTemplate(name: string): Promise<string> {
  try {
    const template = builtInTemplate(name) ?? (await readFile(name, 'utf8'));
    checkTemplate(template);
    return template;
  } catch (error) {
    const reason = reasonOf(error);
    const text = {
      message: `the template ${name} cannot be used: ${reason}`,
      hint: `give ${TEMPLATE_NAMES.join(' or ')}, or a file in Mustache (mustache.github.io)`,
      cause: error,
    };
    throw new HaError('proxy.template', {template: name, reason}, text);
  }
}

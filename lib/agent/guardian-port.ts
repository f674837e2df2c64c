// The guardian as the loop commands it: found or spawned, its record durable on this host before anybody hears of it.
import {reasonOf} from '../errors.ts';
import type {GuardianClient, GuardianListener as ChannelListener} from '../guardian/client.ts';
import type {OutputLine} from '../guardian/output-lines.ts';
import type {GuardianRecord} from '../guardian/record.ts';
import {connectGuardian, forgetGuardian, spawnGuardian} from '../guardian/spawn.ts';
import type {GuardianSetup} from '../guardian/wire.ts';
import type {Adopted} from '../protocol/agent-state.ts';
import type {InstanceId} from '../protocol/words.ts';
import {outdatedParts} from './guardian-setup.ts';
import type {GuardianListener, GuardianPort, Reporter} from './ports.ts';

export interface GuardianOptions {
  readonly instanceId: InstanceId;
  readonly stateDir: string;
  readonly setup: Omit<GuardianSetup, 'marker'>;
  /** The guardian of an earlier agent that may still live. */
  readonly earlier: GuardianRecord | undefined;
  /** Makes the record durable on this host. */
  readonly remember: (record: GuardianRecord) => Promise<void>;
  /** That guardian turned out to be dead; `proven`: and so is what it ran. */
  readonly lost: (proven: boolean) => void;
  /** Why nothing may be started on this host; undefined: something may again. */
  readonly blocked: (because: string | undefined) => void;
  readonly log: Reporter;
}

/** How long a rejected or unproven state is waited for before it is looked at again, ms. */
const RETRY_MS = 500;

export function createGuardianPort(options: GuardianOptions): GuardianPort {
  const {instanceId, stateDir, setup, remember, log} = options;
  let client: GuardianClient | undefined;
  let earlier = options.earlier;
  let outdated = false;
  let left = false;
  let writing: Promise<void> = Promise.resolve();

  /** One after the other, so that none overtakes another; each writes what is known by then. */
  function keep(guardian: GuardianClient): Promise<void> {
    const turn = writing.then(() => remember(guardian.record));
    writing = turn.catch(() => undefined);
    return turn;
  }

  /** A guardian that is not accepted in the end may close its channel without anybody minding. */
  function attend(listener: GuardianListener): {
    readonly channel: ChannelListener;
    readonly accept: (guardian: GuardianClient) => void;
  } {
    let guardian: GuardianClient | undefined;
    let closed: string | undefined;
    const channel: ChannelListener = {
      report: (report) => listener.report(report),
      output: (line) => logOutput(log, line),
      dropped: (bytes) => log.warn(`${bytes} bytes of the service's output were dropped: it prints faster than the log can take`),
      holding(run, holder) {
        log.debug('the service is held by', {run, pid: holder.pid});
        if (guardian)
          keep(guardian).catch((error: unknown) =>
            log.error('the holder of the service could not be written down', {reason: reasonOf(error)}),
          );
      },
      closed(because) {
        closed = because;
        if (guardian && !left) listener.closed(because);
      },
    };
    return {
      channel,
      accept: (accepted) => {
        guardian = client = accepted;
        if (closed !== undefined && !left) listener.closed(closed);
      },
    };
  }

  /** Lets a guardian that is stopping finish: it releases the lock itself. @returns undefined if it was not taken over. */
  async function adopt(record: GuardianRecord, listener: GuardianListener): Promise<GuardianClient | undefined> {
    for (let blocked = false; ;) {
      const {channel, accept} = attend(listener);
      const answer = await connectGuardian(record, instanceId, channel);
      if (answer.kind === 'accepted') {
        noteSetup(answer.client);
        accept(answer.client);
        return answer.client;
      }
      if (answer.kind === 'rejected') {
        log.info('waiting for the earlier guardian to finish', {because: answer.because, pid: record.guardian.pid});
      } else if (answer.left.proven || record.service === 'ensure') {
        await forgetGuardian(record);
        // For `ensure`, the passive form of the next guardian decides when this node may be elected.
        options.lost(answer.left.proven);
        if (blocked) options.blocked(undefined);
        return undefined;
      } else {
        blocked = true;
        tellSurvivors(answer.left);
        options.blocked(`processes of an earlier service are left: ${answer.left.because}`);
      }
      await sleep(RETRY_MS);
    }
  }

  function noteSetup(guardian: GuardianClient): void {
    const parts = outdatedParts(guardian.setup, setup);
    outdated = parts.length > 0;
    // What later runs find in their environment needs no new guardian.
    guardian.setEnvironment(setup.environment);
    if (!outdated) return;
    log.warn('the guardian of the earlier agent goes on with what that one told it, until nothing runs and no lease is held', {
      differs: parts.join(', '),
    });
  }

  function tellSurvivors(found: {readonly because: string; readonly survivors: readonly number[]}): void {
    log.error('processes of the service are left: nothing is started before they are gone', {
      because: found.because,
      pids: found.survivors.join(' '),
    });
  }

  async function spawn(listener: GuardianListener): Promise<GuardianClient> {
    const {channel, accept} = attend(listener);
    const spawned = await spawnGuardian({stateDirectory: stateDir, instanceId, setup, listener: channel});
    accept(spawned);
    return spawned;
  }

  return {
    async open(listener): Promise<Adopted | undefined> {
      const found = earlier;
      earlier = undefined;
      client = undefined;
      const opened = (found && (await adopt(found, listener))) ?? (await spawn(listener));
      await keep(opened);
      return opened.adopted;
    },
    outdated: () => outdated,
    send: (order) => client?.send(order),
    async kill() {
      outdated = false;
      for (;;) {
        const result = await client?.kill();
        if (!result) return {proven: true, because: 'there was no guardian'};
        if (result.proven || setup.service.kind === 'ensure') return {proven: result.proven, because: result.because};
        tellSurvivors(result);
        await sleep(RETRY_MS);
      }
    },
    async checkPassive() {
      return client ? client.checkPassive(undefined) : {ok: false, because: 'there is no guardian'};
    },
    leave() {
      left = true;
      return Promise.resolve();
    },
  };
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function logOutput(log: Reporter, line: OutputLine): void {
  const fields = {from: line.source, stream: line.stream};
  if (line.stream === 'stderr') log.warn(line.text, fields);
  else log.info(line.text, fields);
}

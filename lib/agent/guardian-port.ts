// The guardian as the loop commands it: found or spawned, its record durable on this host before anybody hears of it.
import {reasonOf} from '../errors.ts';
import type {GuardianClient, GuardianListener as ChannelListener} from '../guardian/client.ts';
import type {OutputLine} from '../guardian/output-lines.ts';
import {isAlive} from '../guardian/proc.ts';
import type {GuardianRecord, KillResult} from '../guardian/record.ts';
import {connectGuardian, forgetGuardian, spawnGuardian} from '../guardian/spawn.ts';
import type {GuardianSetup, ServiceSpec} from '../guardian/wire.ts';
import type {Adopted} from '../protocol/agent-state.ts';
import type {GuardianOrder} from '../protocol/guardian-machine.ts';
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
/** How often it is looked whether a guardian that was left is gone, ms. */
const LEAVE_LOOK_MS = 20;

/** With what the configuration may change while a guardian lives. */
export interface ChangeableGuardian extends GuardianPort {
  /** The service has another form from now on: the next commands are these. Its kind stays. */
  setService(service: ServiceSpec): void;
}

/** A plain object, so that callers can put another function in the place of one. */
export function createGuardianPort(options: GuardianOptions): ChangeableGuardian {
  const guardian = new Guardian(options);
  return {
    setService: (service) => guardian.setService(service),
    open: (listener) => guardian.open(listener),
    outdated: () => guardian.outdated(),
    send: (order) => guardian.send(order),
    kill: () => guardian.kill(),
    checkPassive: (backoffMs) => guardian.checkPassive(backoffMs),
    leave: (limitMs) => guardian.leave(limitMs),
  };
}

class Guardian implements ChangeableGuardian {
  readonly #options: GuardianOptions;
  #setup: GuardianOptions['setup'];
  #client: GuardianClient | undefined;
  #earlier: GuardianRecord | undefined;
  #outdated = false;
  #left = false;
  /** Writers of the record, one after the other, so that none overtakes another. */
  #writing: Promise<void> = Promise.resolve();

  constructor(options: GuardianOptions) {
    this.#options = options;
    this.#setup = options.setup;
    this.#earlier = options.earlier;
  }

  async open(listener: GuardianListener): Promise<Adopted | undefined> {
    const found = this.#earlier;
    this.#earlier = undefined;
    this.#client = undefined;
    const opened = (found && (await this.#adopt(found, listener))) ?? (await this.#spawn(listener));
    await this.#keep(opened);
    return opened.adopted;
  }

  setService(service: ServiceSpec): void {
    this.#setup = {...this.#setup, service};
    if (service.kind === 'ensure') this.#client?.setEnsure(service);
  }

  outdated(): boolean {
    return this.#outdated;
  }

  send(order: GuardianOrder): void {
    this.#client?.send(order);
  }

  async kill(): Promise<{readonly proven: boolean; readonly because: string}> {
    this.#outdated = false;
    for (;;) {
      if (!this.#client) return {proven: true, because: 'there was no guardian'};
      const result = await this.#client.kill();
      // What it runs may be of another kind than what this agent is to run.
      if (isSettled(result, this.#client.record.service === 'ensure')) return {proven: result.proven, because: result.because};
      this.#tellSurvivors(result);
      await sleep(RETRY_MS);
    }
  }

  async checkPassive(backoffMs: number): Promise<{readonly ok: boolean; readonly because: string}> {
    return this.#client ? this.#client.checkPassive(undefined, backoffMs) : {ok: false, because: 'there is no guardian'};
  }

  async leave(limitMs: number): Promise<void> {
    this.#left = true;
    const guardian = this.#client?.record.guardian;
    for (let waitedMs = 0; guardian && waitedMs < limitMs && isAlive(guardian); waitedMs += LEAVE_LOOK_MS)
      await sleep(LEAVE_LOOK_MS);
  }

  /** Writes what is known of it by then. */
  #keep(guardian: GuardianClient): Promise<void> {
    const turn = this.#writing.then(() => this.#options.remember(guardian.record));
    this.#writing = turn.catch(() => undefined);
    return turn;
  }

  /** Lets a guardian that is stopping finish: it releases the lock itself. @returns undefined if it was not taken over. */
  async #adopt(record: GuardianRecord, listener: GuardianListener): Promise<GuardianClient | undefined> {
    const {instanceId, log, lost, blocked} = this.#options;
    for (let isBlocked = false; ;) {
      const {channel, accept} = this.#attend(listener);
      const answer = await connectGuardian(record, instanceId, channel);
      if (answer.kind === 'accepted') {
        this.#noteSetup(answer.client);
        accept(answer.client);
        return answer.client;
      }
      if (answer.kind === 'rejected') {
        log.info('waiting for the earlier guardian to finish', {because: answer.because, pid: record.guardian.pid});
      } else if (isSettled(answer.left, record.service === 'ensure')) {
        await forgetGuardian(record);
        // For `ensure`, the passive form of the next guardian decides when this node may be elected.
        lost(answer.left.proven);
        if (isBlocked) blocked(undefined);
        return undefined;
      } else {
        isBlocked = true;
        this.#tellSurvivors(answer.left);
        blocked(`something of an earlier service is left: ${answer.left.because}`);
      }
      await sleep(RETRY_MS);
    }
  }

  async #spawn(listener: GuardianListener): Promise<GuardianClient> {
    const {stateDir, instanceId} = this.#options;
    const {channel, accept} = this.#attend(listener);
    const spawned = await spawnGuardian({stateDirectory: stateDir, instanceId, setup: this.#setup, listener: channel});
    accept(spawned);
    return spawned;
  }

  /** A guardian that is not accepted in the end may close its channel without anybody minding. */
  #attend(listener: GuardianListener): Attendance {
    const {log} = this.#options;
    let guardian: GuardianClient | undefined;
    let closed: string | undefined;
    const channel: ChannelListener = {
      report: (report) => listener.report(report),
      output: (line) => logOutput(log, line),
      dropped: (bytes) => log.warn(`${bytes} bytes of the service's output were dropped: it prints faster than the log can take`),
      holding: (run, holder) => {
        log.debug(run === undefined ? 'the standby process is held by' : 'the service is held by', {run, pid: holder.pid});
        const complain = (error: unknown): void =>
          log.error('the holder of the service could not be written down', {reason: reasonOf(error)});
        if (guardian) this.#keep(guardian).catch(complain);
      },
      closed: (because) => {
        closed = because;
        if (guardian && !this.#left) listener.closed(because);
      },
    };
    const accept = (accepted: GuardianClient): void => {
      guardian = this.#client = accepted;
      if (closed !== undefined && !this.#left) listener.closed(closed);
    };
    return {channel, accept};
  }

  #noteSetup(guardian: GuardianClient): void {
    const {log} = this.#options;
    const parts = outdatedParts(guardian.setup, this.#setup);
    this.#outdated = parts.length > 0;
    // What later runs find in their environment needs no new guardian.
    guardian.setEnvironment(this.#setup.environment);
    if (!this.#outdated) return;
    log.warn('the guardian of the earlier agent goes on with what that one told it, until nothing runs and no lease is held', {
      differs: parts.join(', '),
    });
  }

  #tellSurvivors(found: {readonly because: string; readonly survivors: readonly number[]}): void {
    this.#options.log.error('something of the service is left: nothing is started before it is gone', {
      because: found.because,
      pids: found.survivors.join(' '),
    });
  }
}

/** Whether no more killing is needed; a floating address that is still up would be as bad as a process. */
const isSettled = (left: KillResult, onlyPassiveTells: boolean): boolean =>
  left.addressLeft !== true && (left.proven || onlyPassiveTells);

interface Attendance {
  readonly channel: ChannelListener;
  readonly accept: (guardian: GuardianClient) => void;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function logOutput(log: Reporter, line: OutputLine): void {
  const fields = {from: line.source, stream: line.stream};
  if (line.stream === 'stderr') log.warn(line.text, fields);
  else log.info(line.text, fields);
}

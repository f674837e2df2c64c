// What a node remembers on its own disk: which store it knows, who its agent is, and what its guardian needs to be found again.
import {join} from 'node:path';
import {HaError} from '../errors.ts';
import {bootId, identityOf, isAlive, pidNamespace, type ProcessIdentity} from '../guardian/proc.ts';
import {isEpoch, isInstanceId, type Epoch, type InstanceId} from '../protocol/words.ts';
import {corrupt, openPrivateDirectory, readJson, removeFile, removeLeftovers, writeJson} from './local-files.ts';
import {isStopped} from './process-look.ts';
import {LockBusy, withShortLock} from './short-lock.ts';

/** The store this node knows, and the largest epoch it has seen in it. */
export interface KnownStore {
  readonly storeId: string;
  readonly epoch: Epoch;
}

/** One start of the agent on this host. */
export interface AgentRecord extends ProcessIdentity {
  readonly instanceId: InstanceId;
  /** `pid:[4026531836]`: the namespace that the pid counts in. */
  readonly pidNamespace: string;
  /** Where it answers HTTP on this host; null until it listens. */
  readonly url: string | null;
  /** It serves without a cluster (highAvailability disabled). */
  readonly alone?: true;
}

export interface LocalState {
  readonly dir: string;
  /** @throws HaError 'state.corrupt' */
  knownStore(): Promise<KnownStore | undefined>;
  /**
   * Makes the epoch durable if it is larger than the known one; costs nothing otherwise. Calls may overlap.
   * @throws HaError 'store.notOurs' if another store is known: only `adoptStore` may replace it.
   */
  rememberEpoch(storeId: string, epoch: Epoch): Promise<void>;
  /** An operator's decision (`accept`), or the first store ever: replaces what is known. */
  adoptStore(known: KnownStore): Promise<void>;
  /** The agent that used this directory last, alive or not. @throws HaError 'state.corrupt' */
  agent(): Promise<AgentRecord | undefined>;
  /** The agent that uses this directory and lives, stopped or not; never this process. */
  liveAgent(): Promise<(AgentRecord & {readonly stopped: boolean}) | undefined>;
  /**
   * Takes the directory for this process, durably; of two at once exactly one succeeds.
   * @returns the agent before, which is dead; undefined if there was none.
   * @throws HaError 'state.live' if another agent that uses it lives.
   */
  claim(instanceId: InstanceId, as?: 'member' | 'alone'): Promise<AgentRecord | undefined>;
  /** Adds to this process's own record, after `claim`. */
  setUrl(url: string | null): Promise<void>;
  /** Whatever the caller wrote about the guardian; it validates that itself. @throws HaError 'state.corrupt' if it is no JSON. */
  guardian(): Promise<unknown>;
  /** Durable when it resolves; undefined removes the record. */
  setGuardian(record: unknown): Promise<void>;
}

/** Makes the directory where it is missing. @throws HaError 'state.unusable' */
export async function openLocalState(dir: string): Promise<LocalState> {
  await openPrivateDirectory(dir);
  return new Directory(dir);
}

/** For commands that only look: makes nothing; where there is no directory, nothing is known. */
export const readLocalState = (dir: string): Pick<LocalState, 'dir' | 'knownStore' | 'agent' | 'liveAgent' | 'guardian'> =>
  new Directory(dir);

class Directory implements LocalState {
  readonly dir: string;
  #known: KnownStore | undefined;
  #own: AgentRecord | undefined;
  /** Writers of node.json, one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(dir: string) {
    this.dir = dir;
  }

  async knownStore(): Promise<KnownStore | undefined> {
    return (this.#known ??= parseKnown(this.#path('node'), await readJson(this.#path('node'))));
  }

  rememberEpoch(storeId: string, epoch: Epoch): Promise<void> {
    if (this.#known?.storeId === storeId && epoch <= this.#known.epoch) return Promise.resolve();
    return this.#inTurn(async () => {
      const known = await this.knownStore();
      if (known !== undefined && known.storeId !== storeId) throw notOurs(this.dir, known, storeId);
      if (known === undefined || epoch > known.epoch) await this.#writeKnown({storeId, epoch});
    });
  }

  adoptStore(known: KnownStore): Promise<void> {
    return this.#inTurn(() => this.#writeKnown(known));
  }

  async agent(): Promise<AgentRecord | undefined> {
    return parseAgent(this.#path('agent'), await readJson(this.#path('agent')));
  }

  async liveAgent(): Promise<(AgentRecord & {readonly stopped: boolean}) | undefined> {
    const agent = await this.agent();
    if (agent === undefined || !lives(agent)) return undefined;
    return {...agent, stopped: await isStopped(agent.pid)};
  }

  async claim(instanceId: InstanceId, as: 'member' | 'alone' = 'member'): Promise<AgentRecord | undefined> {
    try {
      return await withShortLock(join(this.dir, 'claim.lock'), async (stillMine) => {
        const live = await this.liveAgent();
        if (live) throw liveError(this.dir, live);
        const before = await this.agent();
        const self = identityOf(process.pid);
        if (self === undefined) throw new Error(`/proc shows no process ${process.pid}, which is this one`);
        this.#own = {...self, instanceId, pidNamespace: pidNamespace(), url: null, ...(as === 'alone' && {alone: true})};
        stillMine();
        await removeLeftovers(this.dir);
        await writeJson(this.#path('agent'), this.#own);
        return before;
      });
    } catch (error) {
      if (!(error instanceof LockBusy)) throw error;
      const text = {
        message: `the state directory cannot be claimed: ${error.message}`,
        hint: 'try again; another agent is just starting with it',
        cause: error,
      };
      throw new HaError('state.unusable', {path: this.dir, reason: error.message}, text);
    }
  }

  async setUrl(url: string | null): Promise<void> {
    if (this.#own === undefined) throw new Error('setUrl before claim');
    this.#own = {...this.#own, url};
    await writeJson(this.#path('agent'), this.#own);
  }

  guardian(): Promise<unknown> {
    return readJson(this.#path('guardian'));
  }

  setGuardian(record: unknown): Promise<void> {
    const file = this.#path('guardian');
    return record === undefined ? removeFile(file) : writeJson(file, record);
  }

  #path(name: 'node' | 'agent' | 'guardian'): string {
    return join(this.dir, `${name}.json`);
  }

  async #writeKnown(known: KnownStore): Promise<void> {
    await writeJson(this.#path('node'), known);
    this.#known = known;
  }

  /** The caller gets the failure; the next in line is not kept from trying. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

/** A number means nothing after a reboot or in another PID namespace; our own number is ours now. */
function lives(agent: AgentRecord): boolean {
  if (agent.bootId !== bootId() || agent.pidNamespace !== pidNamespace() || agent.pid === process.pid) return false;
  return isAlive(agent);
}

function liveError(dir: string, live: AgentRecord & {readonly stopped: boolean}): HaError<'state.live'> {
  const how = live.stopped ? ' and is stopped (SIGSTOP)' : '';
  return new HaError(
    'state.live',
    {stateDir: dir, pid: live.pid, stopped: live.stopped},
    {
      message: `an agent of this node lives: process ${live.pid} uses the state directory ${dir}${how}`,
      hint: 'for a second node give another --nodeId (or --stateDir); to kill that agent and go on, give --replace',
    },
  );
}

function notOurs(dir: string, known: KnownStore, storeId: string): HaError<'store.notOurs'> {
  return new HaError(
    'store.notOurs',
    {dir, known: known.storeId, found: storeId},
    {
      message: `this node knows the store ${known.storeId}, and this is the store ${storeId}`,
      hint: 'mount the right share; if this is the right one from now on, decide so with "ha-agent accept", or choose another --stateDir',
    },
  );
}

function parseKnown(file: string, value: unknown): KnownStore | undefined {
  if (value === undefined) return undefined;
  const {storeId, epoch} = objectOf(file, value);
  if (typeof storeId !== 'string' || storeId === '') throw corrupt(file, 'it names no store');
  if (typeof epoch !== 'number' || !isEpoch(epoch)) throw corrupt(file, 'its epoch is none');
  return {storeId, epoch};
}

function parseAgent(file: string, value: unknown): AgentRecord | undefined {
  if (value === undefined) return undefined;
  const {pid, startTicks, bootId: boot, instanceId, pidNamespace: namespace, url, alone} = objectOf(file, value);
  if (!isCount(pid) || pid === 0 || !isCount(startTicks)) throw corrupt(file, 'it names no process');
  if (typeof boot !== 'string' || typeof namespace !== 'string')
    throw corrupt(file, 'it does not say of which boot and namespace');
  if (typeof instanceId !== 'string' || !isInstanceId(instanceId)) throw corrupt(file, 'its instance is none');
  if (url !== null && typeof url !== 'string') throw corrupt(file, 'its url is none');
  return {pid, startTicks, bootId: boot, instanceId, pidNamespace: namespace, url, ...(alone === true && {alone})};
}

function objectOf(file: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw corrupt(file, 'it is no JSON object');
  return {...value};
}

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

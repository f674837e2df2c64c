// The guardian as the loop commands it: found or spawned, its record durable on this host before anybody hears of it.
import {GuardianClient, type GuardianListener as ChannelListener} from '../guardian/client.ts';
import type {OutputLine} from '../guardian/output-lines.ts';
import type {GuardianRecord} from '../guardian/record.ts';
import {connectGuardian, forgetGuardian, spawnGuardian} from '../guardian/spawn.ts';
import type {GuardianSetup} from '../guardian/wire.ts';
import type {Adopted} from '../protocol/agent-state.ts';
import type {InstanceId} from '../protocol/words.ts';
import type {GuardianListener, GuardianPort, Reporter} from './ports.ts';

export interface GuardianOptions {
  readonly instanceId: InstanceId;
  readonly stateDir: string;
  readonly setup: Omit<GuardianSetup, 'marker'>;
  /** The guardian of an earlier agent that may still live. */
  readonly earlier: GuardianRecord | undefined;
  /** Makes the record durable on this host. */
  readonly remember: (record: GuardianRecord) => Promise<void>;
  readonly log: Reporter;
}

/** How long a rejected or unproven state is waited for before it is looked at again, ms. */
const RETRY_MS = 500;

export function createGuardianPort(options: GuardianOptions): GuardianPort {
  const {instanceId, stateDir, setup, remember, log} = options;
  let client: GuardianClient | undefined;
  let earlier = options.earlier;
  let left = false;

  function listenerFor(listener: GuardianListener): ChannelListener {
    return {
      report: (report) => listener.report(report),
      output: (line) => logOutput(log, line),
      dropped: (bytes) => log.warn(`${bytes} bytes of the service's output were dropped: it prints faster than the log can take`),
      holding: (run, holder) => log.debug('the service is held by', {run, pid: holder.pid}),
      closed: (because) => {
        if (!left) listener.closed(because);
      },
    };
  }

  /** Lets a guardian that is stopping finish: it releases the lock itself. */
  async function adopt(record: GuardianRecord, listener: ChannelListener): Promise<GuardianClient | undefined> {
    for (;;) {
      const answer = await connectGuardian(record, instanceId, listener);
      if (answer.kind === 'accepted') return answer.client;
      if (answer.kind === 'gone') {
        await forgetGuardian(record);
        return undefined;
      }
      log.info('waiting for the earlier guardian to finish', {because: answer.because, pid: record.guardian.pid});
      await sleep(RETRY_MS);
    }
  }

  return {
    async open(listener): Promise<Adopted | undefined> {
      const channel = listenerFor(listener);
      const found = earlier;
      earlier = undefined;
      client = found ? await adopt(found, channel) : undefined;
      client ??= await spawnGuardian({stateDirectory: stateDir, instanceId, setup, listener: channel});
      await remember(client.record);
      return client.adopted;
    },
    send: (order) => client?.send(order),
    async kill() {
      for (;;) {
        const result = await client?.kill();
        if (!result) return {proven: true, because: 'there was no guardian'};
        if (result.proven || setup.service.kind === 'ensure') return {proven: result.proven, because: result.because};
        log.error('processes of the service are left: nothing is started before they are gone', {
          because: result.because,
          pids: result.survivors.join(' '),
        });
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

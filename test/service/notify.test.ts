// What an agent tells systemd: one message at a time, the newest word counts, and nobody else may speak for it.
import {expect} from 'chai';
import type {CommandEnd} from '../../lib/guardian/command.ts';
import {createNotifier, takeNotifySocket} from '../../lib/service/notify.ts';
import type {Script} from '../../lib/service/script.ts';

const PATH = '/run/systemd/notify';

/** Runs of systemd-notify that end when the test says so. */
function bench(): {
  sent: Script[];
  warned: string[];
  end: (how: CommandEnd) => Promise<void>;
  notifier: ReturnType<typeof createNotifier>;
} {
  const sent: Script[] = [];
  const warned: string[] = [];
  const ends: ((how: CommandEnd) => void)[] = [];
  const log = {info: () => undefined, warn: (text: string) => void warned.push(text)};
  const notifier = createNotifier({path: PATH, watchdogMs: 30_000}, log, (script) => {
    sent.push(script);
    return {done: new Promise((resolve) => ends.push(resolve)), signal: () => undefined};
  });
  const end = async (how: CommandEnd): Promise<void> => {
    ends.shift()?.(how);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return {sent, warned, end, notifier};
}

const FINE: CommandEnd = {ok: true, because: 'exit status 0', status: 0};
const FAILED: CommandEnd = {ok: false, because: 'exit status 1', status: 1};

describe('createNotifier', () => {
  it('sends what is said, in one message what is said at once', async () => {
    const {sent, end, notifier} = bench();
    notifier.ready();
    expect(sent.map(({command}) => command)).to.deep.equal([['systemd-notify', 'READY=1']]);
    expect(sent[0]?.environment['NOTIFY_SOCKET']).to.equal(PATH);
    notifier.status('STANDBY: one\nline');
    notifier.alive();
    notifier.status('MASTER: ready');
    expect(sent).to.have.length(1);
    await end(FINE);
    expect(sent[1]?.command).to.deep.equal(['systemd-notify', 'STATUS=MASTER: ready', 'WATCHDOG=1']);
    let flushed = false;
    void notifier.flush().then(() => (flushed = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(flushed).to.equal(false);
    await end(FINE);
    expect(flushed).to.equal(true);
    expect(sent).to.have.length(2);
  });

  it('makes one line of a status', () => {
    const {sent, notifier} = bench();
    notifier.status('a\nb  c');
    expect(sent[0]?.command).to.include('STATUS=a b c');
  });

  it('goes on after a failure, and complains once', async () => {
    const {sent, warned, end, notifier} = bench();
    for (let round = 0; round < 3; round++) {
      notifier.alive();
      await end(FAILED);
    }
    expect(sent).to.have.length(3);
    expect(warned).to.have.length(1);
  });

  it('asks for a sign of life three times in the time that systemd waits', () => {
    expect(bench().notifier.aliveEveryMs).to.equal(10_000);
  });

  it('is silent where systemd has not started the agent', async () => {
    const run = (): never => {
      throw new Error('nobody listens');
    };
    const notifier = createNotifier(undefined, {info: () => undefined, warn: () => undefined}, run);
    notifier.ready();
    notifier.alive();
    await notifier.flush();
    expect(notifier.listening).to.equal(false);
  });
});

describe('takeNotifySocket', () => {
  it('takes it away from whatever is started later', () => {
    const env = {NOTIFY_SOCKET: PATH, WATCHDOG_USEC: '30000000', WATCHDOG_PID: '17', HOME: '/root'};
    expect(takeNotifySocket(env, 17)).to.deep.equal({path: PATH, watchdogMs: 30_000});
    expect(env).to.deep.equal({HOME: '/root'});
  });

  it('leaves a watchdog alone that was meant for another process, or is none', () => {
    expect(takeNotifySocket({NOTIFY_SOCKET: PATH, WATCHDOG_USEC: '30000000', WATCHDOG_PID: '18'}, 17)?.watchdogMs).to.equal(
      undefined,
    );
    expect(takeNotifySocket({NOTIFY_SOCKET: PATH}, 17)?.watchdogMs).to.equal(undefined);
    expect(takeNotifySocket({NOTIFY_SOCKET: PATH, WATCHDOG_USEC: 'x'}, 17)?.watchdogMs).to.equal(undefined);
  });

  it('knows when there is none', () => {
    expect(takeNotifySocket({WATCHDOG_USEC: '1'}, 17)).to.equal(undefined);
  });
});

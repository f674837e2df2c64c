// Readiness and health against real services and real commands.
import fs from 'node:fs/promises';
import http from 'node:http';
import net, {type AddressInfo} from 'node:net';
import path from 'node:path';
import {expect} from 'chai';
import type {Check, Outcome} from '../../lib/service/check.ts';
import {createReadiness, repeat} from '../../lib/service/checks.ts';
import {eventually} from '../support/eventually.ts';
import {useTempDir} from '../support/temp-dir.ts';

const PACE = {on: 'active', periodMs: 10, timeoutMs: 5_000, failures: 0} as const;

interface Result {
  readonly ok: boolean;
  readonly because: string;
}

interface Watched {
  readonly results: readonly Result[];
  stop(): void;
  restart(): void;
  configure(...next: Check[]): void;
}

describe('the readiness of a service', () => {
  const directory = useTempDir();
  const file = (name: string): string => path.join(directory(), name);
  const cleanups: (() => unknown)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) await cleanup();
  });

  /** Starts the checks; the results as they come. */
  function watchWith(heard: (result: Result) => void, ...checks: Check[]): Watched {
    const readiness = createReadiness(checks);
    const results: Result[] = [];
    const start = (run: number): void =>
      readiness.start(run, (ok, because) => {
        results.push({ok, because});
        heard({ok, because});
      });
    cleanups.push(() => readiness.stop());
    start(1);
    return {
      results,
      stop: () => readiness.stop(),
      restart: () => start(2),
      configure: (...next) => readiness.configure(next),
    };
  }

  const watch = (...checks: Check[]): Watched => watchWith(() => undefined, ...checks);

  const command = (script: string, pace: {periodMs?: number; timeoutMs?: number; failures?: number} = {}): Check => ({
    ...PACE,
    ...pace,
    kind: 'command',
    command: ['/bin/sh', '-c', script, 'sh', directory()],
  });

  async function httpService(status: () => number): Promise<{url: string; asked: () => number}> {
    let asked = 0;
    const server = http.createServer((_request, response) => {
      asked += 1;
      response.writeHead(status(), {location: '/elsewhere'}).write('a body that never ends');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanups.push(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    return {url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/health`, asked: () => asked};
  }

  const last = ({results}: {results: readonly Result[]}): Result | undefined => results.at(-1);
  const exists = async (name: string): Promise<boolean> =>
    fs.access(file(name)).then(
      () => true,
      () => false,
    );

  it('is there at once without any check', async () => {
    const watched = watch();
    expect(watched.results, 'not before start() has returned').to.deep.equal([]);
    await eventually(() => last(watched)?.ok);
  });

  it('is not reported to a run that was stopped at once', async () => {
    const watched = watch();
    watched.stop();
    const other = watch();
    await eventually(() => last(other)?.ok);
    expect(watched.results).to.deep.equal([]);
  });

  it('comes when every check has passed, and says until then what is missing', async () => {
    const {url} = await httpService(() => 200);
    const watched = watch({...PACE, kind: 'http', url, expect: 200}, command('test -e "$1/ready" || { echo no file; exit 3; }'));
    await eventually(() => last(watched)?.because.endsWith('exited with 3: no file'));
    expect(watched.results.every(({ok}) => !ok)).to.equal(true);
    await fs.writeFile(file('ready'), '');
    await eventually(() => last(watched)?.ok);
    expect(last(watched)?.because).to.equal('every check passes');
  });

  it('says the same thing once', async () => {
    const watched = watch(command('echo x >> "$1/runs"; exit 1'));
    await eventually(async () => (await fs.readFile(file('runs'), 'utf8')).length >= 8);
    expect(watched.results).to.have.length(1);
  });

  it('does not wait for a whole period for the next look at a service that is starting', async () => {
    const watched = watch(command('test -e "$1/ready"', {periodMs: 3_600_000}));
    await eventually(() => watched.results.length === 1);
    await fs.writeFile(file('ready'), '');
    await eventually(() => last(watched)?.ok);
  });

  it('is lost after more failures in a row than tolerated, with the reason, and can come back', async () => {
    let failures = 0;
    let failing = false;
    let failuresAtLoss: number | undefined;
    const {url} = await httpService(() => {
      if (failing) failures += 1;
      return failing ? 500 : 200;
    });
    const note = ({ok}: Result): void => {
      if (!ok && failing) failuresAtLoss ??= failures;
    };
    const watched = watchWith(note, {...PACE, kind: 'http', url, expect: undefined, failures: 3});
    await eventually(() => last(watched)?.ok);
    failing = true;
    await eventually(() => last(watched)?.ok === false);
    expect(failuresAtLoss).to.equal(4);
    expect(last(watched)?.because).to.equal(`${url} answered 500, expected 200 to 399`);
    failing = false;
    await eventually(() => last(watched)?.ok);
  });

  it('survives failures that are not in a row', async () => {
    let count = 0;
    const {url} = await httpService(() => {
      count += 1;
      return count > 1 && count % 2 === 0 ? 500 : 200;
    });
    const watched = watch({...PACE, kind: 'http', url, expect: 200, failures: 1});
    await eventually(() => count >= 12);
    expect(watched.results).to.deep.equal([{ok: true, because: 'every check passes'}]);
  });

  it('is not looked for any more after stop, and a new run starts from nothing', async () => {
    const watched = watch(command('test -e "$1/ready" && echo x >> "$1/runs"'));
    await eventually(() => watched.results.length === 1);
    watched.stop();
    await fs.writeFile(file('ready'), '');
    const other = watch(command('test -e "$1/ready"'));
    await eventually(() => last(other)?.ok);
    expect(await exists('runs')).to.equal(false);
    expect(watched.results).to.have.length(1);
    watched.restart();
    await eventually(() => watched.results.length === 2);
    expect(last(watched)?.ok).to.equal(true);
  });

  it('asks nothing any more after stop, not even to give it up at once', async () => {
    const stopped = new AbortController();
    let asked = 0;
    const probe = (): Promise<Outcome> => Promise.resolve((asked++, {ok: true, because: ''}));
    const heard: boolean[] = [];
    const note = ({ok}: Outcome): void => void heard.push(ok);
    const over = repeat(command('true', {periodMs: 3_600_000}), stopped.signal, () => true, note, probe);
    await eventually(() => heard.length === 1);
    // The pause ends early, and nothing follows it.
    stopped.abort();
    await over;
    expect([asked, heard]).to.deep.equal([1, [true]]);
  });

  it('outlives new checks that it has not passed yet, and is lost when they fail too often', async () => {
    const watched = watch(command('true', {periodMs: 3_600_000}));
    await eventually(() => last(watched)?.ok);
    watched.configure(command('echo x >> "$1/runs"; exit 6', {failures: 2}));
    await eventually(() => last(watched)?.ok === false);
    expect(await fs.readFile(file('runs'), 'utf8')).to.match(/^(x\n){3}/);
    expect(watched.results.map(({ok}) => ok)).to.deep.equal([true, false]);
    watched.configure();
    await eventually(() => last(watched)?.ok);
  });

  it('is not looked for when checks are changed between two runs', async () => {
    const watched = watch(command('exit 1'));
    watched.stop();
    watched.configure(command('true'));
    const other = watch(command('true'));
    await eventually(() => last(other)?.ok);
    expect(watched.results).to.deep.equal([]);
    watched.restart();
    await eventually(() => last(watched)?.ok);
  });

  describe('by http', () => {
    for (const [status, expected, ok] of [
      [200, undefined, true],
      [302, undefined, true],
      [404, undefined, false],
      [418, 418, true],
      [200, 418, false],
    ] as const) {
      it(`${ok ? 'passes' : 'fails'} at ${status} when ${expected ?? 'nothing'} is expected`, async () => {
        const {url} = await httpService(() => status);
        const watched = watch({...PACE, kind: 'http', url, expect: expected});
        await eventually(() => watched.results.length > 0);
        expect(watched.results[0]?.ok).to.equal(ok);
      });
    }

    it('fails where nobody listens, and where nobody answers', async () => {
      const mute = net.createServer((socket) => socket.on('error', () => undefined).resume());
      await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
      const {port} = mute.address() as AddressInfo;
      const url = `http://127.0.0.1:${port}/`;
      const silent = watch({...PACE, kind: 'http', url, expect: 200, timeoutMs: 20});
      await eventually(() => last(silent)?.because === `${url} did not answer within 20 ms`);
      silent.stop();
      await new Promise((resolve) => mute.close(resolve));
      const absent = watch({...PACE, kind: 'http', url, expect: 200});
      await eventually(() => last(absent)?.because.includes('ECONNREFUSED'));
    });
  });

  it('by tcp passes while a port accepts connections', async () => {
    const server = net.createServer((socket) => socket.on('error', () => undefined).end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const {port} = server.address() as AddressInfo;
    const watched = watch({...PACE, kind: 'tcp', host: '127.0.0.1', port});
    await eventually(() => last(watched)?.ok);
    await new Promise((resolve) => server.close(resolve));
    // A connection that was under way when the port closed may be told otherwise at first.
    const refused = /^127\.0\.0\.1 port \d+ does not accept connections: .*ECONNREFUSED/;
    await eventually(() => last(watched)?.ok === false && refused.test(last(watched)?.because ?? ''));
  });

  describe('by command', () => {
    it('fails with what the command said last', async () => {
      const watched = watch(command('echo first; echo "the disk is full" >&2; exit 7'));
      await eventually(() => watched.results.length > 0);
      expect(watched.results[0]?.because).to.match(/exited with 7: .*the disk is full/);
    });

    it('fails when there is no such program, or it is ended by a signal', async () => {
      const missing = watch({...PACE, kind: 'command', command: [file('nothing')]});
      await eventually(() => last(missing)?.because.includes('cannot be run: spawn'));
      const impossible = watch({...PACE, kind: 'command', command: ['nul\0character']});
      await eventually(() => last(impossible)?.because.includes('cannot be run'));
      const killed = watch(command('kill -9 $$'));
      await eventually(() => last(killed)?.because.endsWith('was ended by SIGKILL'));
    });

    it('is killed with all it started when its time is over', async () => {
      const watched = watch(
        command('trap "" TERM; sleep 600 & echo $! > "$1/child"; wait', {timeoutMs: 200, periodMs: 3_600_000}),
      );
      await eventually(() => last(watched)?.because.endsWith('took longer than 200 ms and was killed'));
      watched.stop();
      const child = Number(await fs.readFile(file('child'), 'utf8'));
      await eventually(async () => !(await isAlive(child)));
    });

    it('is killed when the run ends', async () => {
      const watched = watch(command('echo $$ > "$1/pid.new"; mv "$1/pid.new" "$1/pid"; sleep 600 & wait'));
      await eventually(() => exists('pid'));
      watched.stop();
      const pid = Number(await fs.readFile(file('pid'), 'utf8'));
      await eventually(async () => !(await isAlive(pid)));
      expect(watched.results).to.deep.equal([]);
    });

    it('has ended when it exits, though a process that it left behind keeps its output open', async () => {
      const watched = watch(command('sleep 600 & echo $! >> "$1/left"', {periodMs: 3_600_000}));
      await eventually(() => last(watched)?.ok);
      const left = Number(await fs.readFile(file('left'), 'utf8'));
      expect(await isAlive(left), 'what a command leaves behind is left alone').to.equal(true);
      process.kill(left, 'SIGKILL');
    });

    it('may print without end', async () => {
      const watched = watch(command('yes | head -c 5000000; echo enough; exit 4', {periodMs: 3_600_000}));
      await eventually(() => last(watched)?.because.includes('exited with 4'));
      expect(last(watched)?.because).to.match(/enough$/);
      expect(last(watched)?.because.length).to.be.lessThan(1_000);
    });

    it('never runs twice at once', async () => {
      const script = 'mkdir "$1/lock" || touch "$1/overlap"; echo x >> "$1/runs"; sleep 0.02; rmdir "$1/lock"';
      watch(command(script));
      await eventually(async () => (await exists('runs')) && (await fs.readFile(file('runs'), 'utf8')).length >= 12);
      expect(await exists('overlap')).to.equal(false);
    });
  });
});

/** A zombie that its new parent has not waited for yet is not alive. */
async function isAlive(pid: number): Promise<boolean> {
  const stat = await fs.readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return stat !== undefined && stat.slice(stat.lastIndexOf(')') + 2)[0] !== 'Z';
}

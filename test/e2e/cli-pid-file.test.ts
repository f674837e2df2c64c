// End to end: pid.txt, which tells scripts whom to signal: who may write it, over what, and what is left of it.
import {execFileSync, spawn} from 'node:child_process';
import {existsSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync} from 'node:fs';
import {createServer} from 'node:net';
import {join} from 'node:path';
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import {together} from './store-support/together.ts';
import {withCluster} from './support/cluster.ts';

const LIMIT_MS = 45_000;
const LATE = ['--watchdogTimeout', '1h'];

describe('pid.txt', () => {
  together({
    'stands in the working directory, is left by kill -9, replaced with a log line, and removed by a clean end': async () => {
      await withCluster({nodes: ['n1']}, async (cluster) => {
        await cluster.init();
        const node = cluster.node('n1');
        await node.launch('--pidFile', './pid.txt');
        const first = node.agentPid;
        expect(readFileSync(node.pidFile, 'utf8')).to.equal(`${first}\n`);
        await cluster.untilMaster('n1');
        await node.kill('agent', 'guardian');
        expect(readFileSync(node.pidFile, 'utf8')).to.equal(`${first}\n`);

        await node.launch();
        expect(node.log()).to.match(new RegExp(`replaced a stale pid file .*pid=${first} because="its process is gone"`));
        expect(readFileSync(node.pidFile, 'utf8')).to.equal(`${node.agentPid}\n`);
        expect(await node.terminate()).to.deep.equal({code: 0, signal: null});
        expect(existsSync(node.pidFile)).to.equal(false);

        // Somebody else has the number by now: a process, but no agent.
        const stranger = spawn('sleep', ['600'], {stdio: 'ignore'});
        try {
          writeFileSync(node.pidFile, `${stranger.pid ?? 0}\n`);
          await node.launch();
          expect(node.log()).to.contain('because="the process with its number is no agent"');
          expect(stranger.exitCode).to.equal(null);
        } finally {
          stranger.kill('SIGKILL');
        }
        await node.terminate();
        writeFileSync(node.pidFile, 'notes that somebody keeps here\n');
        node.start();
        expect((await node.exit()).code).to.equal(3);
        expect(node.log()).to.contain('holds something else than a process id').and.to.contain('--pidFile');
        expect(readFileSync(node.pidFile, 'utf8')).to.equal('notes that somebody keeps here\n');
      });
    },

    "is one agent's alone, of several that start at once, and stays that of a stopped one": async () => {
      await withCluster({nodes: ['n1', 'n2', 'n3']}, async (cluster) => {
        await cluster.init();
        const shared = join(cluster.root, 'pid.txt');
        for (const node of cluster.nodes) node.start('--pidFile', shared);
        await eventually(() => cluster.nodes.filter((node) => node.isRunning()).length === 1, LIMIT_MS, 'more than one stays');
        const [winner] = cluster.nodes.filter((node) => node.isRunning());
        expect(readFileSync(shared, 'utf8')).to.equal(`${winner!.agentPid}\n`);
        for (const loser of cluster.others(winner!)) {
          expect((await loser.exit()).code).to.equal(3);
          expect(loser.log()).to.contain(`an agent that uses the pid file ${shared} lives: process ${winner!.agentPid}`);
          expect(loser.log()).to.contain('--pidFile');
        }
        await cluster.untilMaster(winner!.id);
        winner!.freeze('agent');
        const [late] = cluster.others(winner!);
        late!.start('--pidFile', shared);
        expect((await late!.exit()).code).to.equal(3);
        winner!.thaw('agent');
        expect(readFileSync(shared, 'utf8')).to.equal(`${winner!.agentPid}\n`);
      });
    },

    'is claimed before log file, addresses and watchdog are looked at, and gone when one of them is refused': async () => {
      await withCluster({nodes: ['n1', 'n2']}, async (cluster) => {
        await cluster.init();
        const [live, late] = [cluster.node('n1'), cluster.node('n2')];
        await live.launch();
        const cases: readonly (readonly [says: string, ...words: string[]])[] = [
          ['cannot write the log file', '--logFile', join(cluster.root, 'no', 'such', 'log')],
          ['the floating address 192.0.2.10/24', '--vip', '192.0.2.10/24@no-such-if'],
          ['is more than leaseTimeout', '--watchdog', 'required', '--watchdogDevice', watchdogIn(cluster.root), ...LATE],
        ];
        for (const [says, ...words] of cases) {
          late.start(...words, '--pidFile', live.pidFile);
          expect((await late.exit()).code).to.equal(3);
          expect(late.log()).to.contain(`an agent that uses the pid file ${live.pidFile} lives`).and.not.to.contain(says);
          expect(readFileSync(live.pidFile, 'utf8')).to.equal(`${live.agentPid}\n`);

          writeFileSync(late.pidFile, '4194303\n');
          late.start(...words);
          expect((await late.exit()).code).to.equal(3);
          expect(late.log()).to.contain('replaced a stale pid file').and.to.contain(says);
          expect(existsSync(late.pidFile)).to.equal(false);
        }
        // What would be refused does not cost the agent that is to be replaced.
        const before = live.current;
        for (const [says, ...words] of cases) {
          live.start('--replace', ...words);
          expect((await live.exit()).code).to.equal(3);
          expect(live.log()).to.contain(says);
          expect(before.exited).to.equal(undefined);
          expect(readFileSync(live.pidFile, 'utf8')).to.equal(`${before.agent.pid}\n`);
        }
        await live.launch('--replace');
        expect(before.exited).to.deep.equal({code: null, signal: 'SIGKILL'});
        expect(live.log()).to.contain('killing the live agent of this node').and.to.contain('replaced a stale pid file');
        expect(readFileSync(live.pidFile, 'utf8')).to.equal(`${live.agentPid}\n`);
      });
    },

    'is there before anything else can fail, and gone after it has failed': async () => {
      await withCluster({nodes: ['n1']}, async (cluster) => {
        const node = cluster.node('n1');
        // The state directory comes next, and is being claimed by somebody else: the agent waits for that.
        const claim = join(node.stateDir, 'claim.lock');
        mkdirSync(claim);
        const keepFresh = setInterval(() => utimesSync(claim, new Date(), new Date()), 200);
        const taken = createServer();
        await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
        try {
          const address = taken.address();
          const port = typeof address === 'object' ? String(address?.port) : '';
          node.start('--port', port);
          await eventually(() => existsSync(node.pidFile), LIMIT_MS, 'there is no pid file');
          expect(readFileSync(node.pidFile, 'utf8')).to.equal(`${node.agentPid}\n`);
          expect(existsSync(join(node.stateDir, 'agent.json'))).to.equal(false);
          clearInterval(keepFresh);
          rmSync(claim, {recursive: true});
          expect((await node.exit()).code).to.equal(2);
          expect(node.log()).to.contain(`port ${port}`);
          expect(existsSync(node.pidFile)).to.equal(false);
        } finally {
          clearInterval(keepFresh);
          taken.close();
        }
      });
    },
  });
});

/** A pipe that looks like one as long as nobody opens it. */
function watchdogIn(directory: string): string {
  const device = join(directory, 'watchdog');
  execFileSync('mkfifo', [device]);
  return device;
}

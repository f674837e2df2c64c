// End to end: SIGSTOP and SIGCONT, the nearest thing to a host that swaps, a debugger, or a virtual machine that is paused.
import {Agent} from 'node:http';
import {expect} from 'chai';
import {eventually} from '../support/eventually.ts';
import type {AskOptions} from './support/ask.ts';
import {withCluster} from './support/cluster.ts';
import type {TestNode} from './support/node.ts';
import {untilGone} from './support/processes.ts';

const TWO = {nodes: ['n1', 'n2']};

describe('a process that is frozen', () => {
  it('A15: as the agent of the master, past the lease: its guardian stops the service in time, another takes over, and the thawed one follows', async () => {
    await withCluster(TWO, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      const open = new Agent({keepAlive: true});
      expect((await master.get('/master', {agent: open})).status).to.equal(200);
      master.freeze('agent');
      // These wait in the frozen agent's sockets. It answers the one on the open connection before it hears of anything else.
      const early = [open, undefined, undefined].map((agent) => statusOf(master, {timeoutMs: 110_000, ...(agent && {agent})}));
      await cluster.untilMaster(other.id);
      expect(master.servicePids, 'the guardian has stopped the service').to.deep.equal([]);
      const answers = collectAnswers(master);
      master.thaw('agent');
      await master.untilState('STANDBY');
      const seen = [...(await Promise.all(early)), ...(await answers())];
      open.destroy();
      expect(seen).to.include(503).and.not.to.include(200);
      await master.untilFollows(other);
      expect(cluster.witnessed().runs.map(({node}) => node)).to.deep.equal([master.id, other.id]);
    });
  });

  it('as the agent of the master, for a moment: nobody notices', async () => {
    await withCluster({...TWO, timings: {leaseTimeout: '60s'}}, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      const before = await master.served();
      master.freeze('agent');
      await eventually(
        async () => ((await other.state()).nodes[master.id]?.lastSeenMs ?? 0) > 1_500,
        30_000,
        'the silence is not seen',
      );
      master.thaw('agent');
      await eventually(
        async () => ((await other.state()).nodes[master.id]?.lastSeenMs ?? 9_999) < 1_000,
        30_000,
        'no heartbeat again',
      );
      await cluster.untilMaster(master.id);
      expect(await master.served()).to.deep.equal(before);
    });
  });

  it('as the guardian of the master: the agent kills it and its service, and serves again with another one', async () => {
    await withCluster({nodes: ['n1']}, async (cluster) => {
      const master = await cluster.up();
      const before = await master.served();
      const {guardian} = master;
      master.freeze('guardian');
      await untilGone(guardian, 'the frozen guardian');
      await eventually(async () => (await master.served()).family !== before.family, 45_000, 'the service does not come back');
      await cluster.untilMaster(master.id);
    });
  });

  it('as agent and guardian of a standby: it is shown as FAILED, the master serves on, and the thawed one follows again', async () => {
    await withCluster({...TWO, timings: {leaseTimeout: '10s'}}, async (cluster) => {
      const {master, other} = await cluster.upAsPair();
      const before = await master.served();
      other.freeze('agent', 'guardian');
      await eventually(
        async () => (await master.state()).nodes[other.id]?.status === 'FAILED',
        30_000,
        'the master does not see it fail',
      );
      other.thaw('agent', 'guardian');
      await other.untilState('STANDBY');
      await eventually(
        async () => (await master.state()).nodes[other.id]?.status === 'STANDBY',
        30_000,
        'the master does not see it again',
      );
      expect(await master.served()).to.deep.equal(before);
    });
  });

  it('as an agent that is launched once more: the second start is refused with 3 and leaves the frozen one alone', async () => {
    await withCluster({nodes: ['n1'], timings: {leaseTimeout: '60s'}}, async (cluster) => {
      const master = await cluster.up();
      const [service] = master.servicePids;
      const {agent} = master.current;
      const again = await cluster.cli(...launchArguments(cluster.persistenceDir, master));
      expect(again.code, again.stderr).to.equal(3);
      master.freeze('agent');
      const frozen = await cluster.cli(...launchArguments(cluster.persistenceDir, master));
      expect(frozen.code, frozen.stderr).to.equal(3);
      expect(frozen.stderr).to.contain(String(agent.pid)).and.to.contain('--replace');
      master.thaw('agent');
      await cluster.untilMaster(master.id);
      expect(master.servicePids).to.deep.equal([service]);
    });
  });
});

const launchArguments = (persistenceDir: string, {id, stateDir, pidFile}: TestNode): string[] => [
  ...['launch', '--persistenceDir', persistenceDir, '--nodeId', id, '--port', '0'],
  ...['--stateDir', stateDir, '--pidFile', `${pidFile}.other`],
];

/** What it says when asked for its role; a connection that it closes is no answer, and so is none at all. */
const statusOf = (node: TestNode, options: AskOptions): Promise<number | undefined> =>
  node.get('/master', options).then(
    ({status}) => status,
    () => undefined,
  );

/** Asks for the role again and again. @returns the function that ends it and gives every status. */
function collectAnswers(node: TestNode): () => Promise<readonly (number | undefined)[]> {
  const seen: (number | undefined)[] = [];
  let going = true;
  const loop = async (): Promise<void> => {
    while (going) seen.push(await statusOf(node, {timeoutMs: 60_000}));
  };
  const done = loop();
  return async () => {
    going = false;
    await done;
    return seen;
  };
}

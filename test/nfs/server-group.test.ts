// A store that is open to a group, its nodes and its operator being different users of different hosts: whose files and directories the server says they are.
import {expect} from 'chai';
import type {User} from '../e2e/support/command.ts';
import {eventually} from '../support/eventually.ts';
import {noteFinding} from './support/findings.ts';
import {withLabCluster} from './support/lab-cluster.ts';
import {useLab} from './support/use-lab.ts';

const GROUP = 64_100;
const user = (uid: number): User => ({uid, gid: GROUP});
const [MAKER, OPERATOR] = [user(64_101), user(64_104)];
const NODES: Readonly<Record<string, User>> = {n1: user(64_102), n2: user(64_103)};
const SEEN_MS = 60_000;

for (const vers of ['3', '4.2'] as const) {
  describe(`a store that is open to a group, on NFS ${vers},`, function () {
    this.timeout(300_000);
    const lab = useLab({vers, clients: 2, graceS: 10});

    it('serves nodes and commands of different users: a switchover, and kill -9 of an agent', async () => {
      const options = {nodes: 2, userOf: (id: string): User => NODES[id] ?? MAKER, timings: {leaseTimeout: '120s'}};
      await withLabCluster(lab(), options, async (cluster) => {
        const dir = cluster.persistenceDir;
        await lab().must('c1', ['chown', `${MAKER.uid}:${GROUP}`, dir]);
        await lab().must('c1', ['chmod', '750', dir]);
        const store = ['--persistenceDir', dir];
        const made = await cluster.cliBy(MAKER, 'init', '--storeGroup', String(GROUP), ...store);
        expect(made, made.stderr).to.have.property('status', 0);
        await Promise.all(cluster.nodes.map((node) => node.launch()));
        const master = await cluster.awaitMaster();
        const other = cluster.others(master)[0]!;
        const isCounted = async (): Promise<boolean> => {
          const seen = (await master.state()).nodes[other.id];
          return typeof seen?.lastSeenMs === 'number' && seen.eligible && (await other.state()).phase !== 'listening';
        };
        await eventually(isCounted, SEEN_MS, `${master.id} does not count ${other.id}`);
        const chosen = await cluster.cliBy(OPERATOR, 'switchover', '--to', other.id, ...store);
        expect(chosen, chosen.stderr).to.have.property('status', 0);
        await master.untilState('STANDBY');
        await other.kill('agent');
        await cluster.awaitMaster(master.id);
        const owners = await lab().must('c1', ['find', dir, '-mindepth', '1', '-printf', '%g %m %y\\n']);
        const kinds = new Set(owners.trim().split('\n'));
        expect([...kinds].sort()).to.deep.equal([`${GROUP} 2770 d`, `${GROUP} 660 f`]);
        noteFinding({
          vers,
          scenario:
            'a store made with --storeGroup; nodes, maker and operator are four users of one group; switchover, kill -9 of an agent',
          expected: 'each reads and writes what the others made; everything has the group, mode 2770 or 660',
          observed:
            'it has; the operator moved the service, and the guardian of one user released what the agent of another claimed',
        });
      });
    });
  });
}

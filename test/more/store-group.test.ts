// End to end: a store that is open to a group. Nodes of different users, commands of a third one, and nobody else.
import {chmodSync, chownSync, writeFileSync} from 'node:fs';
import {expect} from 'chai';
import {Cluster, withCluster} from '../e2e/support/cluster.ts';
import {runCommand, type User} from '../e2e/support/command.ts';
import {isRoot} from '../guardian/driver.ts';

const GROUP = 64_100;
const user = (uid: number, gid = GROUP): User => ({uid, gid});
const [MAKER, FIRST, SECOND, OPERATOR, STRANGER] = [user(64_101), user(64_102), user(64_103), user(64_104), user(64_105, 64_105)];

describe('a store that is open to a group', () => {
  it('serves nodes and commands of different users, and nobody outside of it', async function () {
    if (!isRoot) {
      console.log('    SKIPPED: only root can be several users');
      this.skip();
    }
    const options = {nodes: ['n1', 'n2'], user: MAKER, userOf: (id: string): User => (id === 'n1' ? FIRST : SECOND)};
    await withCluster(options, async (cluster) => {
      const dir = cluster.persistenceDir;
      openToAll(cluster);
      const run = (by: User, ...args: readonly string[]): ReturnType<typeof runCommand> =>
        runCommand([...args, '--persistenceDir', dir], {cwd: '/', env: cluster.environment(), user: by});
      const made = await run(MAKER, 'init', '--storeGroup', String(GROUP));
      expect(made, made.stderr).to.have.property('code', 0);
      expect(made.stdout).to.contain(`created the store`).and.not.to.contain('cannot enter');

      for (const node of cluster.nodes) await node.launch();
      const master = await cluster.untilMaster();
      const [other] = cluster.others(master);
      if (!other) throw new Error('two nodes are a pair');
      await cluster.untilCounted(master, other.id);
      const chosen = await run(OPERATOR, 'switchover', '--to', other.id);
      expect(chosen, chosen.stderr).to.have.property('code', 0);
      await cluster.untilCounted(other, master.id);

      // Nobody says goodbye: the guardian of one user releases what the agent of another claims.
      await other.kill('agent');
      await cluster.untilMaster(master.id);
      const cleared = await run(OPERATOR, 'remove', other.id);
      expect(cleared, cleared.stderr).to.have.property('code', 0);
      const seen = await run(OPERATOR, 'history', '--json');
      expect(JSON.parse(seen.stdout)).to.have.length.greaterThan(2);
      const examined = await run(OPERATOR, 'doctor', '--rounds', '1');
      expect(examined.stdout)
        .to.contain('rename')
        .and.not.to.match(/EACCES|EPERM/);
      const refused = await run(STRANGER, 'status');
      expect(refused.code).to.equal(2);
      expect(refused.stderr).to.contain('EACCES');
    });
  });

  it('is not made for a group that nobody knows or its maker is no member of; where the group cannot enter, init says so', async () => {
    const cluster = await Cluster.create({nodes: [], ...(isRoot && {user: MAKER})});
    try {
      const unknown = await cluster.cli('init', '--persistenceDir', cluster.persistenceDir, '--storeGroup', 'no-such-group');
      expect(unknown.code).to.equal(3);
      expect(unknown.stderr).to.contain('storeGroup').and.to.contain('no-such-group').and.to.contain('groupadd');
      for (const number of ['4294967295', '99999999999', '-1']) {
        const refused = await cluster.cli('init', '--persistenceDir', cluster.persistenceDir, `--storeGroup=${number}`);
        expect(refused.code, refused.stderr).to.equal(3);
      }
      const foreign = await cluster.cli('init', '--persistenceDir', cluster.persistenceDir, '--storeGroup', '64199');
      expect(foreign.code).to.equal(2);
      expect(foreign.stderr).to.contain('EPERM');
      chmodSync(cluster.persistenceDir, 0o700);
      const own = String(isRoot ? GROUP : process.getgid?.());
      const hidden = await cluster.cli('init', '--persistenceDir', cluster.persistenceDir, '--storeGroup', own);
      expect(hidden, hidden.stderr).to.have.property('code', 0);
      expect(hidden.stdout).to.contain(`group ${own} cannot enter ${cluster.persistenceDir} yet: chgrp`);
    } finally {
      await cluster.remove();
    }
  });
});

/** What is not the store: the witnesses of both users write into one file. */
function openToAll(cluster: Cluster): void {
  writeFileSync(cluster.logFile, '');
  chmodSync(cluster.logFile, 0o666);
  chownSync(cluster.persistenceDir, MAKER.uid, GROUP);
  chmodSync(cluster.persistenceDir, 0o2770);
}

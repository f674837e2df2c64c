// `ha-agent doctor` on real mounts: what it says of good ones, of each bad option, of FUSE, of a full or silent server, and between two hosts.
import {expect} from 'chai';
import type {Verdict} from '../../lib/doctor/verdict.ts';
import type {Lab} from '../../scripts/nfs-lab/lab.ts';
import {EXPORTED, MOUNT_POINT, OWN_DISK, storageAddress, type NfsVersion} from '../../scripts/nfs-lab/plan.ts';
import {CLI} from '../e2e/support/command.ts';
import {eventually} from '../support/eventually.ts';
import {withLabCluster} from './support/lab-cluster.ts';
import {useLab} from './support/use-lab.ts';

const DOCTOR_MS = 120_000;
const UNMOUNTED_MS = 20_000;
/** A second mount: of the export with options of its own, or by way of FUSE. */
const ODD = '/mnt/odd';

interface Examined {
  readonly safe: boolean;
  readonly promise: string;
  readonly verdicts: readonly Verdict[];
}

const verdictOn = ({verdicts}: Examined, check: string): Verdict | undefined => verdicts.find((each) => each.check === check);
const levels = ({verdicts}: Examined): Record<string, string> =>
  Object.fromEntries(verdicts.map(({check, level}) => [check, level]));

const doctorOn = (directory: string, ...args: readonly string[]): string[] => {
  const own = ['--persistenceDir', directory, '--stateDir', `${OWN_DISK}/state`];
  return [process.execPath, CLI, 'doctor', ...own, ...args];
};

async function examine(lab: Lab, directory: string, ...args: readonly string[]): Promise<Examined> {
  const argv = doctorOn(directory, '--json', '--rounds', '60', ...args);
  const {status, stdout, stderr} = await lab.run('c1', argv, {timeoutMs: DOCTOR_MS});
  expect(stdout, stderr).to.match(/^\{/);
  const found = JSON.parse(stdout) as Examined;
  expect(status, stdout).to.equal(found.safe ? 0 : 2);
  return found;
}

/** With a second doctor on c2, on its ordinary mount. */
async function examineWith(lab: Lab, directory: string, ...args: readonly string[]): Promise<Examined> {
  let told = '';
  const serving = await lab.start('c2', doctorOn(MOUNT_POINT, '--serve', storageAddress('c2')), {
    onStdout: (piece) => {
      told += piece.toString();
    },
  });
  const [, url = ''] = await eventually(() => /--with (\S+)\n/.exec(told), DOCTOR_MS, 'the second doctor does not listen');
  const found = await examine(lab, directory, '--with', url, ...args);
  expect((await serving.exit).status, told).to.equal(0);
  return found;
}

async function withMount<T>(lab: Lab, vers: NfsVersion, options: string, use: () => Promise<T>): Promise<T> {
  const source = `${storageAddress('server')}:${vers === '3' ? EXPORTED : '/'}`;
  await lab.must('c1', ['mkdir', '-p', ODD]);
  await lab.must('c1', ['mount', '-t', 'nfs', '-o', `vers=${vers},nosharecache,${options}`, source, ODD]);
  try {
    return await use();
  } finally {
    await lab.must('c1', ['umount', '-l', ODD]);
  }
}

/** The files of a directory once more, by way of a process in user space; that one ends when nobody uses the mount any more. */
async function withFuse<T>(lab: Lab, behind: string, use: () => Promise<T>, options: readonly string[] = []): Promise<T> {
  await lab.must('c1', ['mkdir', '-p', ODD, behind]);
  await lab.must('c1', ['bindfs', ...options, behind, ODD]);
  try {
    return await use();
  } finally {
    await lab.must('c1', ['umount', '-l', ODD]);
    const isGone = async (): Promise<boolean> => (await lab.run('c1', ['pgrep', '-x', 'bindfs'])).status === 1;
    await eventually(isGone, UNMOUNTED_MS, 'somebody still uses the FUSE mount: its process does not end');
  }
}

for (const vers of ['3', '4.2'] as const) {
  describe(`doctor on NFS ${vers}`, function () {
    this.timeout(300_000);
    const lab = useLab({vers, clients: 2, graceS: 10, diskMib: 64});
    afterEach(async () => {
      expect(await lab().must('server', ['ls', '-A', EXPORTED])).to.not.contain('.doctor');
    });

    it('finds nothing unsafe on an ordinary mount of two hosts, and that both see at once what the other one does', async () => {
      const found = await examineWith(lab(), MOUNT_POINT);
      const good = ['store', 'fileSystem', 'mountOptions', 'serverLease', 'fullDirectory', 'heartbeatIo', 'clock', 'clockRate'];
      expect(levels(found)).to.include(Object.fromEntries(good.map((check) => [check, 'ok'])));
      expect(verdictOn(found, 'fileSystem')?.reason).to.contain(`NFS ${vers}:`);
      expect(verdictOn(found, 'serverLease')?.reason).to.contain(vers === '3' ? 'no grace period' : '10 s (its grace period');
      expect(verdictOn(found, 'rename')?.reason).to.match(/exactly one won in (\d+) of \1 rounds/);
      expect(verdictOn(found, 'renameBetweenHosts')?.reason).to.match(
        /on this host and on c2 exactly one won in (\d+) of \1 rounds/,
      );
      expect(verdictOn(found, 'renameBetweenHosts')?.level, JSON.stringify(found.verdicts)).to.not.equal('unsafe');
      expect(verdictOn(found, 'visibility')?.level, verdictOn(found, 'visibility')?.reason).to.equal('ok');
      expect(found.safe).to.equal(true);
      expect(found.promise).to.contain('This deployment promises at most one active service: another node serves');
    });

    it('warns of options that harm, as they are in force', async () => {
      for (const [options, says] of [
        ['soft', 'soft: a call that was given up'],
        ['nocto', 'nocto: what is opened'],
        ['actimeo=600', 'cached for up to 600 s'],
      ] as const) {
        const found = await withMount(lab(), vers, options, () => examine(lab(), ODD));
        expect(verdictOn(found, 'mountOptions')?.reason).to.contain(says);
        expect(verdictOn(found, 'mountOptions')?.level).to.equal('warning');
        expect(found.safe, options).to.equal(true);
      }
    });

    it('tells people that FUSE over the share is FUSE: a warning, what to use instead, and a promise with an if', async () => {
      const {status, stdout, stderr} = await withFuse(lab(), MOUNT_POINT, () =>
        lab().run('c1', doctorOn(ODD, '--rounds', '60'), {timeoutMs: DOCTOR_MS}),
      );
      expect({status, stderr}, stdout).to.deep.equal({status: 0, stderr: ''});
      const lines = stdout.split('\n').map((line) => line.replace(/ {2,}/g, '  '));
      const [what, todo] = lines.slice(lines.findIndex((line) => line.includes('  file system  ')));
      const seen = 'whether other hosts see the same there cannot be told';
      expect(what).to.equal(`warning  file system  ${seen}: fuse from ${MOUNT_POINT}, mounted at ${ODD}`);
      expect(todo).to.match(
        /^ +what to do: +use NFS 4\.2 or 3, or ask its maker for an atomic rename .*, and measure with --with from two hosts$/,
      );
      expect(stdout).to.contain('not tried rename and visibility between two hosts: start "ha-agent doctor --serve ADDRESS"');
      // That it is NFS behind it neither counts nor shows.
      expect(stdout).to.not.contain(`NFS ${vers}:`);
      expect(stdout).to.not.contain("server's lease time");
      expect(lines.at(-2)).to.match(/^This deployment promises at most one active service if fuse renames as NFS does: /);
    });

    it('measures FUSE over the share against another host, as it advises, and still warns of it', async () => {
      const found = await withFuse(lab(), MOUNT_POINT, () => examineWith(lab(), ODD));
      expect(levels(found)).to.include({store: 'ok', fileSystem: 'warning', rename: 'ok', fullDirectory: 'ok'});
      expect(verdictOn(found, 'renameBetweenHosts')?.reason).to.match(
        /on this host and on c2 exactly one won in (\d+) of \1 rounds/,
      );
      expect(verdictOn(found, 'visibility')?.reason).to.match(
        /was seen in a listing within \S+ m?s, a heartbeat in a read within /,
      );
      expect(found.safe, JSON.stringify(found.verdicts)).to.equal(true);
      expect(found.promise).to.contain('if fuse renames as NFS does');
    });

    it('calls a read-only mount unsafe', async () => {
      const found = await withMount(lab(), vers, 'ro', () => examine(lab(), ODD));
      expect(levels(found)).to.include({store: 'unsafe', mountOptions: 'unsafe'});
      expect(verdictOn(found, 'store')?.reason).to.contain('EROFS');
    });

    it('calls a full server unsafe', async () => {
      const filler = `${EXPORTED}/filler`;
      await lab().run('server', ['dd', 'if=/dev/zero', `of=${filler}`, 'bs=64k'], {timeoutMs: DOCTOR_MS});
      await lab().run('server', ['sh', '-c', `dd if=/dev/zero bs=1k >>${filler}; sync`], {timeoutMs: DOCTOR_MS});
      try {
        const found = await examine(lab(), MOUNT_POINT);
        expect(verdictOn(found, 'space')?.level).to.equal('unsafe');
        expect(verdictOn(found, 'space')?.reason).to.contain('ENOSPC');
      } finally {
        await lab().must('server', ['rm', filler]);
      }
    });

    it('ends, and calls it unsafe, when the server does not answer', async () => {
      await lab().freeze('server');
      try {
        const found = await examine(lab(), MOUNT_POINT);
        expect(verdictOn(found, 'store')?.reason).to.contain('the store does not answer since 8 s');
        expect(verdictOn(found, 'fileSystem')?.reason).to.contain(`NFS ${vers}:`);
      } finally {
        await lab().thaw('server');
      }
    });
  });
}

describe('doctor on NFS 4.2, further', function () {
  this.timeout(300_000);
  const lab = useLab({vers: '4.2', clients: 2, graceS: 10});

  it("warns of a server's lease that is longer than a master rides out", async () => {
    const found = await examine(lab(), MOUNT_POINT, '--leaseTimeout', '20s');
    expect(verdictOn(found, 'serverLease')?.level).to.equal('warning');
    expect(verdictOn(found, 'serverLease')?.reason).to.contain('10 s').and.contain('8 s that a master rides out');
    expect(found.promise).to.contain('which a restart of the server may outlast');
  });

  it('sees that changes stay unseen behind nocto and a long attribute cache', async () => {
    const found = await withMount(lab(), '4.2', 'nocto,actimeo=600', () => examineWith(lab(), ODD));
    expect(verdictOn(found, 'visibility')?.level, verdictOn(found, 'visibility')?.reason).to.equal('warning');
    expect(verdictOn(found, 'renameBetweenHosts')?.reason).to.match(/exactly one won in (\d+) of \1 rounds/);
    expect(found.promise).to.contain('stay unseen here');
  });

  it('says that a local disk is seen by this host alone', async () => {
    const found = await examine(lab(), OWN_DISK);
    expect(verdictOn(found, 'fileSystem')?.reason).to.contain('only this host sees it');
    expect(found.promise).to.contain('among the processes of this host alone');
  });

  it('says of FUSE over a local disk the same as over the share: what lies behind it cannot be told', async () => {
    const behind = `${OWN_DISK}/behind`;
    const found = await withFuse(lab(), behind, () => examine(lab(), ODD));
    await lab().must('c1', ['rmdir', behind]);
    expect(verdictOn(found, 'fileSystem')?.level).to.equal('warning');
    expect(verdictOn(found, 'fileSystem')?.reason).to.contain(`cannot be told: fuse from ${behind}, mounted at ${ODD}`);
    expect(verdictOn(found, 'fileSystem')?.remedy).to.contain('use NFS 4.2 or 3').and.contain('--with from two hosts');
    expect(found.promise).to.contain('if fuse renames as NFS does');
  });

  it('calls FUSE unsafe that by its name keeps objects in a bucket', async () => {
    const behind = `${OWN_DISK}/behind`;
    const found = await withFuse(lab(), behind, () => examine(lab(), ODD), ['-o', 'subtype=s3fs']);
    await lab().must('c1', ['rmdir', behind]);
    expect(verdictOn(found, 'fileSystem')?.level).to.equal('unsafe');
    const seen = `several rivals may win: fuse.s3fs from ${behind}, mounted at ${ODD}`;
    expect(verdictOn(found, 'fileSystem')?.reason).to.contain(seen);
    expect(verdictOn(found, 'fileSystem')?.remedy).to.contain('a share with an atomic rename, such as NFS');
    expect(found.promise).to.contain('promises nothing until what is unsafe has been mended: file system');
  });

  it('says that another user may not share the store', async () => {
    const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--'];
    let told = '';
    const argv = [...nobody, ...doctorOn(MOUNT_POINT, '--serve', storageAddress('c2'))];
    const serving = await lab().start('c2', argv, {onStdout: (piece) => (told += piece.toString())});
    const [, url = ''] = await eventually(() => /--with (\S+)\n/.exec(told), DOCTOR_MS, 'the second doctor does not listen');
    const found = await examine(lab(), MOUNT_POINT, '--with', url);
    expect(verdictOn(found, 'renameBetweenHosts')?.reason).to.contain('one and the same user for the server');
    await serving.exit;
  });

  it('looks at the nodes of a cluster that runs, and disturbs none', async () => {
    await withLabCluster(lab(), {timings: {leaseTimeout: '9s'}}, async (cluster) => {
      const master = await cluster.up();
      const found = await examine(lab(), cluster.persistenceDir);
      expect(verdictOn(found, 'otherTimings')?.reason.split('; ')).to.include(
        `leaseTimeout of ${master.id}, as in the lock, is 9 s, here 30 s`,
      );
      expect(verdictOn(found, 'clockRate')?.reason).to.match(/n1 .*n2 /);
      expect((await cluster.awaitMaster()).id).to.equal(master.id);
      const {runs} = await cluster.witnessed();
      expect(runs).to.have.length(1);
    });
  });
});

// Which file system a directory lies on, told from /proc alone.
import {expect} from 'chai';
import {kindIn, mountKindOf} from '../../lib/agent/mount.ts';

const MOUNTINFO = [
  '22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw',
  '90 22 0:50 / /mnt/ha rw,relatime shared:2 - nfs4 server:/ha rw,vers=4.2,hard',
  '91 22 0:51 / /mnt/with\\040space rw - fuse.bindfs bindfs rw',
  '92 90 8:2 / /mnt/ha/local rw - xfs /dev/sdb rw',
  '93 22 0:52 / /mnt/over rw - nfs4 server:/x rw',
  '94 93 0:53 / /mnt/over rw - tmpfs tmpfs rw',
  '95 22 0:55 / /mnt/later rw - autofs systemd-1 rw',
  '96 22 0:56 / /mnt/now rw - autofs systemd-1 rw',
  '97 96 0:57 / /mnt/now rw - nfs4 server:/y rw',
  'rubbish',
].join('\n');

describe('the kind of a mount', () => {
  for (const [directory, expected] of [
    ['/srv/data', {kind: 'local', type: 'ext4'}],
    ['/mnt/ha', {kind: 'shared', type: 'nfs4'}],
    ['/mnt/ha/app', {kind: 'shared', type: 'nfs4'}],
    ['/mnt/hare', {kind: 'local', type: 'ext4'}],
    ['/mnt/ha/local/x', {kind: 'local', type: 'xfs'}],
    ['/mnt/with space', {kind: 'unknown', type: 'fuse.bindfs'}],
    ['/mnt/over/x', {kind: 'local', type: 'tmpfs'}],
    // Before the first access nothing is mounted there yet.
    ['/mnt/later', {kind: 'unknown', type: 'autofs'}],
    ['/mnt/now', {kind: 'shared', type: 'nfs4'}],
  ] as const) {
    it(`of ${directory} is ${expected.kind} (${expected.type})`, () =>
      expect(kindIn(MOUNTINFO, directory)).to.deep.equal(expected));
  }

  it('is unknown where nothing is mounted', () => expect(kindIn('', '/x')).to.equal(undefined));

  it('is told for a directory of this host', async () => expect((await mountKindOf('/proc'))?.type).to.equal('proc'));
});

// Mount options in force and the server's lease time, out of /proc as a real client with NFS 4.2 and 3 shows them.
import {expect} from 'chai';
import {mountFoundIn} from '../../lib/doctor/mount-found.ts';

const MOUNTINFO = [
  '25 1 0:15 / / rw,relatime - ext4 /dev/root rw',
  '29 25 0:26 / /mnt/ha rw,relatime - nfs4 10.99.0.1:/ rw,vers=4.2,namlen=255,hard,proto=tcp,timeo=600,retrans=2,sec=sys',
  '30 25 0:27 / /mnt/a\\040b ro,relatime - nfs4 10.99.0.1:/ rw,vers=4.2,hard,nosharecache',
  '31 25 0:28 / /mnt/three rw - nfs 10.99.0.1:/srv rw,vers=3,hard',
].join('\n');
const MOUNTSTATS = [
  'device tmpfs mounted on /tmp with fstype tmpfs',
  'device 10.99.0.1:/ mounted on /mnt/ha with fstype nfs4 statvers=1.1',
  "\topts:\trw,vers=4.2,hard\n\tage:\t19\n\timpl_id:\tname='',domain='',date='0,0'",
  '\tnfsv4:\tbm0=0xfdffbfff,acl=0x3,sessions,pnfs=not configured,lease_time=90,lease_expired=0',
  'device 10.99.0.1:/ mounted on /mnt/a\\040b with fstype nfs4 statvers=1.1',
  '\tnfsv4:\tbm0=0xfdffbfff,lease_time=10,lease_expired=0',
  'device 10.99.0.1:/srv mounted on /mnt/three with fstype nfs statvers=1.1',
  '\topts:\trw,vers=3,hard',
].join('\n');

describe('the mount that doctor finds', () => {
  it('has the options in force, the lease time that the server told, and its twins', () => {
    expect(mountFoundIn(MOUNTINFO, MOUNTSTATS, '/mnt/ha/x')).to.deep.equal({
      point: '/mnt/ha',
      type: 'nfs4',
      source: '10.99.0.1:/',
      options: ['rw', 'relatime', 'vers=4.2', 'namlen=255', 'hard', 'proto=tcp', 'timeo=600', 'retrans=2', 'sec=sys'],
      serverLeaseMs: 90_000,
      twins: ['/mnt/a b'],
    });
  });

  it('is told apart from others whose names are written in octal', () => {
    const found = mountFoundIn(MOUNTINFO, MOUNTSTATS, '/mnt/a b');
    expect(found).to.deep.include({serverLeaseMs: 10_000, twins: ['/mnt/ha']});
    expect(found?.options).to.include.members(['ro', 'nosharecache']);
  });

  it('has no lease time with version 3, on a local file system, or without mountstats', () => {
    expect(mountFoundIn(MOUNTINFO, MOUNTSTATS, '/mnt/three')).to.deep.include({serverLeaseMs: undefined, twins: []});
    expect(mountFoundIn(MOUNTINFO, MOUNTSTATS, '/home')).to.deep.include({type: 'ext4', serverLeaseMs: undefined, twins: []});
    expect(mountFoundIn(MOUNTINFO, '', '/mnt/ha')).to.deep.include({serverLeaseMs: undefined});
  });
});
